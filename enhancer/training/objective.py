"""The weighted loss of a recipe, for training and validation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import losses
from .recipe import EnhancerRecipe
from .sci import stage_losses


def objective(
    model: nn.Module, recipe: EnhancerRecipe, guidance: nn.Module | None, dark: Tensor, better: Tensor
) -> dict[str, Tensor]:
    """Return the weighted loss terms of one batch by name; terms of weight 0 are not computed.

    Args:
        model: a :class:`.model.CurveModel`, or for SCI a :class:`.sci.Cascade`.
        recipe: weights and settings of the terms.
        guidance: guidance network of the term ``semantic``.
        dark, better: views to enhance and their better-lit counterparts, each RGB ``(B, 3, H, W)`` in [0, 1].
    """
    weights, count = recipe.losses, len(dark)
    if recipe.network == "sci":
        terms = stage_losses(model(dark)[1])
        return {name: getattr(weights, name) * term for name, term in terms.items() if getattr(weights, name)}
    # Terms of the curve alone use a small image: a mean over pixels, where factor_map samples single pixels.
    small = F.interpolate(better, scale_factor=1 / recipe.scale, mode="area")
    inputs = [small] if weights.identity else []
    inputs += [small.mean(dim=1, keepdim=True).expand_as(small)] if weights.neutrality else []
    enhanced, factor, enhanced_small = model(dark, torch.cat(inputs) if inputs else None)
    terms = {}
    if weights.tv:
        terms["tv"] = losses.total_variation(factor)
    if weights.spatial:
        terms["spatial"] = losses.spatial_consistency(enhanced, dark, patch=recipe.patch, diagonal=recipe.diagonal)
    if weights.color:
        terms["color"] = losses.color_constancy(enhanced)
    if weights.exposure:
        terms["exposure"] = losses.exposure(enhanced, level=recipe.exposure_level)
    if weights.semantic and guidance is not None:
        terms["semantic"] = guidance(enhanced, better)
    if weights.identity:
        terms["identity"] = losses.identity(enhanced_small[:count], small)
    if weights.neutrality:
        terms["neutrality"] = losses.neutrality(enhanced_small[-count:])
    return {name: getattr(weights, name) * term for name, term in terms.items()}


@torch.no_grad()
def validate(
    model: nn.Module, recipe: EnhancerRecipe, guidance: nn.Module | None, views: tuple[Tensor, Tensor]
) -> dict[str, float]:
    """Return the mean loss terms on views of held-out pictures, one view at a time."""
    each = [objective(model, recipe, guidance, dark[None], better[None]) for dark, better in zip(*views, strict=True)]
    return {name: float(torch.stack([terms[name] for terms in each]).mean()) for name in each[0]}
