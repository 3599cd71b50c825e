"""Exported networks in their engines, for the models of every task."""

from .base import Port as Port
from .base import Session as Session
from .opening import open_session as open_session
