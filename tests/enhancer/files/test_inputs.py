"""Which files a command line means, and where their results go."""

from __future__ import annotations

from pathlib import Path

import pytest

from sgz_bench.core.errors import UserError
from sgz_bench.enhancer.files.inputs import plan_files


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder of empty files: planning looks at names only."""
    root = tmp_path / "tree"
    for name in ("z.JPG", "a.png", "night/1/a.jpeg", "night/2/a.webp", "day/b.bmp", ".cache/c.png", ".d.png", "e.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def targets(out: Path, *inputs: object, compare: bool = False) -> list[str]:
    plan = plan_files([str(text) for text in inputs], out, compare=compare)
    return [output.relative_to(out).as_posix() for job in plan.jobs for output in job.outputs]


def test_a_folder_is_searched_without_hidden_and_other_files(tree: Path, tmp_path: Path) -> None:
    assert sorted(targets(tmp_path / "out", tree)) == [
        "a.png", "day/b.png", "night/1/a.png", "night/2/a.png", "z.png",
    ]  # fmt: skip
    assert plan_files([str(tree)], tmp_path / "out").ignored == 1


def test_the_order_is_the_same_every_time(tree: Path, tmp_path: Path) -> None:
    assert targets(tmp_path / "out", tree) == targets(tmp_path / "out", tree)
    assert targets(tmp_path / "out", tree / "z.JPG", tree / "a.png") == ["z.png", "a.png"]


@pytest.mark.parametrize(
    ("pattern", "kept"),
    [
        ("night/*/a.*", ["1/a.png", "2/a.png"]),
        ("night/*", ["1/a.png", "2/a.png"]),
        ("**/a.*", ["a.png", "night/1/a.png", "night/2/a.png"]),
        ("[az].*", ["a.png", "z.png"]),
    ],
)
def test_a_glob_keeps_the_path_behind_its_fixed_part(tree: Path, tmp_path: Path, pattern: str, kept: list[str]) -> None:
    assert sorted(targets(tmp_path / "out", f"{tree}/{pattern}")) == kept


def test_a_name_with_brackets_is_a_file_before_it_is_a_glob(tmp_path: Path) -> None:
    (tmp_path / "photo[1].png").touch()
    assert targets(tmp_path / "out", tmp_path / "photo[1].png") == ["photo[1].png"]


def test_an_image_named_twice_is_enhanced_once(tree: Path, tmp_path: Path) -> None:
    assert targets(tmp_path / "out", tree / "a.png", f"{tree}/night/../a.png", f"{tree}/a.*") == ["a.png"]


def test_a_file_that_is_named_is_taken_whatever_its_suffix(tree: Path, tmp_path: Path) -> None:
    assert targets(tmp_path / "out", tree / "e.txt", tree / ".d.png") == ["e.png", ".d.png"]


def test_links_to_folders_are_followed_but_not_in_circles(tree: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "far.png").touch()
    (tree / "linked").symlink_to(elsewhere)
    (tree / "night" / "circle").symlink_to(tree)
    found = targets(tmp_path / "out", tree)
    assert "linked/far.png" in found
    assert len(found) == 6


def test_two_sources_of_one_output_are_both_named(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"1/a\.jpeg and .*2/a\.webp would both become .*out/a\.png"):
        plan_files([f"{tree}/night/1", f"{tree}/night/2"], tmp_path / "out")


def test_an_output_and_a_sheet_may_not_meet(tree: Path, tmp_path: Path) -> None:
    (tree / "compare").mkdir()
    (tree / "compare" / "a.png").touch()
    assert "compare/a.png" in targets(tmp_path / "out", tree)
    with pytest.raises(UserError, match=r"would both become .*compare/a\.png"):
        plan_files([str(tree)], tmp_path / "out", compare=True)


def test_an_input_is_never_overwritten(tree: Path) -> None:
    with pytest.raises(UserError, match="is both an input and the output folder"):
        plan_files([str(tree)], tree)
    with pytest.raises(UserError, match=r"a\.png is one of the inputs and would be overwritten"):
        plan_files([str(tree / "a.png")], tree)


@pytest.mark.parametrize(
    ("text", "message"),
    [("none.png", "no such file or folder"), ("none/*.png", "no file matches"), ("empty", "no images in .*looked for")],
)
def test_an_input_without_an_image_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=message):
        plan_files([str(tmp_path / text)], tmp_path / "out")
