"""The images of a data set as a model will see them, for training on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import read_image
from sgz_bench.enhancer.runtime.choice import use_engine
from sgz_bench.tasks.task import Dataset, Sample
from sgz_bench.tasks.types import Image, Problem

from ..plan import seen

if TYPE_CHECKING:
    from sgz_bench.enhancer.base import Enhancer
    from sgz_bench.enhancer.darken import Darken

MEMORY = 2 * 2**30  # bytes of images that are kept; the others are enhanced anew each time


@dataclass(frozen=True)
class Way:
    """What images pass through on their way to a model.

    Attributes:
        label: canonical spec of the enhancer, or ``bright``.
        enhancer: the last thing.
        darken: what comes before, if anything.
        twin: the well-lit twins are taken in place of the images.
    """

    label: str
    enhancer: Enhancer
    darken: Darken | None
    twin: bool = False

    @staticmethod
    def of(label: str, dataset: Dataset, darken: Darken | None) -> Way:
        """The way of an enhancer, or of the well-lit images.

        Raises:
            UserError: no such enhancer, or no well-lit images.
        """
        from sgz_bench.enhancer import create_enhancer

        if label != "bright":
            enhancer = create_enhancer(label)
            return Way(enhancer.spec, enhancer, darken)
        twin = dataset.aligned and all(sample.bright is not None for sample in dataset.samples)
        if not twin and darken is None:
            raise UserError(f"{dataset.name} has no well-lit twins that its labels fit; leave bright out or --darken")
        return Way("bright", create_enhancer("raw"), None, twin)

    def see(self, sample: Sample, device: str) -> Image:
        """The image of a sample at the model's door.

        Raises:
            UserError: its file cannot be read.
        """
        path = sample.bright if self.twin and sample.bright is not None else sample.path
        return seen(read_image(path), sample.key, self.darken, self.enhancer, device)


class Seen(Sequence[tuple[Image, Any]]):
    """Images as a model will see them, each with its truth; what cannot be read is left out and named.

    Args:
        samples: of the data set.
        way: what they pass through.
        truth: what is to be learnt of one.
        device: of the enhancer.
        progress: is told how many are done, of how many.

    Attributes:
        problems: what was left out, and why.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        way: Way,
        truth: Callable[[Sample], Any],
        device: str,
        progress: Callable[[int, int], None],
    ) -> None:
        self._way, self._truth, self._device = way, truth, device
        use_engine(way.enhancer, device)
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
            room -= 2 * pair[0].nbytes  # the truth counted as another image
            if room >= 0:
                self._kept[len(self._samples)] = pair
            self._samples.append(sample)

    def _pair(self, sample: Sample) -> tuple[Image, Any]:
        return self._way.see(sample, self._device), self._truth(sample)

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
