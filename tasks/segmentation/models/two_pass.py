"""Segmenter that looks at two pictures of an image: the one it is given and the enhanced one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sgz_bench.core.errors import UserError

from ...models import Model
from ...types import Image
from ..types import Segmentation
from .base import Segmenter


class TwoPassSegmenter(Model):
    """A segmenter whose logits on the given and on the enhanced picture are averaged.

    Args:
        model: segmenter that computes both passes.
        enhance: the enhancement of RGB uint8 ``(H, W, 3)``.

    Raises:
        UserError: the model predicts in a way of its own, without logits.
    """

    def __init__(self, model: Model, enhance: Callable[[Image], Image]) -> None:
        if not isinstance(model, Segmenter) or type(model).predict is not Segmenter.predict:
            raise UserError(f"{model.label} has its own predict, and both(…) averages logits; leave both(…) out")
        super().__init__(model.source, model.class_names, model.fingerprint, model.settings)
        self._model, self._enhance = model, enhance
        self.version, self.packages, self.origin = model.version, model.packages, model.origin  # type: ignore[misc]
        self.family, self.notes = model.family, model.notes  # type: ignore[misc]

    def predict(self, images: Sequence[Image], *, confidence: bool = False) -> list[Segmentation]:
        return [self._model.predict_fused([image, self._enhance(image)], confidence=confidence) for image in images]
