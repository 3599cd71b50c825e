"""The weights that come with the package: found by name, made by the recipe that they name, and sound."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from sgz_bench.core.images import read_image, to_tensor
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.checkpoint import read_metadata
from sgz_bench.enhancer.diagnostics import diagnose
from sgz_bench.enhancer.training.recipe import EnhancerRecipe, load_recipe
from sgz_bench.enhancer.weights import Weights, find_weights, known_weights


def test_sgz_needs_no_file_and_takes_scale_and_weights_from_the_package() -> None:
    enhancer = create_enhancer("sgz")
    assert enhancer.spec == "sgz(scale=8,weights=sgz-v1)"
    assert enhancer.fingerprint == create_enhancer(f"sgz(weights={find_weights('sgz', 'sgz-v1')})").fingerprint


SHIPPED = [entry for tags in known_weights().values() for entry in tags.values() if entry.shipped]


@pytest.mark.parametrize("entry", SHIPPED, ids=lambda entry: entry.shipped)
def test_every_file_has_a_card_and_names_recipe_data_and_terms(entry: Weights) -> None:
    path = find_weights(entry.enhancer, entry.tag)
    content = path.read_bytes()
    assert (hashlib.sha256(content).hexdigest(), len(content)) == (entry.sha256, entry.size)
    with safe_open(path, framework="pt") as file:
        metadata = read_metadata(file)
    assert metadata["licence"] == entry.licence
    assert EnhancerRecipe(**metadata["recipe"]).fingerprint == metadata["recipe_sha256"]
    assert "/" not in metadata["recipe"]["guidance"]["model"]
    card = path.with_suffix(".md").read_text(encoding="utf-8")
    assert "## Effect on models" in card
    for fact in (entry.sha256, *(metadata[f"{name}_sha256"] for name in ("recipe", "pictures", "guidance"))):
        assert fact is None or fact in card


@pytest.mark.parametrize("entry", SHIPPED, ids=lambda entry: entry.shipped)
def test_every_file_was_made_by_the_recipe_of_its_methods_name(entry: Weights) -> None:
    with safe_open(find_weights(entry.enhancer, entry.tag), framework="pt") as file:
        metadata = read_metadata(file)
    assert metadata["recipe_sha256"] == load_recipe(entry.enhancer).fingerprint


def test_the_rivals_were_trained_on_the_pictures_and_by_the_steps_of_sgz_v1() -> None:
    budgets = set()
    for entry in SHIPPED:
        with safe_open(find_weights(entry.enhancer, entry.tag), framework="pt") as file:
            metadata = read_metadata(file)
        recipe = metadata["recipe"]
        budgets.add((metadata["pictures_sha256"], metadata["steps"], recipe["batch"], recipe["views"]["crop"]))
    assert len(budgets) == 1


def test_sgz_v1_is_alive_neutral_monotonic_and_leaves_bright_pictures_alone() -> None:
    found = diagnose(create_enhancer("sgz"))
    assert found.file is not None
    assert (found.parameters, found.file.dead) == (10_561, 0)
    assert found.cast <= 0.01
    assert found.fall == 0
    assert found.change is not None
    assert found.change <= 0.03
    assert found.curve[26].min() > 26 / 255 * 1.5  # a dark grey becomes brighter


@pytest.mark.assets
def test_sgz_v1_changes_well_lit_photographs_little_and_brightens_dusk(assets: Path) -> None:
    enhancer = create_enhancer("sgz")
    changes = []
    for path in sorted((assets / "data/coco128/images/val2017").glob("*.jpg"))[:20]:
        image = to_tensor(read_image(path))
        if image.mean() >= 0.45:
            changes.append(float((enhancer(image) - image).abs().mean()))
    assert np.mean(changes) <= 0.03
    dusk = to_tensor(read_image(sorted((assets / "data/camvid/dusk").glob("*.png"))[0]))
    assert float(enhancer(dusk).mean()) > 1.1 * float(dusk.mean())
