"""``sgz-bench segment``: a semantic segmentation model on raw and on enhanced images."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import study_options as study


def segment(
    model: Annotated[
        str | None,
        typer.Option(
            help="FAMILY:SOURCE, families smp, torchvision, ultralytics and plugins: "
            "'smp:smp-hub/segformer-b0-1024x1024-city-160k', 'smp:model.safetensors', 'yolo26n-sem.pt'. Settings in "
            "parentheses, such as (size=1024,window=1024,flip=true). Or a folder that `finetune` wrote. Default for "
            "nightscene: nightscene-fpn, which comes with the package.",
            show_default=False,
        ),
    ] = None,
    dataset: Annotated[
        str,
        typer.Option(
            help="nightscene (rendered), acdc, dark-zurich, nighttime-driving, bdd100k-night, cityscapes, camvid, a "
            "plugin, or the path of a YAML that describes a folder."
        ),
    ] = "nightscene",
    root: study.Root = None,
    split: study.Split = None,
    condition: Annotated[
        str | None, typer.Option(help="Of acdc: fog, night, rain or snow; the same as 'acdc(condition=night)'.")
    ] = None,
    enhancers: study.Enhancers = None,
    darken: study.Darken = None,
    class_map: study.ClassMap = None,
    classes: Annotated[
        str | None,
        typer.Option(
            help="Score these classes of the data set only: names with commas, or iat15, the list of IAT's ACDC table."
        ),
    ] = None,
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
    """Compare a segmentation model on raw and on enhanced images, with paired intervals."""
    from sgz_bench.benchmarks.config import StudyConfig
    from sgz_bench.core.specs import Spec, parse_spec

    if condition is not None:
        spec = parse_spec(dataset)
        dataset = str(Spec.of(spec.name, spec.kwargs | {"condition": condition}))
    model = study.chosen_model(model, dataset, "nightscene-fpn", "smp:FILE.safetensors")
    config = StudyConfig(
        task="segmentation",
        dataset=dataset,
        root=root,
        split=split,
        model=model,
        enhancers=study.chosen_enhancers(enhancers, model),
        darken=darken,
        class_map=class_map,
        classes=classes,
        metrics=tuple(metrics or ()),
        limit=limit,
        engine=engine,
        precision=precision,
        seed=seed,
        replicates=replicates,
        permutations=permutations,
    )
    study.run_study(config, out, device, download=download)
