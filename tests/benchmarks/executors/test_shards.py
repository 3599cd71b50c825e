"""Sizes and order of shards, and images that are given up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sgz_bench.benchmarks.executors.job import PendingImage
from sgz_bench.benchmarks.executors.shards import Entry, Shards

from .fakes import FakeSample


def entries(count: int, group: str = "a") -> list[Entry]:
    return [[PendingImage(None, FakeSample(i, f"{group}{i}", Path(f"{group}{i}")), [])] for i in range(count)]  # type: ignore[arg-type]


def keys(shard: Sequence[Entry]) -> list[str]:
    return [entry[0].sample.key for entry in shard]


def sizes(shards: Shards, workers: int, rate: float | None) -> list[int]:
    found = []
    while shard := shards.take(workers, rate):
        found.append(len(shard))
    return found


def test_shards_are_small_until_the_rate_is_known_and_at_the_end() -> None:
    shards = Shards([entries(200)], batch=1)
    assert len(shards.take(2, None)) == 1
    assert len(shards.take(2, 0.3)) == 1  # slow images: some seconds each
    assert len(shards.take(2, 1.0)) == 5
    rest = sizes(shards, 2, 100.0)
    assert max(rest) == 16
    assert rest == sorted(rest, reverse=True)
    assert rest[-8:] == [1] * 8
    assert sum(rest) == 193


def test_shards_are_whole_batches_up_to_the_limit_of_the_user() -> None:
    assert set(sizes(Shards([entries(64)], batch=8), 1, 100.0)) == {8, 16}
    assert max(sizes(Shards([entries(400)], batch=8), 1, 100.0)) == 32  # four batches
    assert set(sizes(Shards([entries(60)], batch=8, largest=10), 1, 100.0)) == {8, 4}
    assert set(sizes(Shards([entries(60)], batch=8, largest=3), 1, 100.0)) == {3}
    assert max(sizes(Shards([entries(60)], batch=1, largest=2), 1, 100.0)) == 2


def test_a_shard_never_mixes_groups_of_studies() -> None:
    shards = Shards([entries(3, "a"), [], entries(2, "b")], batch=8)
    assert [keys(shards.take(1, None)), keys(shards.take(1, None))] == [["a0", "a1", "a2"], ["b0", "b1"]]
    assert not shards.take(1, None)
    assert not shards


def test_lost_shards_come_first_in_their_order() -> None:
    shards = Shards([entries(4)], batch=1, largest=2)
    one, two = shards.take(1, 1e9), shards.take(1, 1e9)
    shards.put_back([one, (), two])
    assert [keys(shards.take(1, 1e9)) for _ in range(4)] == [["a0"], ["a1"], ["a2"], ["a3"]]


def test_a_shard_that_killed_its_worker_is_repeated_image_by_image() -> None:
    shards = Shards([entries(3)], batch=3)
    assert shards.killed(shards.take(1, None)) == []
    assert [keys(shards.take(1, None)) for _ in range(2)] == [["a0"], ["a1"]]
    assert keys(shards.killed(entries(3)[1:2])) == ["a1"]
    assert keys(shards.take(1, None)) == ["a2"]
    assert not shards


def test_images_that_are_lost_with_their_node_five_times_are_given_up() -> None:
    shards = Shards([entries(2)], batch=2)
    for _ in range(4):
        assert shards.lost(shards.take(1, None)) == []
    assert len(shards.lost(shards.take(1, None))) == 2
    assert not shards
