"""Record of an output folder of ``sgz-bench enhance``: the method that made its images, and their names."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import read_text, to_json, write_atomic
from sgz_bench.core.images import IMAGE_SUFFIXES
from sgz_bench.core.text import pluralize

RECORD = ".sgz-bench-enhance.json"  # in the output folder
SHEETS = "compare"  # folder of the side-by-side sheets, in the output folder
_IMAGES = "images"  # key of the names; records of earlier versions have none


@dataclass(frozen=True)
class FolderRecord:
    """Record of a folder's images.

    Attributes:
        folder: output folder.
        method: enhancer, fingerprint, suffix, quality and engine of the images; empty without a record.
        names: relative POSIX paths of the images made with the method; None where an earlier version, which wrote no
            names, made every image of the folder.
    """

    folder: Path
    method: Mapping[str, Any] = field(default_factory=dict)
    names: frozenset[str] | None = frozenset()

    @staticmethod
    def read(folder: Path) -> FolderRecord:
        """Read the record of a folder; empty if there is none, or if it is damaged.

        Raises:
            UserError: it exists and cannot be read.
        """
        path = folder / RECORD
        if not path.is_file():
            return FolderRecord(folder)
        try:
            record = dict(json.loads(read_text(path)))
        except (ValueError, TypeError, RecursionError):
            return FolderRecord(folder)
        names = record.pop(_IMAGES, None)
        known = frozenset(map(str, names)) if isinstance(names, list) else None
        return FolderRecord(folder, record, known if record else frozenset())

    def made(self, path: Path) -> bool:
        """Return True if the method of this record made an image of the folder."""
        return self.names is None or path.relative_to(self.folder).as_posix() in self.names

    def images(self) -> list[Path]:
        """Return the existing images of the record."""
        if self.names is not None:
            return [path for name in sorted(self.names) if (path := self.folder / name).is_file()]
        return [path for path in sorted(self.folder.rglob("[!.]*")) if path.suffix.lower() in IMAGE_SUFFIXES]

    def claim(self, method: Mapping[str, Any], outputs: Sequence[Path], *, force: bool) -> None:
        """Take a folder's outputs for a method: check, delete what ``force`` replaces, write the record.

        Existing outputs are kept, so a second method in the same folder would leave a mixture that looks like one set.
        With ``force`` the other method's images are deleted first: an interruption leaves none of them behind.

        Args:
            method: of the outputs, in the order of the record.
            outputs: paths of the planned files.
            force: overwrite existing outputs.

        Raises:
            UserError: the folder holds images of another method, or files that this command did not write, or cannot
                be written. Nothing is changed then.
        """
        before = dict(self.method)
        if before:
            before.setdefault("engine", method["engine"] and "eager fp32")  # earlier versions ran eager and wrote none
        differs = bool(before) and any(before.get(key) != method[key] for key in method if key != "enhancer")
        if differs and not force:
            raise UserError(
                f"{self.folder} holds {_description(before)}; choose another output folder for {_description(method)},"
                " or overwrite them (--force)"
            )
        foreign = [path for path in outputs if path.exists() and not self.made(path)]
        if foreign and not force:
            raise UserError(
                f"{self.folder} holds {pluralize(len(foreign), 'file')} of these names that this command did not"
                f" write, such as {foreign[0]}; choose another output folder, or overwrite (--force)"
            )
        replaced = self._replaced(outputs, before) if differs else []
        try:
            for path in [*replaced, *outputs] if differs else []:
                path.unlink(missing_ok=True)
        except OSError as error:
            reason = error.strerror or error
            raise UserError(f"{self.folder} cannot be written: {reason}; choose another folder") from error
        names = {path.relative_to(self.folder).as_posix() for path in (*([] if differs else self.images()), *outputs)}
        try:
            write_atomic(self.folder / RECORD, to_json(dict(method) | {_IMAGES: sorted(names)}))
        except UserError as error:
            raise UserError(f"{error}; choose another output folder") from error

    def _replaced(self, outputs: Sequence[Path], before: Mapping[str, Any]) -> list[Path]:
        """Return the other method's images that planned outputs replace, also those with another suffix.

        Raises:
            UserError: the other method's images would remain beside the new ones.
        """
        stems = {path.with_suffix("") for path in outputs}
        stems |= {self.folder / SHEETS / stem.relative_to(self.folder) for stem in stems}
        images = self.images()
        remaining = [path for path in images if path.with_suffix("") not in stems]
        if remaining:
            raise UserError(
                f"{self.folder} holds {_description(before)}, and this command would leave"
                f" {pluralize(len(remaining), 'image')} of them beside the new ones, such as {remaining[0]}; enhance"
                " all images again, or choose another output folder"
            )
        return images


def _description(method: Mapping[str, Any]) -> str:
    """Describe a folder's images for an error message."""
    quality = f" at quality {method['quality']}" if method.get("quality") else ""
    engine = f" by {method['engine']}" if method.get("engine") else ""
    return f"{method.get('suffix')} images{quality} made with {method.get('enhancer')}{engine}"
