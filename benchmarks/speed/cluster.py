"""Executor ray against the executor local, the driver's memory, and a simulated cluster of 64 workers.

Three parts, each of which ``--parts`` selects:

- ``overhead``: one study by the local executor with one thread, by one Ray worker of one thread, and by two, in turn.
  Start-up (processes, models) is aside and printed. Goals: 1.10 × the local time at most; two workers 1.7 × one.
- ``memory``: the driver's resident set while two workers answer for up to 10,000 images at once. Goal: flat.
- ``fleet``: 64 workers that sleep (``sleepers.py``), with results of real size: utilisation (goal 95 %), the driver's
  share of a core, its cost per result, and the rate at which it saturates, computed and then tried.

Ray runs on this machine and listens on the loopback interface.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import torch
from bench import Line, Page, finish, options
from simulation import DETECTOR, Results, detections, label_map, make_data, make_plans, simulated
from sleepers import Sleeper

from sgz_bench.benchmarks.config import StudyConfig
from sgz_bench.benchmarks.executors.cluster import joined
from sgz_bench.benchmarks.executors.job import RunJob
from sgz_bench.benchmarks.executors.local import predict
from sgz_bench.benchmarks.executors.progress import Progress
from sgz_bench.benchmarks.executors.ray import RayExecutor
from sgz_bench.benchmarks.executors.settings import Execution
from sgz_bench.benchmarks.executors.worker import Study, Worker
from sgz_bench.benchmarks.plan import Plan, make_plan
from sgz_bench.core.device import limit_threads

PARTS = ("overhead", "memory", "fleet")
ENHANCERS = ("raw", "gamma", "clahe", "sgz")
EXDARK = 2563  # images of ExDark's test split
_BARRIER = "SGZ_BENCH_BENCHMARK_BARRIER"


class Clock(Progress):
    """Observer that notes when the workers are ready, and the driver's memory as images finish.

    Attributes:
        first, ready: times at which the first and the last worker were ready; None before.
        curve: images done, resident MB of the process, and of that its own (anonymous) memory.
    """

    def __init__(self, every: int = 0) -> None:
        self.first: tuple[float, float] | None = None
        self.ready: tuple[float, float] | None = None
        self.curve: list[tuple[int, float, float]] = []
        self._every = every

    def images(self, study: str, done: int, total: int, failed: int = 0) -> None:
        del study, total
        if failed:
            raise SystemExit(f"{failed} images or cells failed")
        if self._every and done >= len(self.curve) * self._every:
            self.curve.append((done, *resident()))

    def worker(self, name: str, doing: str | None) -> None:
        del name
        if doing and doing.endswith("ready"):
            self.ready = now()
            self.first = self.first or self.ready

    def say(self, line: str) -> None:
        print(line, file=sys.stderr)


def now() -> tuple[float, float]:
    """Return wall time, and CPU seconds of this process."""
    return time.perf_counter(), time.process_time()


def resident() -> tuple[float, float]:
    """Return the process's resident MB, and of that the anonymous MB."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return tuple(int(fields[name].split()[0]) / 1e3 for name in ("VmRSS", "RssAnon"))  # type: ignore[return-value]


def idle() -> tuple[int, int]:
    """Return the jiffies that all processors idled, and all jiffies."""
    numbers = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return numbers[3] + numbers[4], sum(numbers)


@contextmanager
def opened(plans: Sequence[Plan]) -> Iterator[list[RunJob]]:
    """Open the runs of some plans in a scratch folder."""
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as held:
        jobs = [RunJob(plan, Path(scratch) / str(number)) for number, plan in enumerate(plans)]
        for job in jobs:
            job.open()
            held.callback(job.close)
        yield jobs


# Part 1: overhead


class Patient(Worker):
    """Real worker that waits, once it is ready, until all are: those on one clock start together."""

    workers = 1

    def prepare(self, studies: Sequence[Study]) -> str:
        refusal = super().prepare(studies)
        folder = Path(os.environ[_BARRIER])
        (folder / f"{self.workers}-{os.getpid()}-{time.time_ns()}").touch()
        while len(list(folder.glob(f"{self.workers}-*"))) % self.workers:
            time.sleep(0.002)
        return refusal


class Pair(Patient):
    """One of two workers."""

    workers = 2


def overhead(chosen: argparse.Namespace, page: Page) -> None:
    """Time one study by the three executions in turn, from the moment that everything is loaded."""
    images, repeats = (4, 1) if chosen.quick else (chosen.images, chosen.repeats)
    config = StudyConfig(dataset="nightscene", model=DETECTOR, enhancers=ENHANCERS, limit=images)
    startups: list[float] = []

    def local() -> float:
        limit_threads(1)
        plan = make_plan(config, "cpu")  # again each time, as workers do
        with opened([plan]) as jobs:
            start = time.perf_counter()
            predict(jobs, "cpu", Clock())
            return time.perf_counter() - start

    def on(executor: RayExecutor) -> Callable[[], float]:
        def run() -> float:
            clock = Clock()
            with opened([make_plan(config, "cpu")]) as jobs:
                start = time.perf_counter()
                executor.predict(jobs, "cpu", clock)
                assert clock.ready is not None
                startups.append(clock.ready[0] - start)
                return time.perf_counter() - clock.ready[0]

        return run

    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as barrier, patch.dict(os.environ, {_BARRIER: barrier}), ExitStack() as held:
        start = time.perf_counter()
        held.enter_context(joined(_execution(3, 1), "cpu"))
        ray_starts = time.perf_counter() - start
        one = held.enter_context(RayExecutor(_execution(1, 1), "cpu", Patient))
        two = held.enter_context(RayExecutor(_execution(2, 1), "cpu", Pair))
        ways = (local, on(one), on(two))
        for way in () if chosen.quick else ways:  # compiled code is loaded, caches are warm
            way()
        first = max(startups, default=0.0)
        startups.clear()
        taken: list[list[float]] = [[] for _ in ways]
        for _ in range(repeats):
            for way, times in zip(ways, taken, strict=True):
                times.append(way())
    here, single, double = (statistics.median(times) for times in taken)
    what = f"{images} frames of nightscene × {len(ENHANCERS)} enhancers × {DETECTOR}"
    page.add(Line(f"Ray, one worker of one thread: {what}", "local executor, one thread", here, single,
                  "the tests compare the bytes", round(1 / 1.1, 3)))  # fmt: skip
    page.add(Line("Ray, two workers of one thread, the same study", "Ray, one worker", single, double, "", 1.7))
    spread = "; ".join(
        f"{name} {', '.join(f'{each:.2f}' for each in times)}"
        for name, times in zip(("local", "one worker", "two workers"), taken, strict=True)
    )
    page.note(
        f"One worker takes {single / here:.3f} × the local time (goal 1.10). Start-up is not counted: Ray "
        f"{ray_starts:.1f} s, worker processes with their imports and models up to {first:.1f} s the first time, "
        f"models alone {statistics.median(startups):.1f} s. Seconds of {repeats} repeats in turn: {spread}. Load "
        f"average before: {load:.1f} on {os.cpu_count()} cores."
    )


def _execution(workers: int, threads: int) -> Execution:
    return Execution(executor="ray", workers=workers, threads=threads)


# Parts 2 and 3: many images and workers


def memory_of(images: int, enhancers: int) -> dict[str, Any]:
    """Record the driver's memory over one study; runs in a process of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        config = make_data(Path(scratch), "detection", images)
        make_plans(config.model_copy(update={"limit": 1}), enhancers)  # imports and models
        gc.collect()
        before = resident()
        plans = make_plans(config, enhancers)
        gc.collect()
        loaded = resident()
        clock, results = Clock(every=max(images // 20, 1)), detections(100)
        with (
            RayExecutor(_execution(2, 1), "cpu", Sleeper) as executor,
            simulated(results, 0.002),
            opened(plans) as jobs,
        ):
            executor.predict(jobs, "cpu", clock)
        return {"before": before, "loaded": loaded, "curve": clock.curve}


def memory(chosen: argparse.Namespace, page: Page) -> None:
    """Print the driver's memory over images, for data sets of two sizes."""
    enhancers = 4
    rows = ["| images of the data set | " + " | ".join(f"{each} % done" for each in (0, 20, 40, 60, 80, 100)) +
            " | growth per image after 20 % |", "|--:|" + "--:|" * 7]  # fmt: skip
    loads, slopes, sizes = [], [], (100, 300) if chosen.quick else (1_000, 10_000)
    for images in sizes:
        command = [sys.executable, __file__, "--memory-of", str(images), str(enhancers)]
        answer = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1])
        done, held, own = np.array(answer["curve"]).T
        late = done >= images // 5
        slopes.append(float(np.polyfit(done[late], own[late], 1)[0]) * 1e6)
        loads.append(answer["loaded"][1])
        points = [int(np.argmin(abs(done - share * images))) for share in (0, 0.2, 0.4, 0.6, 0.8, 1)]
        cells = " | ".join(f"{own[point]:.0f} of {held[point]:.0f} MB" for point in points)
        rows.append(f"| {images:,} | {cells} | {slopes[-1]:+,.0f} bytes |")
    more = (loads[1] - loads[0]) * 1e6 / (sizes[1] - sizes[0])
    flat = slopes[1] * sizes[1] / 1e6
    page.note(
        "Driver's memory while it writes the answers of two simulated workers "
        f"({enhancers} enhancers, one detector, 100 boxes per image): own (anonymous) of resident memory. Resident "
        "memory besides is code and the parts of Ray's object store that the driver has touched, which have a limit."
        "\n\n" + "\n".join(rows)
    )
    page.note(
        f"{'✓' if flat < 25 else '✗'} Over {sizes[1]:,} images the driver grows by {flat:+.1f} MB (goal: below 25): by "
        f"{slopes[1] / enhancers:,.0f} bytes per image and cell: ids of finished images, less entries of pending ones. "
        f"The data set itself (paths, labels of six objects) takes {more:,.0f} bytes per image, before the first "
        "prediction."
    )


class Run(NamedTuple):
    """Measurement of one study on the simulated cluster.

    Attributes:
        rate: results per second that were written.
        offered: results per second that the workers could deliver.
        busy: seconds slept, over workers × wall time.
        driver: CPU seconds of the driver per second, all threads.
        engaged: share of the time in which the driver's main thread did not wait for an answer of a worker.
    """

    rate: float
    offered: float
    busy: float
    driver: float
    engaged: float


def run_fleet(executor: RayExecutor, workers: int, plans: Sequence[Plan], results: Results, seconds: float) -> Run:
    """Run studies on the simulated cluster; the clock starts when the first worker is ready."""
    clock, waited, wait = Clock(), 0.0, executor._ray.wait

    def timed(*args: Any, **kwargs: Any) -> Any:
        nonlocal waited
        start = time.perf_counter()
        answer = wait(*args, **kwargs)
        waited += time.perf_counter() - max(start, clock.first[0] if clock.first else start)
        return answer

    with simulated(results, seconds), opened(plans) as jobs, patch.object(executor._ray, "wait", timed):
        executor.predict(jobs, "cpu", clock)
        end = now()
    assert clock.first is not None
    wall, cpu = (after - before for before, after in zip(clock.first, end, strict=True))
    records = sum(len(plan.cells) * len(plan.dataset.samples) for plan in plans)
    busy = records * seconds / (workers * wall)
    return Run(records / wall, workers / max(seconds, 1e-9), busy, cpu / wall, 1 - waited / wall)


def fleet(chosen: argparse.Namespace, page: Page) -> None:
    """Measure the simulated cluster."""
    workers, enhancers = (4, 3) if chosen.quick else (chosen.workers, 28)
    images = 40 if chosen.quick else EXDARK
    load = os.getloadavg()[0]
    kinds = [detections(), label_map(384, 640), label_map(1080, 1920)]
    rows = [
        "| results | bytes | images × cells | s per cell | utilisation | results/s | driver, of a core "
        "| driver engaged | CPU per result | machine idle |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    verdicts = []
    with ExitStack() as held:
        start = time.perf_counter()
        held.enter_context(joined(_execution(workers, 1), "cpu"))
        executor = held.enter_context(RayExecutor(_execution(workers, 1), "cpu", Sleeper))
        for kind in kinds:
            with tempfile.TemporaryDirectory() as scratch:
                cells = enhancers if kind.task == "detection" else max(enhancers // 4, 2)
                plans = make_plans(make_data(Path(scratch), kind.task, images), cells)

                run_fleet(
                    executor, workers, plans[:1], kind._replace(line=b'"x": 0}\n', label_map=b""), 0.0
                )  # wakes all

                def measure(seconds: float, wanted: str) -> Run:
                    before = idle()
                    run = run_fleet(executor, workers, plans, kind, seconds)  # noqa: B023 - called in the loop
                    after = idle()
                    share = (after[0] - before[0]) / max(after[1] - before[1], 1)
                    rows.append(
                        f"| {kind.what}{wanted} | {kind.size:,} | {images:,} × {cells} | {seconds:.4f} | "  # noqa: B023
                        f"{run.busy:.1%} | {run.rate:,.0f} of {run.offered:,.0f} | {run.driver:.0%} | "
                        f"{run.engaged:.0%} | {run.driver / run.rate * 1e6:,.0f} µs | {share:.0%} |"
                    )
                    print(rows[-1], f"({time.perf_counter() - start:.0f} s)", flush=True)
                    return run

                seconds = 0.05 if kind.task == "detection" else 0.2
                calm = measure(seconds if not chosen.quick else 0.01, "")
                most = calm.rate / calm.engaged
                verdicts.append(
                    f"{'✓' if calm.busy >= 0.95 else '✗'} {kind.what}: utilisation {calm.busy:.1%} (goal 95 %); the "
                    f"driver takes {calm.driver:.1%} of a core and is engaged for {calm.engaged:.1%} of the time; it "
                    f"should saturate near {most:,.0f} results/s ({most * kind.size / 1e6:,.0f} MB/s)"
                )
                tried = [measure(workers / (most * share), f", {share:.0%} of that") for share in (0.8, 1.5)]
                verdicts[-1] += f"; measured at most {max(run.rate for run in tried):,.0f} results/s."
    page.note(
        f"Simulated cluster: {workers} workers that sleep. Load average before: {load:.1f}.\n\n" + "\n".join(rows)
    )
    for verdict in verdicts:
        page.note(verdict)


def main() -> None:
    """Run the parts."""
    parser = options(__doc__)
    parser.add_argument("--parts", default=",".join(PARTS), help="parts with commas")
    parser.add_argument("--images", type=int, default=48, help="frames of the part overhead")
    parser.add_argument("--repeats", type=int, default=5, help="repeats of the part overhead")
    parser.add_argument("--workers", type=int, default=64, help="simulated workers")
    parser.add_argument("--memory-of", type=int, nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.memory_of:
        print(json.dumps(memory_of(*chosen.memory_of)))
        return
    page = Page("From one process to a cluster")
    for part in chosen.parts.split(","):
        {"overhead": overhead, "memory": memory, "fleet": fleet}[part](chosen, page)
    finish(page, chosen)


if __name__ == "__main__":
    main()
