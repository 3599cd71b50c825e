"""Guidance networks for training an enhancer, built from the models of the tasks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sgz_bench.core.errors import UserError
from sgz_bench.enhancer.training import guidance

if TYPE_CHECKING:
    from torch import nn

    from sgz_bench.enhancer.training.recipe import GuidanceConfig


def create_guidance(recipe: GuidanceConfig, seed: int) -> nn.Module | None:
    """Create the guidance network of a recipe; None for a recipe without one.

    Raises:
        UserError: the recipe names no network, or its file does not exist or is not a network of this kind.
    """
    if recipe.kind == "none":
        return None
    if recipe.kind == "upstream":
        state = None
        if recipe.model:
            from sgz_bench.enhancer.checkpoint import read_tensors

            state = read_tensors(Path(recipe.model).expanduser())
        return guidance.UpstreamGuidance(seed, state, batch_statistics=recipe.batch_statistics)
    if not recipe.model:
        raise UserError(f"guidance {recipe.kind} has no network; name one with --set guidance.model=…")
    if recipe.kind == "segmentation":
        from sgz_bench.tasks.segmentation.models import create_segmenter

        model = create_segmenter(recipe.model)
        return guidance.SegmentationGuidance(
            model.network,
            recipe.objective,
            recipe.confidence,
            model.mean,
            model.std,
            model.stride,
        )
    if Path(recipe.model).suffix == ".pt":
        from sgz_bench.tasks.ultralytics import load_checkpoint

        path = Path(recipe.model).expanduser()
        if not path.is_file():
            raise UserError(
                f"the guidance network {path} does not exist; give a YOLO checkpoint with --set guidance.model=PATH"
            )
        return guidance.FeatureGuidance(load_checkpoint(path), guidance.yolo_backbone)
    from sgz_bench.tasks.segmentation.models.smp import build_encoder

    return guidance.FeatureGuidance(build_encoder(recipe.model), guidance.encoder_stages, *guidance.IMAGENET)
