"""Simulated workers of the executor ray: each sleeps as long as a real one would compute, and answers as much.

They import neither PyTorch nor the studies, so 64 of them fit on a small machine.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sgz_bench.benchmarks.executors.messages import Host, Kept, Outcome, Shard


class Work(NamedTuple):
    """Simulated study.

    Attributes:
        seconds: time that a cell takes per image.
        line: line of the log after the image's id.
        label_map: file that comes with each prediction; empty for none.
        keys: image id → key of the image.
    """

    seconds: float
    line: bytes
    label_map: bytes
    keys: Mapping[int, str]


class Sleeper:
    """Actor that sleeps; its arguments and methods are those of the executor's own worker."""

    def __init__(self, threads: int, device: str, folder: str, path: Sequence[str]) -> None:
        del threads, device, folder, path
        self._studies: Sequence[Work] = ()

    def host(self) -> Host:
        """Return where this worker runs."""
        import ray

        return Host(ray.get_runtime_context().get_node_id(), f"{socket.gethostname()}:{os.getpid()}", "simulated")

    def prepare(self, studies: Sequence[Work]) -> str:
        """Take the studies."""
        self._studies = studies
        return ""

    def run(self, shard: Shard) -> Outcome:
        """Sleep for all cells of all images; return a prediction for each."""
        began = time.monotonic()
        time.sleep(sum(self._studies[number].seconds * len(cells)
                       for number, images in shard.images.items() for cells in images.values()))  # fmt: skip
        kept = []
        for number, images in shard.images.items():
            work = self._studies[number]
            for image, cells in images.items():
                for cell in cells:
                    line = b'{"image_id": %d, ' % image + work.line
                    # A copy per prediction: pickle would send one object once.
                    files = {f"labels/{work.keys[image]}.png": bytes(bytearray(work.label_map))}
                    kept.append(Kept(number, cell, image, line, files if work.label_map else {}))
        return Outcome(kept, [], [], time.monotonic() - began)

    def close(self) -> None:
        """Do nothing: there are no files."""
