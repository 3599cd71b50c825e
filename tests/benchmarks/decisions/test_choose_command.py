"""``sgz-bench choose``: what it prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sgz_bench.cli.app import app
from sgz_bench.core.errors import UserError


def printed(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["choose", *map(str, arguments)])
    if isinstance(result.exception, UserError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("fixture", ["detection_run", "segmentation_run"])
def test_it_prints_best_gain_and_verdict(fixture: str, request: pytest.FixtureRequest) -> None:
    run = request.getfixturevalue(fixture)
    text = printed(run, "--ranks")
    assert text.count("\nnaive best: ") == text.count("\nhonest gain of choosing: ") == text.count("\nverdict: ") == 1
    assert "Choice among 2 enhancers and raw, on " in text
    assert "Chosen" in text
    assert "Rank" in text
    assert text == printed(run, "--ranks")
    assert "No worse by 2.5" in " ".join(printed(run, "--margin", 2.5).split())


def test_json_has_all_digits(detection_run: Path) -> None:
    content = json.loads(printed(detection_run, "--json", "--ranks"))
    assert [each["label"] for each in content["candidates"]] == ["raw", "gamma(gamma=0.45)", "clahe(clip=2,tiles=8)"]
    assert sum(each["chosen"] for each in content["candidates"]) == pytest.approx(1)
    assert sum(each["best"] for each in content["ranks"]["rows"]) == pytest.approx(1)
    assert content["verdict"]["kind"] in {"deploy", "none", "undecided"}


def test_folders_that_are_no_run_are_refused(detection_run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is the folder of a suite; name a run's folder in it, such as detection"):
        printed(detection_run.parent)
    with pytest.raises(UserError, match="there is no such folder"):
        printed(tmp_path / "nothing")
    with pytest.raises(UserError, match="is not a finished run"):
        printed(detection_run, "--validation", tmp_path)
