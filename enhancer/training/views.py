"""Crops of pictures and their darkened views, each a function of seed, step, process rank and batch index alone.

A resumed training therefore needs no random generator state, and processes on several GPUs never see the same crop.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import file_sha256, visible_files
from sgz_bench.core.images import IMAGE_SUFFIXES, Image, read_image
from sgz_bench.core.text import pluralize

from ..darken import Darken, linear_light
from .recipe import CropConfig

_HELD_OUT = 16  # every 16th picture is held out for validation


@dataclass(frozen=True)
class Pictures:
    """Image files of a training.

    Attributes:
        train, held_out: training and validation pictures, sorted by path within each folder.
        problems: skipped file → reason.
    """

    train: tuple[Path, ...]
    held_out: tuple[Path, ...]
    problems: dict[str, str]

    @property
    def fingerprint(self) -> str:
        """Return the sha256 (hex) of each file's name and bytes; folder paths are not part of it."""
        digest = hashlib.sha256()
        for path in (*self.train, *self.held_out):
            digest.update(path.name.encode() + bytes.fromhex(file_sha256(path)))
        return digest.hexdigest()

    @staticmethod
    def find(folders: Iterable[Path], brightest: float = 0.0) -> Pictures:
        """Find every image below the folders; skip and name those that cannot be decoded.

        Args:
            folders: searched recursively.
            brightest: smallest mean level, in [0, 1], of the pictures that are used.

        Raises:
            UserError: a folder does not exist, or there are fewer than two pictures.
        """
        paths: list[Path] = []
        problems: dict[str, str] = {}
        for folder in folders:
            if not folder.is_dir():
                raise UserError(f"--data {folder} is not a folder; give folders of images")
            for path in visible_files(folder):
                if path.suffix.lower() not in IMAGE_SUFFIXES:
                    continue
                try:
                    if read_image(path).mean() >= 255 * brightest:
                        paths.append(path)
                except UserError as error:
                    problems[str(path)] = str(error)
        if len(paths) < 2:
            raise UserError(
                f"--data holds {pluralize(len(paths), 'picture')}, training needs at least 2; add folders with images"
            )
        held_out = paths[:: max(min(_HELD_OUT, len(paths) // 2), 2)]
        excluded = set(held_out)
        return Pictures(tuple(path for path in paths if path not in excluded), tuple(held_out), problems)


class Batches:
    """Batches of dark views and their better-lit counterparts.

    Args:
        pictures: image files.
        views: crop and darkening settings.
        size: views per batch.
        seed: of all random draws.

    Attributes:
        problems: skipped file → reason, for files that fail to decode.
    """

    def __init__(self, pictures: Sequence[Path], views: CropConfig, size: int, seed: int) -> None:
        self._pictures, self._views, self._size, self._seed = pictures, views, size, seed
        self.problems: dict[str, str] = {}

    def __call__(self, step: int, rank: int = 0) -> tuple[Tensor, Tensor]:
        """Return views to enhance and their better-lit counterparts, each RGB ``(B, 3, crop, crop)`` in [0, 1].

        Both are equal if ``ev`` is None.
        """
        pairs = [self._pair(np.random.default_rng([self._seed, step, rank, index])) for index in range(self._size)]
        dark, better = (np.stack(each).transpose(0, 3, 1, 2).copy() for each in zip(*pairs, strict=True))
        return torch.from_numpy(dark), torch.from_numpy(better)

    def _pair(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        better = self._crop(self._picture(rng), rng)
        dark = better
        views = self._views
        if views.ev is not None and rng.random() >= views.bright:
            gains = 1 + rng.uniform(-views.tint, views.tint, 3)
            camera = Darken(
                ev=float(rng.uniform(*views.ev)),
                full_well=float(rng.uniform(*views.full_well)),
                read_noise=float(rng.uniform(*views.read_noise)),
                red=float(gains[0]),
                green=float(gains[1]),
                blue=float(gains[2]),
            )
            light = linear_light(better)
            if views.uneven:
                light = light * _falloff(views.crop, float(rng.uniform(0, views.uneven)), rng)
            dark = camera.expose(light, rng)
        return _unit(dark), _unit(better)

    def _picture(self, rng: np.random.Generator) -> Image:
        """Return a random picture that can be decoded."""
        for index in rng.permutation(len(self._pictures)):
            path = self._pictures[int(index)]
            if str(path) in self.problems:
                continue
            try:
                return read_image(path)
            except UserError as error:
                self.problems[str(path)] = str(error)
        raise UserError("no picture can be decoded; check --data")

    def _crop(self, picture: Image, rng: np.random.Generator) -> Image:
        side = self._views.crop
        if self._views.whole:
            return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), dtype=np.uint8)
        height, width = picture.shape[:2]
        scale = max(float(rng.uniform(*self._views.scale)), side / min(height, width))
        size = (max(round(width * scale), side), max(round(height * scale), side))
        interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        scaled = cv2.resize(picture, size, interpolation=interpolation)
        left, top = (int(rng.integers(extent - side + 1)) for extent in size)
        crop = scaled[top : top + side, left : left + side]
        return np.ascontiguousarray(crop[:, ::-1] if rng.random() < 0.5 else crop)


def _falloff(side: int, stops: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return smooth factors of the light between 2^−stops and 1, ``(side, side, 1)``."""
    coarse = rng.random((4, 4), dtype=np.float32)
    smooth = np.clip(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC), 0, 1)
    shares: NDArray[np.float32] = np.exp2(-np.float32(stops) * smooth)[..., None]
    return shares


def _unit(image: Image) -> NDArray[np.float32]:
    return np.asarray(image, dtype=np.float32) / np.float32(255)
