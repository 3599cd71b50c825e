"""A rendered world on disk is read by the loaders of the real data sets, and says the same as the renderer."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import read_image
from sgz_bench.tasks.detection.datasets import load_dataset
from sgz_bench.tasks.nightscene import render_frame
from sgz_bench.tasks.nightscene.layout import World, make, parse_ev

WORLD = World(frames=6, seed=3, ev=(2.0, 6.0), width=320, height=192)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("world") / "night"
    make(WORLD, out, workers=1)
    return out


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_exdark_loader_finds_every_frame_and_every_box(tree: Path) -> None:
    loaded = load_dataset("exdark", tree, "test")
    assert not loaded.problems
    assert len(loaded.samples) == WORLD.frames
    for index, sample in enumerate(loaded.samples):
        frame = render_frame(WORLD.seed, index, width=WORLD.width, height=WORLD.height)
        np.testing.assert_array_equal(sample.truth.boxes, frame.boxes)
        np.testing.assert_array_equal(sample.truth.class_ids, frame.class_ids)
        assert sample.attributes == {"lighting": frame.lighting, "place": "indoor" if frame.indoor else "outdoor"}


def test_every_dark_frame_has_its_bright_twin(tree: Path) -> None:
    for index, sample in enumerate(load_dataset("nightscene", tree, None).samples):
        assert sample.bright is not None
        frame = render_frame(WORLD.seed, index, width=WORLD.width, height=WORLD.height)
        np.testing.assert_array_equal(read_image(sample.bright), frame.bright)
        assert read_image(sample.path).mean() < frame.bright.mean()


def test_streets_lie_in_acdc_layout_with_their_train_ids(tree: Path) -> None:
    labels = sorted((tree / "gt" / "night" / "val").rglob("*_gt_labelTrainIds.png"))
    streets = [
        index
        for index in range(WORLD.frames)
        if render_frame(WORLD.seed, index, width=WORLD.width, height=WORLD.height).kind == "street"
    ]
    assert len(labels) == len(streets) > 0
    for path, index in zip(labels, streets, strict=True):
        frame = render_frame(WORLD.seed, index, width=WORLD.width, height=WORLD.height)
        np.testing.assert_array_equal(np.array(Image.open(path)), frame.labels)
        stem = path.name.removesuffix("_gt_labelTrainIds.png")
        sequence = path.parent.name
        assert (tree / "rgb_anon/night/val" / sequence / f"{stem}_rgb_anon.png").is_file()
        assert (tree / "rgb_anon/night/val_ref" / sequence / f"{stem}_rgb_ref_anon.png").is_file()


def test_the_same_world_has_the_same_bytes_whatever_the_number_of_workers(tree: Path, tmp_path: Path) -> None:
    make(WORLD, tmp_path / "again", workers=2)
    assert contents(tmp_path / "again") == contents(tree)


def test_the_cache_is_filled_once_and_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SGZ_BENCH_CACHE", str(tmp_path))
    first = load_dataset("nightscene(frames=2,ev=3..4)", None, None)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    assert len(written) >= 4
    assert [sample.key for sample in load_dataset("nightscene(frames=2,ev=3..4)", None, None).samples] == [
        sample.key for sample in first.samples
    ]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")} == written


def test_worlds_that_differ_have_names_that_differ() -> None:
    worlds = [World(), World(frames=2), World(seed=1), World(ev=(2, 6)), World(width=320), World(jpeg=80)]
    assert len({world.name for world in worlds}) == len(worlds)


@pytest.mark.parametrize("text", ["dark", "6..2", "-1", "3..", "20"])
def test_stops_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="stops"):
        parse_ev(text)


def test_a_folder_that_exists_is_not_written_into(tree: Path) -> None:
    before = contents(tree)
    with pytest.raises(UserError, match="exists"):
        make(WORLD, tree)
    assert contents(tree) == before


@pytest.mark.parametrize(
    ("name", "message"),
    [("nightscene(frame=2)", "did you mean 'frames'"), ("nightscene(frames=0)", "frames"), ("exdark", "--root")],
)
def test_a_wrong_request_says_what_to_write(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_dataset(name, None, None)


def test_a_cached_world_that_lost_frames_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SGZ_BENCH_CACHE", str(tmp_path))
    first = load_dataset("nightscene(frames=3)", None, None)
    first.samples[1].path.unlink()
    with pytest.raises(UserError, match="is incomplete"):
        load_dataset("nightscene(frames=3)", None, None)


def test_two_processes_may_make_the_same_world_at_once(tmp_path: Path) -> None:
    code = (
        "from sgz_bench.tasks.detection.datasets import load_dataset\n"
        "if __name__ == '__main__':\n"
        "    print(len(load_dataset('nightscene(frames=5)', None, None).samples))\n"
    )
    script = tmp_path / "load.py"
    script.write_text(code)
    command = [sys.executable, str(script)]
    environment = os.environ | {"SGZ_BENCH_CACHE": str(tmp_path / "cache")}
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=120)[0].strip() for process in both] == ["5", "5"]
