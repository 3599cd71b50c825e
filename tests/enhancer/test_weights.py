"""Weights by name: where they are looked for, what is said of missing ones, and that downloads are checked."""

from __future__ import annotations

import os
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from sgz_bench.__main__ import app
from sgz_bench.core.errors import UserError
from sgz_bench.core.images import write_image
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.downloads import fetch_missing, fetch_weights, named_weights
from sgz_bench.enhancer.weights import Weights, find_weights, known_weights, restricted


@pytest.fixture(autouse=True)
def no_other_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SGZ_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SGZ_BENCH_WEIGHTS", raising=False)


CONTENT = b"not really weights"


@pytest.fixture
def entry(tmp_path: Path) -> Weights:
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "file.pth").write_bytes(CONTENT)
    known = known_weights()["zero-dce"]["official"]
    digest, url = sha256(CONTENT).hexdigest(), (tmp_path / "server" / "file.pth").as_uri()
    return replace(known, sha256=digest, size=len(CONTENT), url=url)


def test_missing_weights_say_what_to_run_where_to_put_them_and_their_terms() -> None:
    with pytest.raises(UserError) as caught:
        create_enhancer("zero-dce")
    for words in ("weights fetch zero-dce official", "SGZ_BENCH_WEIGHTS", "CC BY-NC 4.0", "a4395acb874f"):
        assert words in str(caught.value)


@pytest.mark.assets
def test_files_are_found_by_their_content_under_any_name(
    assets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "empty", tmp_path / "mine"
    first.mkdir()
    second.mkdir()
    (second / "whatever").write_bytes(b"x")
    renamed = second / "some name.pth"
    renamed.write_bytes((assets / "weights" / "zero_dce_official.pth").read_bytes())
    monkeypatch.setenv("SGZ_BENCH_WEIGHTS", f"{first}{os.pathsep}{second}")
    assert find_weights("zero-dce", "official") == renamed
    by_path = create_enhancer(f"zero-dce(weights={assets / 'weights' / 'zero_dce_official.pth'})")
    assert create_enhancer("zero-dce").fingerprint == by_path.fingerprint


def test_a_path_stays_a_path_and_an_unknown_tag_lists_the_known_ones() -> None:
    assert find_weights("sgz", "some/file.pth") == Path("some/file.pth")
    with pytest.raises(UserError, match="sgz: unknown weights 'sgz-v2'; did you mean 'sgz-v1'"):
        find_weights("sgz", "sgz-v2")
    with pytest.raises(UserError, match="no weights of enlightengan go by a name"):
        find_weights("enlightengan", "official")


def test_weights_of_an_unknown_enhancer_name_the_nearest_one() -> None:
    with pytest.raises(UserError, match="unknown enhancer 'zero-dec'; did you mean 'zero-dce'"):
        named_weights("zero-dec", "")
    with pytest.raises(UserError, match="no weights of clahe go by a name"):
        named_weights("clahe", "")


def test_a_download_is_kept_if_its_hash_is_the_pinned_one_and_not_repeated(entry: Weights, tmp_path: Path) -> None:
    path = fetch_weights(entry)
    assert path.read_bytes() == CONTENT
    assert path == entry.path()
    (tmp_path / "server" / "file.pth").unlink()
    assert fetch_weights(entry) == path
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"more", b"x" * len(CONTENT), None])
def test_another_file_than_expected_is_not_kept(entry: Weights, tmp_path: Path, content: bytes | None) -> None:
    server = tmp_path / "server" / "file.pth"
    server.unlink() if content is None else server.write_bytes(content)
    with pytest.raises(UserError, match=r"file\.pth (cannot be downloaded|returned an unexpected file)"):
        fetch_weights(entry)
    assert entry.path() is None
    assert not (tmp_path / "cache").exists()


@pytest.mark.assets
@pytest.mark.parametrize(
    ("spec", "terms"),
    [
        ("gamma", ""),
        ("sgz", ""),
        ("sgz(weights={folder}/sgz_official.pth)", ""),
        ("zero-dce(weights={folder}/zero_dce_official.pth)", "CC BY-NC 4.0"),
        ("pairlie(weights={folder}/pairlie.pth)", "no licence stated"),
        (
            "retinexnet(weights={folder}/retinexnet_decom.tar,relight={folder}/retinexnet_relight.tar)",
            "no licence stated",
        ),
    ],
)
def test_terms_are_said_where_they_leave_out_commercial_use_or_are_missing(assets: Path, spec: str, terms: str) -> None:
    assert restricted(create_enhancer(spec.format(folder=assets / "weights"))) == terms


def test_what_has_no_address_names_the_authors_page(entry: Weights) -> None:
    with pytest.raises(UserError, match=r"no download address; get it from https://authors\.example"):
        fetch_weights(replace(entry, url="", page="https://authors.example"))


def test_every_file_has_an_address_of_its_own() -> None:
    addresses = [entry.url for tags in known_weights().values() for entry in tags.values() if entry.url]
    assert len(set(addresses)) == len(addresses)


def test_the_commands_list_every_file_and_print_where_one_is() -> None:
    listed = CliRunner().invoke(app, ["weights", "list"], catch_exceptions=False).output
    for enhancer, tags in known_weights().items():
        for tag, weights in tags.items():
            assert f"{enhancer}(weights={tag})" in listed
            assert weights.sha256 in listed
    assert listed.count("not on this machine") == sum(
        not w.shipped for tags in known_weights().values() for w in tags.values()
    )
    found = CliRunner().invoke(app, ["weights", "path", "sgz"], catch_exceptions=False).output.strip()
    assert Path(found).name == "sgz-v1.safetensors"


def test_every_entry_is_whole() -> None:
    for tags in known_weights().values():
        for entry in tags.values():
            assert len(entry.sha256) == 64
            assert entry.size > 0
            assert entry.shipped or entry.page or entry.url.startswith("https://")
            assert "/main/" not in entry.url  # an address that may show other bytes tomorrow


@pytest.fixture
def on_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Weights:
    """Weights of Zero-DCE that work, as the registry would name them, not yet on this machine."""
    from sgz_bench.enhancer.learned.zero_dce import ZeroDceNetwork

    file = tmp_path / "server" / "zero-dce.pth"
    file.parent.mkdir()
    torch.save(ZeroDceNetwork().state_dict(), file)
    content = file.read_bytes()
    known = replace(known_weights()["zero-dce"]["official"], size=len(content), url=file.as_uri())
    known = replace(known, sha256=sha256(content).hexdigest())
    for module in ("weights", "downloads"):
        monkeypatch.setattr(f"sgz_bench.enhancer.{module}.known_weights", lambda: {"zero-dce": {"official": known}})
    return known


def test_download_fetches_what_an_enhancer_needs_once_before_anything_is_computed(
    on_a_server: Weights, tmp_path: Path
) -> None:
    write_image(tmp_path / "dark" / "a.png", np.full((8, 8, 3), 20, np.uint8))
    command = ["enhance", str(tmp_path / "dark"), "--enhancer", "zero-dce", "--out", str(tmp_path / "out")]
    refused = CliRunner().invoke(app, command)
    assert isinstance(refused.exception, UserError)
    assert "add --download" in str(refused.exception)
    assert not (tmp_path / "out").exists()

    first = CliRunner().invoke(app, [*command, "--download"], catch_exceptions=False)
    assert first.exit_code == 0
    assert "fetched: zero-dce(weights=official)" in first.output
    assert on_a_server.path() == on_a_server.cached
    assert (tmp_path / "out" / "a.png").is_file()
    again = CliRunner().invoke(app, [*command, "--download", "--force"], catch_exceptions=False)
    assert again.exit_code == 0
    assert "fetched" not in again.output


@pytest.mark.usefixtures("on_a_server")
@pytest.mark.parametrize("spec", ["gamma", "folder:somewhere", "zero-dce(weights=mine.pth)", "some.module:Mine"])
def test_what_needs_no_known_weights_fetches_none(spec: str) -> None:
    assert list(fetch_missing(spec)) == []


@pytest.mark.usefixtures("on_a_server")
def test_a_download_that_fails_is_one_line_and_in_a_suite_one_enhancer_less(tmp_path: Path) -> None:
    (tmp_path / "server" / "zero-dce.pth").unlink()
    with pytest.raises(UserError, match=r"zero-dce\.pth cannot be downloaded"):
        list(fetch_missing("zero-dce"))
    suite = tmp_path / "suite.yaml"
    suite.write_text("settings: {dataset: coco, model: none.pt, enhancers: [zero-dce]}\nmatrix: {seed: [0]}\n")
    result = CliRunner().invoke(app, ["run", str(suite), "--out", str(tmp_path / "runs"), "--download"])
    assert result.exit_code == 1
    assert "left out: zero-dce: file://" in result.output
