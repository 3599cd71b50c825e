"""Summaries of problems: one line where most of a data set is missing."""

from __future__ import annotations

from sgz_bench.tasks.problems import summarize
from sgz_bench.tasks.types import Problem


def test_most_of_a_data_set_is_one_line_with_three_examples() -> None:
    problems = [Problem(f"2015_{index}", "no such image; expected ExDark/CLASS/IMAGE", lost=True) for index in range(9)]
    (line,) = summarize(problems, 1)
    assert str(line) == (
        "9 of 10 images: no such image; expected ExDark/CLASS/IMAGE; for example 2015_0; 2015_1; 2015_2"
    )
    assert summarize(problems, 10) == problems
    assert len(summarize(problems * 3, 1000)) == 1


def test_paths_and_numbers_do_not_make_another_kind() -> None:
    problems = [Problem(f"a{i}", f"/data/a{i}.tif has 16 bits per channel; convert it", lost=True) for i in range(4)]
    problems += [Problem(f"x.txt, line {i}", f"class {80 + i} is not one of 0…79") for i in range(4)]
    assert [line.where for line in summarize(problems, 0)] == ["4 of 4 images", "4 times"]


def test_doubts_come_first() -> None:
    problems = [Problem("a", "is gone", lost=True), Problem("val", "all boxes are below one pixel", doubt=True)]
    assert summarize(problems, 5) == problems[::-1]
