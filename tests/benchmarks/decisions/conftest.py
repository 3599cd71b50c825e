"""Small finished runs to decide on: night frames, both tasks."""

from __future__ import annotations

from pathlib import Path

import pytest

from sgz_bench.benchmarks.config import StudyConfig
from sgz_bench.benchmarks.plan import make_plan
from sgz_bench.benchmarks.run import run_plan

ENHANCERS = ("raw", "gamma", "clahe")


def _run(folder: Path, task: str, model: str) -> Path:
    config = StudyConfig(
        task=task,
        dataset="nightscene(frames=12)",
        model=model,
        enhancers=ENHANCERS,
        replicates=100,
        permutations=100,
    )
    run_plan(make_plan(config, "cpu"), folder, device="cpu")
    return folder


@pytest.fixture(scope="session")
def detection_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw, gamma and CLAHE before the shipped detector on twelve frames, not to be changed."""
    return _run(tmp_path_factory.mktemp("decisions") / "detection", "detection", "nightscene-yolo")


@pytest.fixture(scope="session")
def segmentation_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same before the shipped segmenter, not to be changed."""
    return _run(tmp_path_factory.mktemp("decisions") / "segmentation", "segmentation", "nightscene-fpn")
