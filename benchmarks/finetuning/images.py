"""Training images as a model will see them in the test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, overload

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.label_space import Sample
from sgz_bench.tasks.types import Image, Problem

from ..view import InputView

MEMORY = 2 * 2**30  # bytes of images kept in memory; other images are enhanced again on every access


class EnhancedImages(Sequence[tuple[Image, Any]]):
    """Enhanced images of a data set, each with its truth; unreadable images are left out and listed.

    Args:
        samples: samples of the data set.
        view: preprocessing of the images.
        truth: reads the training target of a sample.
        device: torch device of the enhancer.
        progress: gets the images done and the images in all.

    Attributes:
        problems: images that were left out, with the reason.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        view: InputView,
        truth: Callable[[Any], Any],
        device: str,
        progress: Callable[[int, int], None],
    ) -> None:
        self._view, self._truth, self._device = view, truth, device
        self.problems: list[Problem] = []
        self._samples: list[Sample] = []
        self._kept: dict[int, tuple[Image, Any]] = {}
        room = MEMORY
        for number, sample in enumerate(samples, 1):
            try:
                pair = self._pair(sample)
            except UserError as error:
                self.problems.append(Problem(sample.key, str(error), lost=True))
                continue
            finally:
                progress(number, len(samples))
            room -= 2 * pair[0].nbytes  # the truth takes as much as the image
            if room >= 0:
                self._kept[len(self._samples)] = pair
            self._samples.append(sample)

    def _pair(self, sample: Sample) -> tuple[Image, Any]:
        return self._view.read(sample, self._device), self._truth(sample)

    def __len__(self) -> int:
        return len(self._samples)

    @overload
    def __getitem__(self, index: int) -> tuple[Image, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[tuple[Image, Any]]: ...
    def __getitem__(self, index: int | slice) -> tuple[Image, Any] | list[tuple[Image, Any]]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        return self._kept[index] if index in self._kept else self._pair(self._samples[index])
