"""Images of a data set as a model will see them, for training on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, overload

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.label_space import Sample
from sgz_bench.tasks.types import Image, Problem

from ..view import InputView

MEMORY = 2 * 2**30  # bytes of images that are kept; the others are enhanced again each time


class EnhancedImages(Sequence[tuple[Image, Any]]):
    """Images as a model will see them, each with its truth; unreadable ones are left out and named.

    Args:
        samples: of the data set.
        view: preprocessing of the images.
        truth: reads the training target of a sample.
        device: torch device of the enhancer.
        progress: gets the images done and the images in all.

    Attributes:
        problems: images that were left out, and why.
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
