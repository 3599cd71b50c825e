"""Training: resumes to the bit, learns, names what it passes over, refuses what does not fit."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from torch import Tensor
from typer.testing import CliRunner

from sgz_bench.__main__ import app
from sgz_bench.core.errors import UserError
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.checkpoint import read_metadata
from sgz_bench.enhancer.training.model import CurveModel
from sgz_bench.enhancer.training.recipe import load_recipe
from sgz_bench.enhancer.training.views import Batches, Pictures

SMALL = {"steps": 12, "batch": 2, "views.crop": 32, "save_every": 3, "validate_every": 6, "sheet_every": 12}
RECIPE = SMALL | {"guidance.kind": "none", "losses.semantic": 0, "losses.exposure": 10, "lr": 0.01}
SCI = SMALL | {"ema": 0.5}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    folder = tmp_path / "pictures"
    (folder / "deeper").mkdir(parents=True)
    for index in range(6):
        small = Image.fromarray(rng.integers(60, 255, (6, 8, 3), dtype=np.uint8))
        place = folder / "deeper" if index % 2 else folder
        small.resize((64, 48)).save(place / f"picture_{index}.png")
    return folder


def command(pictures: Path, out: Path, recipe: dict[str, object] = RECIPE) -> list[str]:
    settings = [part for key, value in recipe.items() for part in ("--set", f"{key}={value}")]
    config = "sci" if recipe is SCI else "sgz"
    return ["train", "--config", config, "--data", str(pictures), "--out", str(out), "--device", "cpu", *settings]


def run(pictures: Path, out: Path, recipe: dict[str, object] = RECIPE) -> str:
    result = CliRunner().invoke(app, command(pictures, out, recipe), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def wait_for_text(path: Path, process: subprocess.Popen[str]) -> None:
    """Wait until ``process`` has written to ``path``; fail with what it said if it ends or takes minutes instead."""
    end = time.monotonic() + 300
    while not path.is_file() or not path.stat().st_size:
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            pytest.fail(f"exit code {process.returncode}, nothing in {path.name}: {process.communicate()[1]}")
        time.sleep(0.01)


def test_a_training_learns_and_its_weights_are_an_enhancer(pictures: Path, tmp_path: Path) -> None:
    output = run(pictures, tmp_path / "out", RECIPE | {"steps": 60})
    assert "60 steps; on held-out pictures: tv" in output
    log = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == list(range(1, 61))
    first, last = (np.mean([line["loss"] for line in part]) for part in (log[:10], log[-10:]))
    assert last < 0.8 * first
    enhancer = create_enhancer(f"sgz(weights={tmp_path / 'out' / 'model.safetensors'})")
    assert enhancer.params["scale"] == 8
    assert Image.open(tmp_path / "out" / "sheets" / "000060.jpg").size[1] == 64
    with safe_open(tmp_path / "out" / "model.safetensors", framework="pt") as file:
        metadata = read_metadata(file)
    assert metadata["recipe"]["steps"] == 60
    assert (metadata["pictures"], metadata["licence"]) == (4, "")
    assert (len(metadata["pictures_sha256"]), metadata["guidance_sha256"]) == (64, None)


@pytest.mark.parametrize("recipe", [RECIPE, SCI])
def test_a_training_that_was_killed_ends_with_the_same_bits(
    pictures: Path, tmp_path: Path, recipe: dict[str, object]
) -> None:
    run(pictures, tmp_path / "whole", recipe)
    for moment in (0.2, 0.9):
        out = tmp_path / f"killed_{moment}"
        env = os.environ | {"OMP_NUM_THREADS": "2" if torch.get_num_threads() == 1 else "1"}  # which must not matter
        process = subprocess.Popen([sys.executable, "-m", "sgz_bench", *command(pictures, out, recipe)], env=env)
        while not (out / "state.safetensors").is_file() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(moment * 0.1)
        process.send_signal(signal.SIGKILL)
        assert process.wait() in {0, -signal.SIGKILL}
        run(pictures, out, recipe)
        for name in ("model.safetensors", "state.safetensors", "log.jsonl"):
            assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_a_training_that_is_interrupted_goes_on_from_the_step_that_it_had_reached(
    pictures: Path, tmp_path: Path
) -> None:
    recipe = RECIPE | {"save_every": 1000, "steps": 60}
    run(pictures, tmp_path / "whole", recipe)
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "sgz_bench", *command(pictures, out, recipe)], stderr=subprocess.PIPE, text=True
    )
    wait_for_text(out / "log.jsonl", process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert said.splitlines() == [
        "stopping after this step; a second signal stops at once",
        "interrupted; repeat the command to resume from the last saved step",
    ]
    reached = len((out / "log.jsonl").read_text().splitlines())
    assert 0 < reached < 60
    run(pictures, out, recipe)
    for name in ("model.safetensors", "state.safetensors", "log.jsonl"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_all_processes_stop_at_the_step_at_which_one_of_them_was_told_to(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    recipe = RECIPE | {"save_every": 100_000, "steps": 100_000, "validate_every": 100_000, "sheet_every": 100_000}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    first, second = (
        subprocess.Popen(
            [sys.executable, "-m", "sgz_bench", *command(pictures, out, recipe)],
            env=shared | {"RANK": rank, "LOCAL_RANK": rank},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    )
    try:
        wait_for_text(out / "log.jsonl", first)
        second.send_signal(signal.SIGTERM)
        said = [process.communicate(timeout=120)[1] for process in (first, second)]
    finally:
        for process in (first, second):
            process.kill()
    assert [first.returncode, second.returncode] == [130, 130], said
    with safe_open(out / "state.safetensors", framework="pt") as file:
        assert read_metadata(file)["step"] == len((out / "log.jsonl").read_text().splitlines())


def test_sci_keeps_the_running_statistics_that_its_weights_belong_to(pictures: Path, tmp_path: Path) -> None:
    run(pictures, tmp_path / "out", SCI)
    enhancer = create_enhancer(f"sci(weights={tmp_path / 'out' / 'model.safetensors'})")
    assert enhancer.state_dict()["network.enhance.conv.1.running_mean"].abs().sum() > 0


def test_he_weights_keep_the_signals_size_and_start_near_no_change() -> None:
    image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))

    def spread(init: str) -> float:
        """Of the last hidden layer over pixels, relative to that of the image."""
        model = CurveModel(load_recipe("sgz", [f"init={init}", "scale=1"]))
        layers: list[Tensor] = []
        model.network.e_conv6.register_forward_hook(lambda _m, _i, output: layers.append(output))
        with torch.no_grad():
            enhanced = model(image)[0]
        if init == "he":
            assert float((enhanced - image).abs().mean()) < 0.1
        return float(layers[0].relu().std(dim=(2, 3)).mean() / image.std(dim=(2, 3)).mean())

    assert spread("he") > 10 * spread("null")
    assert 0.2 < spread("he") < 5


def test_a_corrupt_picture_is_passed_over_and_named(pictures: Path, tmp_path: Path) -> None:
    (pictures / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    whole = (pictures / "picture_2.png").read_bytes()
    (pictures / "cut.png").write_bytes(whole[: len(whole) // 2])  # its header is fine
    output = run(pictures, tmp_path / "out", RECIPE | {"steps": 30})
    assert "broken.jpg" in output
    assert "cut.png" in output


def test_another_recipe_needs_another_folder(pictures: Path, tmp_path: Path) -> None:
    run(pictures, tmp_path / "out", RECIPE | {"steps": 3})
    with pytest.raises(UserError, match="another recipe"):
        run(pictures, tmp_path / "out", RECIPE | {"steps": 3, "lr": 0.02})


def test_other_pictures_need_another_folder(pictures: Path, tmp_path: Path) -> None:
    run(pictures, tmp_path / "out", RECIPE | {"steps": 3})
    before = (tmp_path / "out" / "model.safetensors").read_bytes()
    first = sorted(pictures.glob("*.*"))[0]
    Image.fromarray(np.full((64, 64, 3), 200, np.uint8)).save(first.with_suffix(".png"))
    with pytest.raises(UserError, match="differs in pictures"):
        run(pictures, tmp_path / "out", RECIPE | {"steps": 3})
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == before


def test_views_depend_on_seed_step_rank_and_place_alone(pictures: Path) -> None:
    recipe = load_recipe("sgz", [f"{key}={value}" for key, value in RECIPE.items()])
    found = Pictures.find([pictures])
    assert not set(found.train) & set(found.held_out)
    batches = Batches(found.train, recipe.views, 2, seed=3)
    dark, better = batches(5)
    assert dark.shape == better.shape == (2, 3, 32, 32)
    again = Batches(found.train, recipe.views, 2, seed=3)
    again(4)
    assert again(5)[0].equal(dark)
    assert not batches(6)[0].equal(dark)
    assert not batches(5, rank=1)[0].equal(dark)
    means = [tuple(float(view.mean()) for view in batches(step)) for step in range(20)]
    assert np.mean([a < b for a, b in means]) > 0.9


def test_uneven_light_falls_off_smoothly_and_by_no_more_stops_than_asked(tmp_path: Path) -> None:
    for index in range(2):
        Image.fromarray(np.full((64, 64, 3), 230, np.uint8)).save(tmp_path / f"{index}.png")
    plain = ["views.crop=64", "views.ev=[0,0]", "views.bright=0", "views.tint=0", "views.full_well=[1e6,1e6]"]
    for stops in (0, 3):
        views = load_recipe("sgz", [*plain, f"views.uneven={stops}"]).views
        dark, better = Batches(Pictures.find([tmp_path]).train, views, 20, seed=0)(0)
        share = linear(dark) / linear(better)
        assert float(share.min()) > 2**-stops * 0.97
        assert float(share.max()) < 1.03
        assert float(share.diff(dim=-1).abs().max()) < 0.15
        assert float(share.amax(dim=(1, 2, 3)).sub(share.amin(dim=(1, 2, 3))).max()) > stops / 8


def linear(encoded: Tensor) -> Tensor:
    return ((encoded + 0.055) / 1.055).pow(2.4)


@pytest.mark.parametrize("name", ["sgz", "sgz-paper", "zero-dce", "zero-dce-pp", "sci"])
def test_every_shipped_recipe_is_whole(name: str) -> None:
    assert load_recipe(name).fingerprint != load_recipe(name, ["seed=1"]).fingerprint


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("losses.tw=3", "losses.tw"),
        ("lr=fast", "lr"),
        ("lr", "write KEY=VALUE"),
        ("lr.x=3", "no settings of its own"),
        ("views.crop=66", "is not a multiple of scale 8"),
        ("guidance.kind=none", "needs a guidance.kind"),
        ("lr=[1", "is not YAML"),
        ("init=-1", "init"),
        ("seed=99999999999999999999999", "seed"),
        ("patch=400", "larger than views.crop 256"),
        ("losses={}", "give at least one of losses a weight"),
        ("views.scale=[.nan,1]", "views.scale"),
        ("views.ev=[6,0]", "the lower one first"),
        ("losses.smoothness=1", "losses.smoothness does not apply to network sgz"),
        ("network=sci", "does not apply to network sci"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(setting: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason.replace(".", r"\.")):
        load_recipe("sgz", [setting])


def test_unknown_recipes_and_folders_are_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'sgz-paper'"):
        load_recipe("sgz-papr")
    with pytest.raises(UserError, match="is not a folder"):
        Pictures.find([tmp_path / "nowhere"])
    with pytest.raises(UserError, match="0 pictures, training needs at least 2"):
        Pictures.find([tmp_path])


def test_an_output_that_is_a_file_and_a_missing_guidance_network_are_refused_in_one_line(
    pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"--out .*file cannot be created"):
        run(pictures, tmp_path / "file")
    with pytest.raises(UserError, match=r"guidance network nowhere\.pt does not exist; .*--set guidance\.model=PATH"):
        run(pictures, tmp_path / "out", RECIPE | {"guidance.kind": "features", "guidance.model": "nowhere.pt"})
