"""``sgz-bench segment``: compare a semantic segmentation model on raw and on enhanced images."""

from __future__ import annotations

from typing import Annotated

import typer

from ..execution_options import ExecutionOptions, with_options
from ..study_options import StudyOptions, run_study, study_config


@with_options(options=StudyOptions, execution=ExecutionOptions)
def segment(
    model: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="FAMILY:SOURCE of the family smp, torchvision, ultralytics, onnx, openvino, tflite or a plugin, such "
            "as smp:smp-hub/NAME (Hugging Face Hub), smp:FILE.safetensors or yolo26n-sem.pt. Or FILE.py:Class. "
            "Settings go in parentheses, such as (size=1024, window=1024, flip=true). Or a folder that `finetune` "
            "wrote. Default for nightscene: nightscene-fpn, which ships with the package.",
            show_default=False,
        ),
    ] = None,
    dataset: Annotated[
        str,
        typer.Option(
            metavar="SPEC",
            help="nightscene (rendered), acdc, dark-zurich, nighttime-driving, bdd100k-night, cityscapes, camvid, a "
            "plugin, or the path of a YAML that describes a folder.",
        ),
    ] = "nightscene",
    condition: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Condition of acdc: fog, night, rain or snow; the same as 'acdc(condition=night)'."
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Score only these classes of the data set: names with commas, or iat15, the list of IAT's ACDC table.",
        ),
    ] = None,
    *,
    options: StudyOptions,
    execution: ExecutionOptions,
) -> None:
    """Compare a segmentation model on raw and on enhanced images, with paired intervals."""
    from sgz_bench.core.specs import Spec, parse_spec

    if condition is not None:
        spec = parse_spec(dataset)
        dataset = str(Spec.of(spec.name, spec.kwargs | {"condition": condition}))
    config = study_config(
        "segmentation",
        dataset,
        model,
        options,
        shipped="nightscene-fpn",
        example="smp:FILE.safetensors",
        classes=classes,
    )
    run_study(config, options, execution)
