"""Images that were enhanced elsewhere, by a method in any language."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath
from typing import ClassVar

from torch import Tensor

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import IMAGE_SUFFIXES, Image, read_image

from .base import Enhancer


class Folder(Enhancer):
    """Takes each image from a folder, by the relative path that it has in the data set; the suffix may differ.

    Where one of the two paths lies deeper than the other, as ``Bus/2015_00001`` and ``2015_00001``, the longer one may
    begin with other folders, if a single file fits. The files decide the fingerprint, so that one that changes is
    seen anew.

    Args:
        images: the folder.

    Raises:
        UserError: no such folder, no image in it, or two files for one image.
    """

    name: ClassVar[str] = "folder"
    summary: ClassVar[str] = "images enhanced elsewhere, by relative path; also written folder:DIR"

    def __init__(self, images: str = "") -> None:
        if images == "":
            raise UserError("folder needs the folder of the enhanced images; write folder:DIR")
        super().__init__(images=str(images))
        self.root = Path(str(images)).expanduser()
        if not self.root.is_dir():
            raise UserError(f"folder: {self.root} is no folder; give the one that holds the enhanced images")
        self.files: dict[str, Path] = {}
        for path in sorted(self.root.rglob("*")):
            if path.suffix.lower() not in IMAGE_SUFFIXES or not path.is_file():
                continue
            key = path.relative_to(self.root).with_suffix("").as_posix()
            if key in self.files:
                raise UserError(f"{path} and {self.files[key].name} are two files for one image; keep one of them")
            self.files[key] = path
        if not self.files:
            raise UserError(f"folder: there is no image in {self.root}")
        self._by_name: dict[str, list[str]] = {}
        for key in self.files:
            self._by_name.setdefault(PurePosixPath(key).name, []).append(key)
        digest = hashlib.sha256()
        for key, path in self.files.items():
            digest.update(key.encode() + hashlib.sha256(path.read_bytes()).digest())
        self.content = digest.hexdigest()

    def enhance(self, image: Tensor) -> Tensor:
        del image
        raise UserError("folder holds images that are enhanced already; use it in detect, segment and run")

    def enhance_image(self, image: Image, key: str, device: str) -> Image:
        del device
        path = self._file(key)
        found = read_image(path)
        if found.shape != image.shape:
            sizes = [f"{each.shape[1]}×{each.shape[0]}" for each in (found, image)]
            raise UserError(f"{path} is {sizes[0]}, its original {sizes[1]}; labels fit the original's size only")
        return found

    def lacks(self, key: str) -> str:
        """Why no single file is the image's; empty where one is."""
        alike = self._alike(key)
        if len(alike) == 1:
            return ""
        others = f"{len(alike)} that may be meant" if alike else f"files such as {next(iter(self.files))!r}"
        return f"{self.root} has no image {key!r}, but {others}; they are matched by the relative path"

    def _file(self, key: str) -> Path:
        reason = self.lacks(key)
        if reason:
            raise UserError(reason)
        return self.files[self._alike(key)[0]]

    def _alike(self, key: str) -> list[str]:
        if key in self.files:
            return [key]
        return [each for each in self._by_name.get(PurePosixPath(key).name, ()) if _one_in_other(each, key)]


def _one_in_other(first: str, second: str) -> bool:
    short, long = sorted((first, second), key=len)
    return long.endswith(f"/{short}")
