"""``sgz-bench detect``: compare a detector on raw and on enhanced images."""

from __future__ import annotations

from typing import Annotated

import typer

from ..execution_options import ExecutionOptions, with_options
from ..study_options import StudyOptions, run_study, study_config


@with_options(options=StudyOptions, execution=ExecutionOptions)
def detect(
    model: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="FAMILY:PATH of the family ultralytics, torchvision, yolox, onnx, openvino, tflite or a plugin; .pt "
            "and exported files and torchvision's names need no family. Or FILE.py:Class. "
            "Settings go in parentheses: 'yolov8n.pt(imgsz=640, conf=0.001, nms_iou=0.7, "
            "max_det=300)' are YOLO's defaults. Or a folder that `finetune` wrote. Default for nightscene: "
            "nightscene-yolo, which ships with the package.",
            show_default=False,
        ),
    ] = None,
    dataset: Annotated[
        str,
        typer.Option(
            metavar="SPEC",
            help="nightscene (rendered; settings and defaults: frames=240, seed=7, ev=4), exdark, coco, yolo, "
            "voc, bdd100k, darkface, visdrone, a plugin, or the path of a data.yaml.",
        ),
    ] = "nightscene",
    operating_point: Annotated[
        str | None,
        typer.Option(
            metavar="conf=SCORE",
            help="Score from which boxes count for precision, recall, F1 and false positives per image (IoU 0.5).",
            show_default="the raw row's best F1",
        ),
    ] = None,
    *,
    options: StudyOptions,
    execution: ExecutionOptions,
) -> None:
    """Compare a detector on raw and on enhanced images, with paired intervals."""
    config = study_config(
        "detection",
        dataset,
        model,
        options,
        shipped="nightscene-yolo",
        example="yolo11n.pt",
        operating_point=operating_point,
    )
    run_study(config, options, execution)
