"""Exported networks in their engines, for the models of every task."""

from .base import Nms as Nms
from .base import Port as Port
from .base import Session as Session
from .formats import OPENED as OPENED
from .formats import READ as READ
from .formats import exported_file as exported_file
from .metadata import ExportMetadata as ExportMetadata
from .metadata import named_classes as named_classes
from .opening import open_session as open_session
