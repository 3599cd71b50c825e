"""``--operating-point``: bad input, a threshold below the model's, and manifests without it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from sgz_bench.benchmarks.config import StudyConfig
from sgz_bench.benchmarks.suite import Suite
from sgz_bench.cli.app import app
from sgz_bench.cli.study_options import StudyOptions, _unseen, study_config
from sgz_bench.core.errors import UserError

FIX = "write conf= and a score from 0 to 1, such as conf=0.25"


def config(text: str | None) -> StudyConfig:
    named: dict[str, Any] = {"shipped": "nightscene-yolo", "example": "yolo11n.pt"}
    return study_config("detection", "nightscene", None, StudyOptions(), **named, operating_point=text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("conf=2", "'conf=2': scores are from 0 to 1"),
        ("conf=-0.1", "'conf=-0.1': scores are from 0 to 1"),
        ("conf=nan", "'conf=nan': scores are from 0 to 1"),
        ("conf=x", "'conf=x': 'x' is no number"),
        ("conf=", "'conf=': '' is no number"),
        ("foo=1", "'foo=1' is no operating point"),
        ("0.25", "'0.25' is no operating point"),
        ("", "'' is no operating point"),
    ],
)
def test_a_bad_operating_point_gets_one_line(text: str, fault: str) -> None:
    with pytest.raises(UserError) as error:
        config(text)
    assert str(error.value) == f"--operating-point: {fault}; {FIX}"


def test_a_suite_names_its_setting() -> None:
    suite = Suite(settings={"model": "x.pt", "operating_point": 0.25}, matrix={"dataset": ["exdark"]})
    with pytest.raises(UserError, match=r"a study of suite mine: operating_point: '0.25' is no operating point"):
        suite.studies("mine")


def test_a_missing_value_and_another_task_are_refused() -> None:
    for words, told in (
        (["detect", "--operating-point"], "requires an argument"),
        (["segment", "--operating-point", "conf=0.25"], "No such option"),
    ):
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 2
        assert told in result.output


def test_the_score_is_kept_and_a_run_without_one_has_no_such_setting() -> None:
    given = config(" conf = 0.30 ")
    assert (given.operating_point, given.conf) == ("conf=0.3", 0.3)
    assert given.model_dump(mode="json")["operating_point"] == "conf=0.3"
    assert StudyConfig.model_validate(given.model_dump()) == given
    assert config(None).conf is None
    assert "operating_point" not in config(None).model_dump(mode="json")


def test_a_threshold_below_the_models_own_is_told() -> None:
    model: Any = SimpleNamespace(source="yolo11n.pt", settings={"conf": 0.25})
    (line,) = _unseen(0.1, model)
    assert "yolo11n.pt returns no box scored below its conf=0.25, so the operating point conf=0.1 counts the" in line
    assert not _unseen(0.25, model)
    assert not _unseen(None, model)
    assert not _unseen(0.1, SimpleNamespace(source="a.py:Model", settings={}))  # type: ignore[arg-type]
