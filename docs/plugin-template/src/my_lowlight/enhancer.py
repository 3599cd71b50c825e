"""An enhancer."""

from __future__ import annotations

from torch import Tensor

from sgz_bench.enhancer import Enhancer


class Lift(Enhancer):
    """Scale values so that the image's mean is ``mean``."""

    name = "my-lift"
    version = 1  # raise it when the output changes, so that cached results are recomputed

    def __init__(self, mean: float = 0.4) -> None:
        super().__init__(mean=mean)
        self.mean = mean

    def enhance(self, image: Tensor) -> Tensor:
        """Enhance RGB float32 ``(B, 3, H, W)`` in [0, 1]; return the same shape, which the caller clips."""
        return image * self.mean / image.mean(dim=(1, 2, 3), keepdim=True).clamp(min=1e-6)
