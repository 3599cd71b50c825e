"""Models under training: a network with the curve that its output controls, or SCI's cascade."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..sgz.curve import apply_curve
from ..sgz.network import FactorNetwork, factor_map
from .recipe import EnhancerRecipe
from .sci import Cascade


class CurveModel(nn.Module):
    """A network whose output is applied as a tone curve.

    Args:
        recipe: gives the network, its scale, its initialisation and the seed.
    """

    def __init__(self, recipe: EnhancerRecipe) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            if recipe.network == "zero-dce":
                from ..learned.zero_dce import ZeroDceNetwork

                self.network: nn.Module = ZeroDceNetwork()
            else:
                self.network = FactorNetwork()
            if recipe.init is not None:
                _initialize(self.network, recipe.init)
        self.scale = recipe.scale

    def forward(self, image: Tensor, small: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor | None]:
        """Enhance images at the recipe's scale, and optionally images that are already reduced.

        Args:
            image: RGB ``(B, 3, H, W)`` in [0, 1].
            small: RGB ``(B', 3, h, w)`` in [0, 1], enhanced at scale 1; None: no such images.

        Returns:
            The enhanced images, their factor maps, and the enhanced ``small`` images.
        """
        factor = factor_map(self.network, image, self.scale)
        enhanced_small = None if small is None else apply_curve(small, self.network(small))
        return apply_curve(image, factor), factor, enhanced_small


def create_model(recipe: EnhancerRecipe) -> CurveModel | Cascade:
    """Build the model of a recipe with its initial weights."""
    return Cascade(recipe.seed) if recipe.network == "sci" else CurveModel(recipe)


def _initialize(network: nn.Module, method: float | str) -> None:
    """Initialise a network as ``EnhancerRecipe.init`` describes; a standard deviation leaves the biases unchanged."""
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    for layer in convolutions:
        if isinstance(method, float | int):
            nn.init.normal_(layer.weight, std=float(method))
            continue
        linear = layer.groups > 1  # depthwise, with no ReLU before the 1×1 convolution
        nn.init.kaiming_normal_(layer.weight, nonlinearity="linear" if linear else "relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    if method == "he":
        with torch.no_grad():
            convolutions[-1].weight.mul_(0.1)
