"""Many files through one enhancer: same pixels as on the fly, bounded memory, failures that stop nothing."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import read_image, to_tensor, to_uint8, write_image
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.base import Enhancer
from sgz_bench.enhancer.files import pipeline
from sgz_bench.enhancer.files.inputs import plan_files
from sgz_bench.enhancer.files.pipeline import Pixels, enhance_files, workers
from sgz_bench.enhancer.runtime.choice import use_engine

COUNT = 3 * workers() + 5


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        write_image(tmp_path / "in" / f"{number:02}.png", rng.integers(0, 90, (12 + number, 25, 3), dtype=np.uint8))
    return tmp_path / "in"


def outcomes(photos: Path, enhancer: Enhancer, out: Path, **options: bool) -> dict[str, str]:
    """What became of each file: ``done``, ``skipped``, or the reason of its failure."""
    results = enhance_files(plan_files([str(photos)], out), enhancer, **options)
    return {r.job.source.name: r.reason if r.status == "failed" else r.status for r in results}


@pytest.mark.parametrize("spec", ["clahe", "autogamma", "constant-curve"])
def test_the_written_file_is_what_a_model_sees_on_the_fly(photos: Path, tmp_path: Path, spec: str) -> None:
    enhancer = create_enhancer(spec)
    assert set(outcomes(photos, enhancer, tmp_path / "out").values()) == {"done"}
    for path in photos.iterdir():
        on_the_fly = to_uint8(enhancer(to_tensor(read_image(path))))
        np.testing.assert_array_equal(read_image(tmp_path / "out" / path.name), on_the_fly)


class Moody(Enhancer):
    """Fails on images of 14 and 15 rows."""

    name = "moody"

    def enhance(self, image: Tensor) -> Tensor:
        if image.shape[2] == 14:
            raise RuntimeError("out of memory\nwith a long tail")
        return image / 0 * 0 if image.shape[2] == 15 else image


def test_an_image_that_fails_anywhere_is_named_and_the_rest_goes_on(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_full_at_five(path: Path, image: Pixels, *, quality: int, compress: int) -> None:
        if path.name == "05.png":
            raise OSError(28, "No space left on device")
        write_image(path, image, quality=quality, compress=compress)

    (photos / "00.png").write_bytes(b"")
    monkeypatch.setattr(pipeline, "write_image", disk_full_at_five)
    results = outcomes(photos, Moody(), tmp_path / "out")
    assert len(results) == COUNT
    failed = {name: reason for name, reason in results.items() if reason != "done"}
    assert set(failed) == {"00.png", "02.png", "03.png", "05.png"}
    assert all(str(photos / name) in reason and "\n" not in reason for name, reason in failed.items())
    assert "is empty (0 bytes)" in failed["00.png"]
    assert "RuntimeError: out of memory" in failed["02.png"]
    assert "not finite" in failed["03.png"]
    assert "No space left on device" in failed["05.png"]
    assert len([*(tmp_path / "out").glob("*.png")]) == COUNT - 4


def test_decoding_stays_a_bounded_distance_ahead(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, alive, most = threading.Lock(), 0, 0

    def reading(path: Path) -> Pixels:
        nonlocal alive, most
        with lock:
            alive += 1
            most = max(most, alive)
        return read_image(path)

    def writing(path: Path, image: Pixels, *, quality: int, compress: int) -> None:
        nonlocal alive
        write_image(path, image, quality=quality, compress=compress)
        with lock:
            alive -= 1

    monkeypatch.setattr(pipeline, "read_image", reading)
    monkeypatch.setattr(pipeline, "write_image", writing)
    outcomes(photos, create_enhancer("raw"), tmp_path / "out")
    assert alive == 0
    assert most <= workers() < COUNT


def test_an_interrupted_run_is_taken_up_where_it_stopped(photos: Path, tmp_path: Path) -> None:
    enhancer = create_enhancer("he")
    running = enhance_files(plan_files([str(photos)], tmp_path / "out"), enhancer)
    first = next(running)
    del running
    again = outcomes(photos, enhancer, tmp_path / "out")
    assert again[first.job.source.name] == "skipped"
    assert len([*(tmp_path / "out").glob("[!.]*")]) == COUNT


def test_a_changed_enhancer_is_told_before_anything_is_written(photos: Path, tmp_path: Path) -> None:
    outcomes(photos, create_enhancer("gamma"), tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    plan = plan_files([str(photos)], tmp_path / "out")
    with pytest.raises(UserError, match=r"holds \.png images made with gamma\(gamma=0\.45\).*--force"):
        enhance_files(plan, create_enhancer("gamma(gamma=0.5)"))
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert set(outcomes(photos, create_enhancer("gamma(gamma=0.5)"), tmp_path / "out", force=True).values()) == {"done"}


def test_images_of_another_engine_are_not_mixed_with_those_that_are_there(photos: Path, tmp_path: Path) -> None:
    def enhance(engine: str, *, force: bool = False) -> dict[str, str]:
        return outcomes(photos, use_engine(create_enhancer("sgz"), "cpu", engine), tmp_path / "out", force=force)

    assert set(enhance("auto").values()) == {"done"}
    assert set(enhance("fused").values()) == {"skipped"}
    with pytest.raises(
        UserError, match=r"made with sgz.* by fused fp32; choose another .* made with sgz.* by torch fp32"
    ):
        enhance("torch")
    assert set(enhance("torch", force=True).values()) == {"done"}


def test_a_forced_change_of_enhancer_that_is_interrupted_leaves_no_mixture(photos: Path, tmp_path: Path) -> None:
    outcomes(photos, create_enhancer("gamma"), tmp_path / "out")
    running = enhance_files(plan_files([str(photos)], tmp_path / "out"), create_enhancer("he"), force=True)
    next(running)
    running.close()
    again = outcomes(photos, create_enhancer("he"), tmp_path / "out")
    assert "skipped" in again.values()
    for path in photos.iterdir():
        wanted = to_uint8(create_enhancer("he")(to_tensor(read_image(path))))
        assert np.array_equal(read_image(tmp_path / "out" / path.name), wanted)


@pytest.mark.parametrize("spec", ["sgz", "sgz(scale=1)"])
def test_images_in_several_threads_have_the_bits_of_one_at_a_time(photos: Path, tmp_path: Path, spec: str) -> None:
    enhancer = use_engine(create_enhancer(spec), "cpu")
    outcomes(photos, enhancer, tmp_path / "out")
    for path in photos.iterdir():
        alone = enhancer.enhance_image(read_image(path), "", "cpu")
        assert np.array_equal(read_image(tmp_path / "out" / path.name), alone)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_cpus_picture(photos: Path, tmp_path: Path) -> None:
    for device in ("cpu", "cuda:0"):
        plan = plan_files([str(photos)], tmp_path / device[:4])
        assert all(r.status == "done" for r in enhance_files(plan, create_enhancer("autogamma"), device=device))
    for path in photos.iterdir():
        cpu, gpu = (read_image(tmp_path / folder / path.name).astype(int) for folder in ("cpu", "cuda"))
        assert np.abs(cpu - gpu).max() <= 1


def test_images_that_are_enhanced_already_are_not_enhanced(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="use it in detect, segment and run"):
        enhance_files(plan_files([str(photos)], tmp_path / "out"), create_enhancer(f"folder:{photos}"))
    assert not (tmp_path / "out").exists()


def test_an_engine_of_one_thread_and_one_of_all_give_the_same_files(photos: Path, tmp_path: Path) -> None:
    from sgz_bench.enhancer.runtime.choice import use_engine

    for name, engine in (("alone", "fused"), ("in turn", "torch")):
        assert set(outcomes(photos, use_engine(create_enhancer("sgz"), "cpu", engine), tmp_path / name).values()) == {
            "done"
        }
    for path in photos.iterdir():
        one, other = (read_image(tmp_path / name / path.name).astype(int) for name in ("alone", "in turn"))
        assert np.abs(one - other).max() <= 1
