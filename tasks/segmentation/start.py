"""Start of a segmenter's training: an architecture, or a trained network."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from sgz_bench.core.errors import UserError
from sgz_bench.core.parameters import number
from sgz_bench.core.specs import parse_spec

from ..models import require_file
from .models import SHIPPED
from .models.base import IMAGENET
from .models.smp import read_plan


def network_plan(model: str, classes: Sequence[str]) -> tuple[dict[str, Any], Path | None]:
    """Return the plan of a network for these classes, and the weights to start from, if any.

    Args:
        model: ``smp:fpn(encoder=resnet18,decoder_dropout=0.1)``, an architecture of segmentation_models_pytorch with
            its settings, and ``mean`` and ``std`` of its input (one number each; default ImageNet's). Or
            ``smp:FILE.safetensors`` beside its YAML, or ``nightscene-fpn``.
        classes: names by class id.

    Raises:
        UserError: ``model`` is none of these.
    """
    spec = parse_spec(model)
    source = spec.name.removeprefix("smp:")
    if source in SHIPPED:
        source = str(files("sgz_bench.tasks").joinpath(SHIPPED[source][1]))
    if source.endswith(".safetensors"):
        weights = require_file(source, "model file")
        plan = {key: value for key, value in read_plan(weights.with_suffix(".yaml")).items() if key != "provenance"}
        return plan | {"classes": list(classes)}, weights
    if not spec.name.startswith("smp:") or "encoder" not in spec.kwargs:
        raise UserError(f"cannot train {model!r}; write 'smp:fpn(encoder=resnet18)' or smp:FILE.safetensors")
    plan = {"arch": source, "encoder": str(spec.kwargs["encoder"])}
    plan["options"] = {key: value for key, value in spec.args if key not in {"encoder", "mean", "std"}}
    plan["classes"] = list(classes)
    for key, default in zip(("mean", "std"), IMAGENET, strict=True):
        given = spec.kwargs.get(key)
        plan[key] = (
            list(default) if given is None else [number(spec.name, key, given, 0.001 if key == "std" else 0, 1)] * 3
        )
    return plan, None
