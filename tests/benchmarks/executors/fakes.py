"""Small fakes: a Ray whose actors answer in the caller's thread, and studies without networks."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sgz_bench.benchmarks.executors.cluster import Cluster
from sgz_bench.benchmarks.executors.job import RunJob
from sgz_bench.benchmarks.executors.messages import Host, Kept, Outcome, Shard
from sgz_bench.benchmarks.executors.progress import Progress


class RayError(Exception):
    """Base of Ray's errors."""


class RayTaskError(RayError):
    """Error that a worker raised."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class RayActorError(RayError):
    """Death of a worker."""


class ActorUnavailableError(RayActorError):
    """Worker out of reach."""


class ObjectLostError(RayError):
    """Answer that was lost."""


class OutOfMemoryError(RayError):
    """Worker that Ray's memory monitor killed."""


class LocalRayletDiedError(RayError):
    """End of the driver's own node."""


class FakeRay:
    """Ray of some nodes with one worker each; a call is answered when it is waited for, the oldest call first.

    Attributes:
        actors: all actors, in the order of their start.
        alive: names of the nodes that live.
        flights: largest number of unanswered shards of any actor.
        on_wait: called before each answer.
    """

    exceptions = SimpleNamespace(
        RayError=RayError,
        RayTaskError=RayTaskError,
        RayActorError=RayActorError,
        ActorUnavailableError=ActorUnavailableError,
        ObjectLostError=ObjectLostError,
        OutOfMemoryError=OutOfMemoryError,
        LocalRayletDiedError=LocalRayletDiedError,
    )

    def __init__(self, *nodes: str) -> None:
        self.names = list(nodes)
        self.alive = dict.fromkeys(nodes, True)
        self.actors: list[Any] = []
        self.calls: deque[tuple[Any, Callable[[], Any]]] = deque()
        self.answers: dict[Any, Any] = {}
        self.flights: Counter[Any] = Counter()
        self.most = 0
        self.on_wait: Callable[[], None] = lambda: None

    def remote(self, kind: type) -> Any:
        return SimpleNamespace(options=lambda **_options: SimpleNamespace(remote=partial_start(self, kind)))

    def put(self, value: Any) -> Any:
        return value

    def nodes(self) -> list[dict[str, Any]]:
        return [{"NodeID": name, "Alive": alive} for name, alive in self.alive.items()]

    def kill(self, actor: Any) -> None:
        actor.dead = actor.dead or RayActorError("killed")

    def wait(self, references: Sequence[Any], num_returns: int, timeout: float) -> tuple[list[Any], list[Any]]:
        del timeout
        if num_returns > 1:
            for reference in references:
                self.wait([reference], 1, 0)
            return list(references), []
        self.on_wait()
        answered = [each for each in references if each in self.answers][:1]
        if answered:
            return answered, [each for each in references if each not in answered]
        for actor, call in [each for each in self.calls if not each[0].late]:
            self.calls.remove((actor, call))
            reference = call()
            if reference in references:
                return [reference], [each for each in references if each != reference]
        return [], list(references)

    def get(self, reference: Any) -> Any:
        answer = self.answers.pop(reference)
        if isinstance(answer, BaseException):
            raise answer
        return answer


def partial_start(ray: FakeRay, kind: type) -> Callable[..., Any]:
    def start(*arguments: Any) -> Any:
        node = ray.names[len(ray.actors) % len(ray.names)]
        actor = Actor(ray, node, kind, arguments)
        ray.actors.append(actor)
        return actor

    return start


class Actor:
    """Handle of an actor; its object is made by the first call."""

    def __init__(self, ray: FakeRay, node: str, kind: type, arguments: tuple[Any, ...]) -> None:
        self.ray, self.node, self.kind, self.arguments = ray, node, kind, arguments
        self.dead: RayError | None = None
        self.late = getattr(kind, "late", "") == node
        self.object: Any = None

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=lambda *arguments: self._call(name, arguments))

    def _call(self, name: str, arguments: tuple[Any, ...]) -> object:
        reference = object()

        def answer() -> object:
            self.ray.flights[self] -= name == "run"
            try:
                if self.object is None and self.dead is None:
                    self.object = self.kind(self.node)
                if self.dead is not None:
                    raise self.dead
                self.ray.answers[reference] = getattr(self.object, name)(*arguments)
            except RayTaskError as error:
                self.ray.answers[reference] = error
            except RayError as error:
                self.dead = error
                self.ray.answers[reference] = error
            return reference

        self.ray.calls.append((self, answer))
        self.ray.flights[self] += name == "run"
        self.ray.most = max(self.ray.most, self.ray.flights[self])
        return reference


class FakeWorker:
    """Worker that predicts ``{"image_id": …}``; derived ones misbehave.

    Attributes:
        seen: cells and images of all shards of all workers, in order; of the class, to be reset by each test.
    """

    seen: list[list[tuple[int, str, int]]]
    late = ""

    def __init__(self, node: str) -> None:
        self.node = node

    def host(self) -> Host:
        return Host(self.node, f"machine-{self.node}", "a processor")

    def prepare(self, studies: Sequence[Any]) -> str:
        del studies
        return ""

    def close(self) -> None:
        pass

    def run(self, shard: Shard) -> Outcome:
        """Predict whatever is asked for."""
        asked = [
            (study, key, image) for study, each in shard.images.items() for image, keys in each.items() for key in keys
        ]
        type(self).seen.append(asked)
        kept = [Kept(study, key, image, b'{"image_id": %d}\n' % image, {}) for study, key, image in asked]
        return Outcome(kept, [], [], 0.001 * len(asked))


@dataclass(frozen=True)
class FakeSample:
    """An image."""

    id: int
    key: str
    path: Path
    bright: Path | None = None


@dataclass(frozen=True)
class FakeCell:
    """A cell."""

    key: str
    model: Any
    sources: tuple[FakeCell, ...] = ()

    @property
    def view(self) -> Any:
        return SimpleNamespace(path=lambda sample: sample.path, key=self.key)


def job(run: Path, images: int, cells: Sequence[str] = ("raw",), *, batch: int = 1, first: int = 1) -> RunJob:
    """An open job on images ``0.png``, …, whose ids begin at ``first``."""
    samples = [FakeSample(first + index, f"{index}.png", run.parent / f"{index}.png") for index in range(images)]
    plan = SimpleNamespace(
        cells=[FakeCell(key, SimpleNamespace(batch=batch)) for key in cells],
        dataset=SimpleNamespace(samples=samples),
        task=SimpleNamespace(kept=lambda _folder, _sample: True),
    )
    made = RunJob(plan, run)  # type: ignore[arg-type]
    made.open()
    return made


def cluster(ray: FakeRay) -> Cluster:
    """The cluster of a fake Ray, with one worker per node."""
    return Cluster(ray, len(ray.names), 1, 0.0)  # type: ignore[arg-type]


class Heard(Progress):
    """Progress that keeps what it hears."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.done: dict[str, tuple[int, ...]] = {}

    def say(self, line: str) -> None:
        self.lines.append(line)

    def images(self, study: str, done: int, total: int, failed: int = 0) -> None:
        self.done[study] = (done, total, failed)
