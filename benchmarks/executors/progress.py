"""Observer of an execution: images of each study, workers, and events that a user should know of while they happen."""

from __future__ import annotations


class Progress:
    """Observer that shows nothing; the command line has one that does.

    Its methods are called from the thread that called the executor.
    """

    def images(self, study: str, done: int, total: int, failed: int = 0) -> None:
        """Receive the state of a study, at the start and after every finished image or shard.

        Args:
            study: name of the study, or of a finetuning's model; each is one bar.
            done: images that need no more work, those of earlier runs included.
            total: all images.
            failed: images and cells that failed so far.
        """

    def worker(self, name: str, doing: str | None) -> None:
        """Receive the state of a worker: one line of text, or None if the worker is gone."""

    def say(self, line: str) -> None:
        """Receive an event, such as the loss of a worker, in one line."""
