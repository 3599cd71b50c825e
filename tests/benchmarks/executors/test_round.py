"""The driver on a fake Ray: losses, refusals, quarantine, failures, and the end of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from sgz_bench.benchmarks.executors import round as rounds
from sgz_bench.benchmarks.executors.job import RunJob, unfinished
from sgz_bench.benchmarks.executors.messages import Host, Outcome, Shard
from sgz_bench.benchmarks.executors.round import Round
from sgz_bench.benchmarks.executors.seats import Seats
from sgz_bench.benchmarks.executors.settings import Execution
from sgz_bench.benchmarks.store import LOG, cell_folder, read_log
from sgz_bench.core.errors import UserError

from .fakes import (
    FakeRay,
    FakeWorker,
    Heard,
    LocalRayletDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    RayError,
    RayTaskError,
    cluster,
    job,
)


def run(ray: FakeRay, kind: type[FakeWorker], *jobs: RunJob, shard: int | None = None) -> Heard:
    """Predict all jobs with one worker per node; return what the user hears."""
    kind.seen = []
    heard = Heard()
    seats = Seats(cluster(ray), kind, "cpu")
    seats.fill()
    Round(seats, jobs, unfinished(jobs), ["study"] * len(jobs), Execution(executor="ray", shard=shard), heard).run()
    return heard


def images(made: RunJob, key: str = "raw") -> set[int]:
    """Ids in the log of a cell."""
    return set(read_log(cell_folder(made.run, key) / LOG))


def ids(shard: Shard) -> set[int]:
    return {image for each in shard.images.values() for image in each}


def test_every_image_is_predicted_once_with_two_shards_in_flight(tmp_path: Path) -> None:
    ray, made = FakeRay("a", "b"), job(tmp_path / "run", 40)
    heard = run(ray, FakeWorker, made)
    assert Counter(each[2] for shard in FakeWorker.seen for each in shard) == Counter(range(1, 41))
    assert images(made) == set(range(1, 41))
    assert ray.most == 2
    assert heard.done["run"] == (40, 40, 0)
    assert heard.lines == []


def test_studies_of_the_same_images_share_shards_whatever_their_ids(tmp_path: Path) -> None:
    jobs = [job(tmp_path / "one", 5), job(tmp_path / "two", 5, first=101), job(tmp_path / "few", 3)]
    jobs[1].keep(jobs[1].plan.cells[0], jobs[1].samples[1], b'{"image_id": 102}\n', {})  # by an earlier run
    run(FakeRay("a"), FakeWorker, *jobs, shard=5)
    assert [images(each) for each in jobs] == [set(range(1, 6)), set(range(101, 106)), {1, 2, 3}]
    both = [shard for shard in FakeWorker.seen if {study for study, _, _ in shard} == {0, 1}]
    assert Counter(study for shard in both for study, _, _ in shard)[1] == 4
    for shard in both:
        assert {image + 100 for study, _, image in shard if study == 0} - {102} == {
            image for study, _, image in shard if study == 1
        }
    assert all(
        {study for study, _, _ in shard} <= {0, 1} or {2} == {study for study, _, _ in shard}
        for shard in FakeWorker.seen
    )


class DiesOnTwo(FakeWorker):
    """Dies of image 2."""

    how: ClassVar[Callable[[], RayError]] = RayActorError

    def run(self, shard: Shard) -> Outcome:
        if 2 in ids(shard):
            raise type(self).how()
        return super().run(shard)


@pytest.mark.parametrize("how", [RayActorError, OutOfMemoryError, lambda: RayTaskError(MemoryError("no memory"))])
def test_an_image_that_kills_its_worker_twice_is_left_out_and_named(
    how: Callable[[], RayError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DiesOnTwo, "how", how)
    made = job(tmp_path / "run", 12, ("raw", "gamma"))
    heard = run(FakeRay("a", "b"), DiesOnTwo, made, shard=4)
    assert images(made) == images(made, "gamma") == set(range(1, 13)) - {2}
    assert list(made.failures.unread) == [2]
    assert made.failures.cells == {}
    assert heard.done["run"] == (12, 12, 1)
    left_out = [line for line in heard.lines if line.startswith("left out: ")]
    assert left_out == [f"left out: {made.failures.unread[2]}"]
    assert made.failures.unread[2].startswith("1.png: ")
    assert ("MemoryError" in left_out[0]) or "its worker died 2 times" in left_out[0]


def test_an_image_that_kills_in_company_alone_is_kept(tmp_path: Path) -> None:
    class DiesOfCompany(FakeWorker):
        def run(self, shard: Shard) -> Outcome:
            if {2, 3} <= ids(shard):
                raise RayActorError
            return super().run(shard)

    made = job(tmp_path / "run", 64, batch=4)  # the first shard is the images 1 to 4
    heard = run(FakeRay("a"), DiesOfCompany, made, shard=8)
    assert images(made) == set(range(1, 65))
    assert made.failures.unread == {}
    assert [line.partition(" (")[0] for line in heard.lines] == ["worker 1 on machine-a died"]


def test_a_lost_node_is_named_and_its_images_are_repeated(tmp_path: Path) -> None:
    ray, made = FakeRay("a", "b"), job(tmp_path / "run", 20)

    class LosesB(FakeWorker):
        def run(self, shard: Shard) -> Outcome:
            if self.node == "b":
                ray.alive["b"] = False
                raise RayActorError("The actor died because its node has died.")
            return super().run(shard)

    def start_elsewhere() -> None:
        ray.names = [name for name in ray.names if ray.alive[name]]

    ray.on_wait = start_elsewhere
    heard = run(ray, LosesB, made)
    assert images(made) == set(range(1, 21))
    assert made.failures.unread == {}
    assert heard.lines[0].startswith("node machine-b of worker 2 was lost (")
    assert "repeated" in heard.lines[0]


@pytest.mark.parametrize("error", [RayActorError("its node has died"), ObjectLostError()])
def test_images_that_are_always_lost_with_their_node_are_given_up_in_the_end(error: RayError, tmp_path: Path) -> None:
    class Loses(FakeWorker):
        def run(self, shard: Shard) -> Outcome:
            if 3 in ids(shard):
                raise error
            return super().run(shard)

    ray, made = FakeRay("a"), job(tmp_path / "run", 4)
    run(ray, Loses, made, shard=1)
    assert images(made) == {1, 2, 4}
    assert made.failures.unread == {3: "2.png: its node was lost 5 times"}
    assert len(ray.actors) == 6


class RefusedOnB(FakeWorker):
    """Has other data on node b."""

    def prepare(self, studies: Sequence[Any]) -> str:
        super().prepare(studies)
        return "torch is 1 there and 2 here" if self.node == "b" else ""

    def run(self, shard: Shard) -> Outcome:
        if self.node == "c":
            return Outcome([], [], [], 0.0, "0.png has other bytes there")
        return super().run(shard)


def test_refused_nodes_are_named_once_and_the_others_go_on(tmp_path: Path) -> None:
    made = job(tmp_path / "run", 20)
    heard = run(FakeRay("a", "b", "c"), RefusedOnB, made)
    assert images(made) == set(range(1, 21))
    assert sorted(heard.lines) == [
        "node machine-b is refused: torch is 1 there and 2 here",
        "node machine-c is refused: 0.png has other bytes there",
    ]


def test_one_error_names_the_reasons_if_all_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        run(FakeRay("b", "b", "c"), RefusedOnB, job(tmp_path / "run", 20))
    assert str(error.value) == (
        "no worker can run the study: node machine-b is refused: torch is 1 there and 2 here; "
        "node machine-c is refused: 0.png has other bytes there"
    )


def test_a_worker_that_raises_while_it_prepares_is_refused(tmp_path: Path) -> None:
    class Raises(FakeWorker):
        def prepare(self, _studies: Sequence[Any]) -> str:
            raise RayTaskError(ModuleNotFoundError("No module named 'mine'"))

    with pytest.raises(UserError, match=r"node machine-a is refused: ModuleNotFoundError: No module named 'mine'$"):
        run(FakeRay("a"), Raises, job(tmp_path / "run", 2))


def test_nodes_where_workers_die_at_the_start_do_not_stop_the_others(tmp_path: Path) -> None:
    class DiesOnB(FakeWorker):
        def host(self) -> Host:
            if self.node == "b":
                raise RayActorError("ray::Worker.__init__() (pid=7, ip=10.0.0.2, actor_id=0)\nImportError: too old")
            return super().host()

    ray, made = FakeRay("a", "b", "b"), job(tmp_path / "run", 50)
    heard = run(ray, DiesOnB, made)
    assert images(made) == set(range(1, 51))
    assert set(heard.lines) == {
        f"worker {n} on 10.0.0.2 died while it started (ImportError: too old)" for n in (2, 3, 5)
    }
    with pytest.raises(UserError, match=r"workers die while they start on 10\.0\.0\.2 \(ImportError: too old\)"):
        run(FakeRay("b"), DiesOnB, job(tmp_path / "none", 5))


def test_a_worker_that_never_starts_is_mentioned_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class StartsOnA(FakeWorker):
        late = "b"

    monkeypatch.setattr(rounds, "PATIENCE", -1)
    made = job(tmp_path / "run", 20)
    heard = run(FakeRay("a", "b"), StartsOnA, made)
    assert images(made) == set(range(1, 21))
    assert len(heard.lines) == 1
    assert heard.lines[0].endswith("; the cluster may be busy: see `ray status`")


@pytest.mark.parametrize(
    "change", [lambda kept: [*kept, kept[0]], lambda kept: kept[1:], lambda kept: [kept[0]._replace(image=9)]]
)
def test_a_worker_that_answers_another_question_is_refused(
    change: Callable[[list[Any]], list[Any]], tmp_path: Path
) -> None:
    class Confused(FakeWorker):
        def run(self, shard: Shard) -> Outcome:
            outcome = super().run(shard)
            return outcome._replace(kept=change(outcome.kept)) if self.node == "b" else outcome

    made = job(tmp_path / "run", 8)
    heard = run(FakeRay("a", "b"), Confused, made)
    assert images(made) == set(range(1, 9))
    assert [line.partition(": it ")[0] for line in heard.lines] == ["node machine-b is refused"]


def test_of_several_failures_of_a_cell_that_of_the_first_image_is_kept(tmp_path: Path) -> None:
    class FailsFromThree(FakeWorker):
        def run(self, shard: Shard) -> Outcome:
            outcome = super().run(shard)
            bad = next((each for each in outcome.kept if each.cell == "gamma" and each.image >= 3), None)
            if bad is None:
                return outcome
            kept = [each for each in outcome.kept if each.cell == "raw" or each.image < bad.image]
            return outcome._replace(kept=kept, failed=[(0, "gamma", bad.image, f"image {bad.image} is bad")])

    made = job(tmp_path / "run", 30, ("raw", "gamma"))
    run(FakeRay("a", "b", "c"), FailsFromThree, made, shard=2)
    assert made.failures.cells == {"gamma": "image 3 is bad"}
    assert images(made) == set(range(1, 31))
    assert images(made, "gamma") == {1, 2}
    sent = [image for shard in FailsFromThree.seen for _, cell, image in shard if cell == "gamma"]
    assert max(sent) < 12  # what was in flight; nothing later is sent


def test_images_that_only_failed_cells_need_are_finished_without_a_worker(tmp_path: Path) -> None:
    class Fails(FakeWorker):
        def run(self, shard: Shard) -> Outcome:
            super().run(shard)
            return Outcome([], [(0, "raw", min(ids(shard)), "bad")], [], 0.0)

    made = job(tmp_path / "run", 30)
    heard = run(FakeRay("a"), Fails, made, shard=2)
    assert heard.done["run"] == (30, 30, 1)
    assert len(Fails.seen) == 2


def test_unreadable_images_are_recorded(tmp_path: Path) -> None:
    class CannotRead(FakeWorker):
        def run(self, shard: Shard) -> Outcome:
            outcome = super().run(shard)
            unread = [(0, 2, "1.png is damaged")] if 2 in ids(shard) else []
            return outcome._replace(kept=[each for each in outcome.kept if each.image != 2], unread=unread)

    made = job(tmp_path / "run", 6)
    run(FakeRay("a"), CannotRead, made)
    assert made.failures.unread == {2: "1.png is damaged"}
    assert images(made) == {1, 3, 4, 5, 6}


def test_a_full_disk_ends_one_study_and_not_the_other(tmp_path: Path) -> None:
    few, many = job(tmp_path / "few", 30), job(tmp_path / "many", 30)

    def keep(*_: object) -> None:
        raise UserError("no space left")

    few.keep = keep  # type: ignore[method-assign]
    run(FakeRay("a"), FakeWorker, few, many, shard=2)
    assert str(few.fault) == "no space left"
    assert many.fault is None
    assert images(many) == set(range(1, 31))
    assert sum(study == 0 for shard in FakeWorker.seen for study, _, _ in shard) <= 4  # what was in flight
    before = len(FakeWorker.seen)
    only = job(tmp_path / "only", 30)
    only.keep = keep  # type: ignore[method-assign]
    run(FakeRay("a"), FakeWorker, only, shard=2)
    assert len(FakeWorker.seen) <= 2 < before


def test_ray_that_ends_on_this_machine_is_one_error(tmp_path: Path) -> None:
    class Ends(FakeWorker):
        def run(self, _shard: Shard) -> Outcome:
            raise LocalRayletDiedError

    with pytest.raises(UserError, match="Ray has ended on this machine; start it again, and repeat the command"):
        run(FakeRay("a"), Ends, job(tmp_path / "run", 3))


def test_ctrl_c_leaves_what_is_done_and_a_repetition_completes_it(tmp_path: Path) -> None:
    ray, made = FakeRay("a"), job(tmp_path / "run", 20)

    def interrupt() -> None:
        if len(images(made)) > 5:
            raise KeyboardInterrupt

    ray.on_wait = interrupt
    with pytest.raises(KeyboardInterrupt):
        run(ray, FakeWorker, made)
    done = images(made)
    assert 5 < len(done) < 20
    made.close()
    again = job(tmp_path / "run", 20)
    run(FakeRay("a", "b", "c"), FakeWorker, again)
    assert images(again) == set(range(1, 21))
    assert {each[2] for shard in FakeWorker.seen for each in shard} == set(range(1, 21)) - done
