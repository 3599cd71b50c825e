"""Enhancer ``folder``: images that were enhanced elsewhere, by a method in any language."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath
from typing import ClassVar

from torch import Tensor

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import file_sha256, visible_files
from sgz_bench.core.images import IMAGE_SUFFIXES, Image, read_image
from sgz_bench.core.text import composed

from .base import Enhancer


class Folder(Enhancer):
    """Return each image from a folder, by its relative path in the data set; the suffix may differ.

    The longer of the two paths may begin with extra folders, such as ``Bus/2015_00001`` for ``2015_00001``, if a single
    file fits. The fingerprint covers the files' content, so a changed file is evaluated again.

    Args:
        images: path of the folder.

    Raises:
        UserError: the folder does not exist, holds no image, or holds two files for one image.
    """

    name: ClassVar[str] = "folder"
    summary: ClassVar[str] = "images enhanced elsewhere, by relative path; also written folder:DIR"

    def __init__(self, images: str = "") -> None:
        if images == "":
            raise UserError("folder needs the directory of the enhanced images; write folder:DIR")
        super().__init__(images=str(images))
        self.root = Path(str(images)).expanduser()
        if not self.root.is_dir():
            raise UserError(f"folder: {self.root} is not a folder; give the one with the enhanced images")
        self.files: dict[str, Path] = {}
        for path in visible_files(self.root):
            if path.suffix.lower() not in IMAGE_SUFFIXES:
                continue
            key = path.relative_to(self.root).with_suffix("").as_posix()
            if key in self.files:
                raise UserError(f"{path} and {self.files[key].name} are two files for one image; keep one of them")
            self.files[key] = path
        if not self.files:
            raise UserError(f"folder: {self.root} holds no image; give the folder with the enhanced images")
        self._by_name: dict[str, list[str]] = {}  # in Unicode's composed form
        for key in self.files:
            self._by_name.setdefault(PurePosixPath(composed(key)).name, []).append(key)
        digest = hashlib.sha256()
        for key, path in self.files.items():
            digest.update(key.encode() + bytes.fromhex(file_sha256(path)))
        self.content = digest.hexdigest()

    def enhance(self, image: Tensor) -> Tensor:
        del image
        raise UserError("folder:DIR holds images that are enhanced already; use it in detect, segment and run")

    def enhance_image(self, image: Image, key: str, device: str) -> Image:
        del device
        path = self._file(key)
        enhanced = read_image(path)
        if enhanced.shape != image.shape:
            sizes = [f"{each.shape[1]}×{each.shape[0]}" for each in (enhanced, image)]
            raise UserError(f"{path} is {sizes[0]}, its original {sizes[1]}; labels fit the original's size only")
        return enhanced

    def lacks(self, key: str) -> str:
        """Explain why no single file belongs to the image; empty if one does."""
        candidates = self._candidates(key)
        if len(candidates) == 1:
            return ""
        others = f"{len(candidates)} candidates" if candidates else f"files such as {next(iter(self.files))!r}"
        return f"{self.root} has no image {key!r}, but {others}; files are matched by the relative path"

    def _file(self, key: str) -> Path:
        reason = self.lacks(key)
        if reason:
            raise UserError(reason)
        return self.files[self._candidates(key)[0]]

    def _candidates(self, key: str) -> list[str]:
        """Return the keys of files that may belong to the image; its own key alone, if there is such a file."""
        if key in self.files:
            return [key]
        same_name = self._by_name.get(PurePosixPath(composed(key)).name, ())
        return [each for each in same_name if _is_tail(composed(each), composed(key))]


def _is_tail(first: str, second: str) -> bool:
    """Check whether the shorter path is the end of the longer one, at a folder boundary."""
    short, long = sorted((first, second), key=len)
    return long == short or long.endswith(f"/{short}")
