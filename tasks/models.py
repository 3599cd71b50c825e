"""What a vision model is to a benchmark: class names, settings and a fingerprint."""

from __future__ import annotations

import hashlib
from abc import ABC
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from sgz_bench.enhancer.errors import UserError
from sgz_bench.enhancer.specs import Spec, Value


class Model(ABC):
    """Base of all detectors and segmenters.

    Attributes:
        family: the name before the colon of a model spec.
        version: raised when the same weights and settings give another answer.
        source: the file or model name after the colon.
        class_names: names by class id.
        settings: the effective inference settings, part of every result row.
        fingerprint: sha256 (hex) of the weights.
    """

    family: ClassVar[str]
    version: ClassVar[int] = 1

    def __init__(
        self, source: str, class_names: Sequence[str], fingerprint: str, settings: Mapping[str, Value | None]
    ) -> None:
        self.source = source
        self.class_names = tuple(class_names)
        self.fingerprint = fingerprint
        self.settings = dict(settings)

    @property
    def spec(self) -> str:
        """Canonical text, with the file's name in place of its path."""
        set_values = {key: value for key, value in self.settings.items() if value is not None}
        return str(Spec.of(f"{self.family}:{Path(self.source).name}", set_values))


def file_fingerprint(*paths: Path) -> str:
    """sha256 (hex) of one file's bytes, or over those of several."""
    digests = []
    for path in paths:
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256"))
    if len(digests) == 1:
        return digests[0].hexdigest()
    return hashlib.sha256(b"".join(digest.digest() for digest in digests)).hexdigest()


def require_file(path: str, kind: str) -> Path:
    """The path of an existing file.

    Raises:
        UserError: there is no such file.
    """
    if not Path(path).is_file():
        raise UserError(f"no {kind} at {path}; give the path of an existing file (nothing is downloaded by itself)")
    return Path(path)
