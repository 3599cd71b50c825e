"""What is refused before the first image is seen."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sgz_bench.benchmarks.config import StudyConfig
from sgz_bench.benchmarks.plan import make_plan
from sgz_bench.core.errors import UserError

MODEL = "ssdlite320_mobilenet_v3_large(weights=random,conf=0.01,max_det=20)"


def config(root: Path, *enhancers: str, **more: str) -> StudyConfig:
    return StudyConfig(dataset="yolo", root=root, split="val", model=MODEL, enhancers=("raw", *enhancers), **more)


def test_images_that_a_folder_lacks_are_counted_and_the_first_is_named(small_set: Path, tmp_path: Path) -> None:
    shutil.copytree(small_set / "images" / "val", tmp_path / "enhanced")
    study = config(small_set, f"folder:{tmp_path / 'enhanced'}")
    assert len(make_plan(study, "cpu").cells) == 2
    for name in ("picture_2.png", "picture_5.png"):
        (tmp_path / "enhanced" / name).unlink()
    with pytest.raises(UserError, match=r"^2 of 8 images have no single file: .* has no image 'picture_2', but"):
        make_plan(study, "cpu")


def test_an_image_that_cannot_be_read_needs_no_enhanced_one(small_set: Path, tmp_path: Path) -> None:
    shutil.copytree(small_set / "images" / "val", tmp_path / "enhanced")
    (tmp_path / "enhanced" / "picture_3.png").unlink()
    damaged = small_set / "images" / "val" / "picture_3.png"
    damaged.write_bytes(damaged.read_bytes()[:-100])
    assert len(make_plan(config(small_set, f"folder:{tmp_path / 'enhanced'}"), "cpu").cells) == 2


def test_what_an_engine_that_is_not_exact_made_is_another_cell(pictures: Path) -> None:
    def keys(engine: str) -> dict[str, str]:
        return {cell.label: cell.key for cell in make_plan(config(pictures, "sgz", "he", engine=engine), "cpu").cells}

    eager, fused, torch = keys("eager"), keys("auto"), keys("torch")
    (sgz,) = {label for label in eager if label.startswith("sgz")}
    assert len({eager[sgz], fused[sgz], torch[sgz]}) == 3
    assert all(eager[label] == fused[label] == torch[label] for label in ("raw", "he"))
