"""Evidence: the statistics behind the rows give the rows' metrics again; damage is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from sgz_bench.benchmarks.decisions.evidence import Evidence
from sgz_bench.core.errors import UserError


@pytest.mark.parametrize("fixture", ["detection_run", "segmentation_run"])
def test_statistics_give_the_rows_lead_metric_again(fixture: str, request: pytest.FixtureRequest) -> None:
    evidence = Evidence.read(request.getfixturevalue(fixture))
    assert evidence.enhancers == ["gamma(gamma=0.45)", "clahe(clip=2,tiles=8)"]
    everything = np.ones((1, len(evidence.raw.image_ids)), dtype=np.int32)
    for label, row in evidence.rows.items():
        assert evidence.scores(label, everything)[0] == pytest.approx(row.metrics[evidence.lead], abs=1e-12)


@pytest.mark.parametrize("fixture", ["detection_run", "segmentation_run"])
def test_the_lead_metric_alone_has_the_same_bits(fixture: str, request: pytest.FixtureRequest) -> None:
    evidence = Evidence.read(request.getfixturevalue(fixture))
    weights = np.random.default_rng(0).integers(3, size=(50, len(evidence.raw.image_ids)))
    for label, statistics in evidence.statistics.items():
        np.testing.assert_array_equal(
            evidence.scores(label, weights), statistics.scores(weights).overall[evidence.lead]
        )


def test_a_damaged_row_is_named(detection_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(detection_run, tmp_path / "run"))
    (key,) = Evidence.read(run).rows["gamma(gamma=0.45)"].cells
    (run / "cells" / key / "matches.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"the statistics of gamma\(gamma=0.45\) in .* are missing or damaged"):
        Evidence.read(run)


def test_a_folder_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a finished run"):
        Evidence.read(tmp_path)
