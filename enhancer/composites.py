"""Specs around another enhancer: a gate enhances some images; ``both`` and ``oracle`` combine predictions."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import Image
from sgz_bench.core.registry import suggest
from sgz_bench.core.specs import format_value, parse_value

from .base import Enhancer
from .catalog import create_enhancer
from .image_statistics import STATISTICS

_CONDITION = re.compile(r"\s*(?P<statistic>\w+)\s*(?P<side>[<>])\s*(?P<threshold>[^\s<>=]+)\s*")
_FORM = "write, for example, gate(sgz,luma<40)"


class Composite(Enhancer):
    """Base of specs around another enhancer.

    Args:
        enhancer: spec of the inner enhancer.
        **params: further parameters, as text.

    Attributes:
        inner: the inner enhancer; an engine that runs it is its own.

    Raises:
        UserError: the inner spec is missing or no enhancer that a spec can go around.
    """

    inner: Enhancer

    def __init__(self, enhancer: str = "", **params: str) -> None:
        if not enhancer:
            raise UserError(f"{self.name} goes around an enhancer and names none; {self.example}")
        inner = create_enhancer(enhancer)
        if isinstance(inner, _Predictions) or inner.name == "raw":
            raise UserError(f"{self.name} cannot go around {inner.name}; {self.example}")
        super().__init__(enhancer=inner.spec, **params)
        self.inner = inner

    @property
    def fingerprint(self) -> str:
        """Return the sha256 (hex) of name, version, own parameters and the inner fingerprint."""
        own = {key: str(value) for key, value in sorted(self.params.items()) if key != "enhancer"}
        return hashlib.sha256(json.dumps([self.name, self.version, own, self.inner.fingerprint]).encode()).hexdigest()

    @property
    def example(self) -> str:
        """Order that shows a valid spec."""
        return f"write, for example, {self.name}(sgz)"


@dataclass(frozen=True)
class Condition:
    """Condition on an image: a statistic of :data:`.image_statistics.STATISTICS` below or above a threshold."""

    statistic: str
    side: str
    threshold: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``luma<40``.

        Raises:
            UserError: no such statistic, no ``<`` or ``>``, or no number.
        """
        match = _CONDITION.fullmatch(text)
        if match is None:
            raise UserError(f"the gate's condition {text!r} is not STATISTIC<NUMBER or STATISTIC>NUMBER; {_FORM}")
        if match["statistic"] not in STATISTICS:
            known = suggest(match["statistic"], list(STATISTICS))
            raise UserError(f"a gate does not know the statistic {match['statistic']!r}{known}")
        value = parse_value(match["threshold"])
        if isinstance(value, (bool, str)) or not -1e9 < value < 1e9:
            raise UserError(f"the gate's threshold {match['threshold']!r} is not a number; {_FORM}")
        return cls(match["statistic"], match["side"], float(value))

    def __str__(self) -> str:
        return f"{self.statistic}{self.side}{format_value(self.threshold)}"

    def holds(self, value: float) -> bool:
        """Return True for a value of the statistic on the condition's side of the threshold; equal values are not."""
        return value < self.threshold if self.side == "<" else value > self.threshold


class Gate(Composite):
    """Enhance an image only where a statistic of the image itself says so; leave the others as they are.

    Args:
        enhancer: spec of the inner enhancer.
        when: condition such as ``luma<40``.

    Raises:
        UserError: the inner spec is no enhancer, or the condition no condition.
    """

    name: ClassVar[str] = "gate"
    summary: ClassVar[str] = "enhances only images whose luma, dark share or noise is below or above a threshold"

    def __init__(self, enhancer: str = "", when: str = "") -> None:
        if not when:
            raise UserError(f"a gate needs an enhancer and a condition; {_FORM}")
        condition = Condition.parse(str(when))
        super().__init__(enhancer, when=str(condition))
        self.condition = condition

    @property
    def example(self) -> str:
        return _FORM

    def opens(self, image: Image) -> bool:
        """Return True if RGB ``(H, W, 3)`` uint8 is to be enhanced."""
        return self.condition.holds(STATISTICS[self.condition.statistic].of(image))

    def enhance_image(self, image: Image, key: str, device: str) -> Image:
        return self.inner.enhance_image(image, key, device) if self.opens(image) else image.copy()

    def in_one_thread(self) -> Callable[[Image], Image] | None:
        enhance = self.inner.in_one_thread()
        return enhance and (lambda image: enhance(image) if self.opens(image) else image)

    def enhance(self, image: Tensor) -> Tensor:
        """Enhance each image of a batch or leave it; the statistic is that of the image's 8-bit levels."""
        values = STATISTICS[self.condition.statistic].of_batch(image)
        opens = values < self.condition.threshold if self.condition.side == "<" else values > self.condition.threshold
        return torch.where(opens[:, None, None, None], self.inner.enhance(image).clamp(0, 1), image)


class _Predictions(Enhancer):
    """Mix-in of composites of predictions, which no single picture stands for."""

    def enhance(self, image: Tensor) -> Tensor:
        del image
        raise UserError(f"{self.spec} combines predictions and makes no picture; use it in detect, segment and run")

    def enhance_image(self, image: Image, key: str, device: str) -> Image:
        """Return the image as it is: what is combined are predictions."""
        del key, device
        return image.copy()


class Both(_Predictions, Composite):
    """Predict on the raw and on the enhanced image and fuse the predictions.

    Args:
        enhancer: spec of the inner enhancer.

    Raises:
        UserError: the inner spec is no enhancer.
    """

    name: ClassVar[str] = "both"
    summary: ClassVar[str] = "fuses the predictions on the raw and on the enhanced image; costs both passes"

    def __init__(self, enhancer: str = "") -> None:
        super().__init__(enhancer)


class Oracle(_Predictions, Composite):
    """Choose the raw or the enhanced picture of each image with the truth in hand: an upper bound.

    Args:
        enhancer: spec of the inner enhancer; none to choose among raw and all enhancers of a study.

    Attributes:
        among: fingerprints of the study's enhancers, set by its plan, if there is no inner enhancer.

    Raises:
        UserError: the inner spec is no enhancer.
    """

    name: ClassVar[str] = "oracle"
    summary: ClassVar[str] = "chooses the better picture for each image by the truth: a bound that nobody can deploy"

    def __init__(self, enhancer: str = "") -> None:
        if enhancer:
            super().__init__(enhancer)
        else:
            Enhancer.__init__(self)
            self.inner = create_enhancer("raw")
        self.among: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(json.dumps([super().fingerprint, sorted(self.among)]).encode()).hexdigest()


def innermost(enhancer: Enhancer) -> Enhancer:
    """Return the enhancer inside all composites, or the enhancer itself."""
    return innermost(enhancer.inner) if isinstance(enhancer, Composite) else enhancer


def refuse_predictions(enhancer: Enhancer) -> None:
    """Refuse a composite of predictions where a picture is wanted.

    Raises:
        UserError: ``both`` or ``oracle``.
    """
    if isinstance(enhancer, _Predictions):
        enhancer.enhance(torch.empty(0))
