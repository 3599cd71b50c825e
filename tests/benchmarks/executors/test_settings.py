"""Settings of an execution, from a suite and from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from sgz_bench.__main__ import app
from sgz_bench.benchmarks.suite import load_suite
from sgz_bench.cli.execution_options import ExecutionOptions, create_execution
from sgz_bench.core.errors import UserError


def suite(folder: Path, **settings: Any) -> str:
    path = folder / "suite.yaml"
    matrix = {"model": ["nightscene-yolo"]}
    path.write_text(
        yaml.safe_dump(
            {"variables": {"head": None}, "settings": {"dataset": "nightscene"} | settings, "matrix": matrix}
        )
    )
    return str(path)


def test_a_suite_has_settings_of_the_execution_and_the_command_line_overrides_them(tmp_path: Path) -> None:
    file = suite(tmp_path, executor="ray", workers=4, threads=1)
    loaded = load_suite(file, ["settings.workers=2", "settings.shard=8"])
    found = create_execution(ExecutionOptions(threads=3, address="10.0.0.1:6379"), loaded.execution)
    assert (found.executor, found.workers, found.shard, found.threads) == ("ray", 2, 8, 3)
    assert found.address == "10.0.0.1:6379"
    assert not found.ship
    (study,) = loaded.studies().values()
    assert study.model == "nightscene-yolo"


def test_variables_stand_in_the_settings_of_the_execution_too(tmp_path: Path) -> None:
    file = suite(tmp_path, executor="ray", address="{head}:6379")
    assert load_suite(file, ["head=10.0.0.1"]).execution["address"] == "10.0.0.1:6379"
    with pytest.raises(UserError, match="the suite needs --set head=…"):
        _ = load_suite(file).execution


FAULTS = {
    "executor: unknown executor 'rya'; did you mean 'ray'?": {"executor": "rya"},
    "workers applies to the executor ray alone; give --executor ray (executor: ray in a suite)": {"workers": 2},
    "ship applies to the executor ray alone; give --executor ray (executor: ray in a suite)": {"ship": True},
    "gpus_per_worker: 1.5 is no fraction of a GPU; above 1, Ray takes whole GPUs only": {
        "executor": "ray",
        "gpus_per_worker": 1.5,
    },
}


@pytest.mark.parametrize("message", FAULTS)
def test_settings_that_do_not_fit_are_one_line(message: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["run", suite(tmp_path, **FAULTS[message]), "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, UserError)
    assert str(result.exception) == message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "option", [["--workers", "2"], ["--address", "auto"], ["--shard", "4"], ["--ship"], ["--gpus-per-worker", "1"]]
)
def test_options_of_ray_need_ray(option: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["detect", "--dataset", "nightscene", "--out", str(tmp_path / "out"), *option])
    name = option[0].removeprefix("--").replace("-", "_")
    assert isinstance(result.exception, UserError)
    assert str(result.exception).startswith(f"{name} applies to the executor ray alone; give --executor ray (")


def test_an_unknown_setting_names_its_neighbour(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"did you mean 'settings\.workers'"):
        load_suite(suite(tmp_path), ["settings.worker=2"])


@pytest.mark.parametrize("gpus", [float("inf"), float("nan")])
def test_gpus_are_a_finite_number(gpus: float) -> None:
    with pytest.raises(UserError, match="finite number"):
        create_execution(ExecutionOptions(executor="ray", gpus_per_worker=gpus))
