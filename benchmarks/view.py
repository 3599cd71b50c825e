"""Image as a model sees it: darkened, enhanced, 8 bits; one class for testing and for training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import Image, read_image
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.composites import Both, Composite, Oracle
from sgz_bench.enhancer.runtime.choice import engine_of, use_engine

if TYPE_CHECKING:
    from sgz_bench.enhancer.base import Enhancer
    from sgz_bench.enhancer.darken import Darken
    from sgz_bench.tasks.label_space import Dataset, Sample

PreprocessingKey = tuple[tuple[str, int] | None, str]  # darkening (spec, version), fingerprint of the enhancer


@dataclass(frozen=True)
class InputView:
    """Preprocessing between an image file and a model.

    Attributes:
        label: canonical spec of the enhancer, or ``bright`` for the well-lit upper bound.
        enhancer: last step, with the engine that runs it.
        darken: step before the enhancer, if any.
        twin: read the well-lit twin instead of the image.
    """

    label: str
    enhancer: Enhancer
    darken: Darken | None = None
    twin: bool = False

    @property
    def engine(self) -> str:
        """Engine and precision, such as ``fused fp32``; empty for methods without a network."""
        return engine_of(self.enhancer)

    @property
    def key(self) -> PreprocessingKey:
        """Identity of the pixels that this view makes of one file; equal keys make equal pixels."""
        darkening = (self.darken.spec, self.darken.version) if self.darken else None
        return darkening, self.enhancer.fingerprint

    def path(self, sample: Sample) -> Path:
        """Return the file that the view reads for a sample."""
        return sample.bright if self.twin and sample.bright is not None else sample.path

    def apply(self, image: Image, key: str, device: str) -> Image:
        """Darken and enhance RGB ``(H, W, 3)`` uint8; ``key`` is the image's name in its data set."""
        if self.darken is not None:
            image = self.darken(image, key)
        return self.enhancer.enhance_image(image, key, device)

    def read(self, sample: Sample, device: str) -> Image:
        """Read a sample and apply the view.

        Raises:
            UserError: the file cannot be read.
        """
        return self.apply(read_image(self.path(sample)), sample.key, device)


def enhanced_view(spec: str, darken: Darken | None, device: str, engine: str, precision: str) -> InputView:
    """Create the view of an enhancer, run by an engine.

    Raises:
        UserError: there is no such enhancer or engine, or the engine cannot run it.
    """
    enhancer = use_engine(create_enhancer(spec), device, engine, precision)
    return InputView(enhancer.spec, enhancer, darken)


def enhanced_views(
    specs: Iterable[str], darken: Darken | None, device: str, engine: str, precision: str
) -> list[InputView]:
    """Create the views of the enhancers; two specs of one enhancer make one view, under the first spec.

    A spec around another brings that one's view along, before its own. ``bright`` is not an enhancer: its models see
    the well-lit images. ``oracle`` alone is over all enhancers, and comes last.

    Raises:
        UserError: as :func:`enhanced_view`, or ``oracle`` has no enhancer to choose among.
    """
    views: dict[str, InputView] = {}
    for spec in specs:
        if spec != "bright":
            outer = enhanced_view(spec, darken, device, engine, precision)
            for view in [*reversed(list(_inside(outer))), outer]:
                views.setdefault(view.enhancer.fingerprint, view)
    over_all = [view for view in views.values() if view.label == "oracle"]
    others = [view for view in views.values() if view.label != "oracle"]
    for view in over_all:
        pictures = [each.enhancer for each in others if not isinstance(each.enhancer, (Both, Oracle))]
        if len(pictures) < 2:
            raise UserError("oracle chooses among the enhancers of the study, and there is none; name some")
        cast(Oracle, view.enhancer).among = tuple(each.fingerprint for each in pictures)
    return [*others, *over_all]


def _inside(view: InputView) -> Iterator[InputView]:
    """Yield the view of the enhancer that a view's enhancer is around, then what is inside that one."""
    if isinstance(view.enhancer, Composite):
        inner = replace(view, label=view.enhancer.inner.spec, enhancer=view.enhancer.inner)
        yield inner
        yield from _inside(inner)


def bright_view(dataset: Dataset, darken: Darken | None) -> InputView | None:
    """Create the view of the well-lit images: twins that the labels fit, or images before ``darken``; None without."""
    twin = dataset.aligned and all(sample.bright is not None for sample in dataset.samples)
    return InputView("bright", create_enhancer("raw"), twin=twin) if twin or darken else None
