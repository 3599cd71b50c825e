"""Images that a study still needs, cut into shards for workers; and those that are given up."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

from .job import ImageRef, PendingImage

Entry = Sequence[PendingImage]  # one image, in all studies that need it
_LARGEST = 16  # images of a shard, or some batches
_BATCHES = 4
_SECONDS = 5.0  # that a shard should take, so that a user sees progress and a death costs little
_ROUNDS = 4  # a shard is at most this part of what every worker still has to do
KILLS = 2  # deaths of a worker until the image that was at work is given up
LOSSES = 5  # losses with a node until an image is given up


class Shards:
    """Images that are left, by shards.

    A shard is some images of one group of studies. Its size is a multiple of the models' batch where the limit allows.

    Args:
        groups: images by groups of studies, as of :func:`sgz_bench.benchmarks.executors.job.unfinished`.
        batch: images that a model takes at a time.
        largest: largest size of a shard; None for 16 or a few batches.
    """

    def __init__(self, groups: Sequence[Sequence[Entry]], batch: int, largest: int | None = None) -> None:
        self._new = deque(deque(group) for group in groups if group)
        self._again: deque[Sequence[Entry]] = deque()  # to be repeated, before all others
        self._batch = batch
        self._largest = largest or max(_LARGEST, _BATCHES * batch)
        self._kills: Counter[ImageRef] = Counter()
        self._losses: Counter[ImageRef] = Counter()

    def __bool__(self) -> bool:
        return bool(self._again or self._new)

    def take(self, workers: int, rate: float | None) -> Sequence[Entry]:
        """Take the next shard; empty if nothing is left.

        Args:
            workers: number of workers that share the rest.
            rate: images per second of one worker; None if it is not known yet.
        """
        if self._again:
            return self._again.popleft()
        if not self._new:
            return ()
        group = self._new[0]
        share = sum(map(len, self._new)) // (_ROUNDS * max(workers, 1))
        size = max(min(self._largest, int(_SECONDS * rate) if rate is not None else 1, share), 1)
        batches = max(min(-(-size // self._batch), self._largest // self._batch), 1)
        size = min(batches * self._batch, self._largest, len(group))
        shard = [group.popleft() for _ in range(size)]
        if not group:
            self._new.popleft()
        return shard

    def put_back(self, shards: Sequence[Sequence[Entry]]) -> None:
        """Repeat shards that no worker has begun; they keep their order."""
        self._again.extendleft(reversed([shard for shard in shards if shard]))

    def killed(self, shard: Sequence[Entry]) -> list[Entry]:
        """Repeat a shard that killed its worker, image by image; return the image to give up if it did it again."""
        for entry in shard:
            self._kills[_image(entry)] += 1
        hopeless = list(shard) if len(shard) == 1 and self._kills[_image(shard[0])] >= KILLS else []
        self.put_back([[entry] for entry in shard if entry not in hopeless])
        return hopeless

    def lost(self, shard: Sequence[Entry]) -> list[Entry]:
        """Repeat a shard that was lost with its node; return the images to give up, as they were lost too often."""
        self._losses.update(map(_image, shard))
        hopeless = [entry for entry in shard if self._losses[_image(entry)] >= LOSSES]
        self.put_back([[entry for entry in shard if self._losses[_image(entry)] < LOSSES]])
        return hopeless


def _image(entry: Entry) -> ImageRef:
    return entry[0].sample.path, entry[0].sample.key
