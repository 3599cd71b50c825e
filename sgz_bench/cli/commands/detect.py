"""``sgz-bench detect``: a detector on raw and on enhanced images."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import study_options as study


def detect(
    model: Annotated[
        str | None,
        typer.Option(
            help="FAMILY:PATH, families ultralytics, torchvision, yolox and plugins; the family may be left out for "
            ".pt files and torchvision's names. Settings in parentheses: 'yolov8n.pt(imgsz=640,conf=0.001,nms_iou=0.7,"
            "max_det=300)' are YOLO's defaults. Or a folder that `finetune` wrote. Default for nightscene: "
            "nightscene-yolo, which comes with the package.",
            show_default=False,
        ),
    ] = None,
    dataset: Annotated[
        str,
        typer.Option(
            help="nightscene (rendered; 'nightscene(frames=240,seed=7,ev=4)' are its defaults), exdark, coco, yolo, a "
            "plugin, or the path of a data.yaml."
        ),
    ] = "nightscene",
    root: study.Root = None,
    split: study.Split = None,
    enhancers: study.Enhancers = None,
    darken: study.Darken = None,
    class_map: study.ClassMap = None,
    metrics: study.Metrics = None,
    limit: study.Limit = None,
    out: study.Out = None,
    device: study.Device = "auto",
    engine: study.Engine = "auto",
    precision: study.Precision = "fp32",
    seed: study.Seed = 0,
    replicates: study.Replicates = 1000,
    permutations: study.Permutations = 1000,
    download: study.Download = False,
) -> None:
    """Compare a detector on raw and on enhanced images, with paired intervals."""
    from sgz_bench.benchmarks.config import StudyConfig

    model = study.chosen_model(model, dataset, "nightscene-yolo", "yolo11n.pt")
    config = StudyConfig(
        task="detection",
        dataset=dataset,
        root=root,
        split=split,
        model=model,
        enhancers=study.chosen_enhancers(enhancers, model),
        darken=darken,
        class_map=class_map,
        metrics=tuple(metrics or ()),
        limit=limit,
        engine=engine,
        precision=precision,
        seed=seed,
        replicates=replicates,
        permutations=permutations,
    )
    study.run_study(config, out, device, download=download)
