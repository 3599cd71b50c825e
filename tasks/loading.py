"""Former name of :mod:`sgz_bench.tasks.datasets`, kept for plugins."""

from sgz_bench.core.files import read_text as read_text
from sgz_bench.core.files import read_yaml as read_yaml

from .datasets import *  # noqa: F403
