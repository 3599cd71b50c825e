"""Pace of a progress bar: images per second of the last minutes, the time left, and both as text."""

from __future__ import annotations

from collections import deque

_WINDOW = 180.0  # seconds
_SPACING = 1.0  # seconds between two marks, which bounds their number
_FEWEST = 5  # marks that are kept whatever their age: images may take minutes each
_OUTLIER = 5.0  # an interval above the window is a pause if its images took this many times as long as the next ones


class Pace:
    """Rate of the last three minutes, or of the last few images where these take longer.

    Images that were done at the start do not count, nor does a wait before the first image or between two images,
    such as a suspended process, once images are finished again.

    Args:
        done: images done at the start.
        now: time in seconds, as in all methods.
    """

    def __init__(self, done: int, now: float) -> None:
        self._restart(done, now)

    def _restart(self, done: int, now: float) -> None:
        self._first = (now, done)
        self._done = done
        self._marks = deque([self._first])  # times, with the images done by then

    def reach(self, done: int, now: float) -> None:
        """Record the number of images done; a smaller number than before starts the measurement again."""
        if done < self._done:
            self._restart(done, now)
        self._done = done
        time, before = self._marks[-1]
        if done > before and now - time >= _SPACING:
            self._marks.append((now, done))
            self._forget_pause()

    def _forget_pause(self) -> None:
        """Drop all marks before a pause."""
        if len(self._marks) < 3:
            return
        (begin, first), (pause, second), (end, third) = (self._marks[place] for place in (-3, -2, -1))
        waited, normal = (pause - begin) / (second - first), (end - pause) / (third - second)
        if pause - begin > _WINDOW and waited > _OUTLIER * normal:
            while len(self._marks) > 2:
                self._marks.popleft()

    def rate(self, now: float) -> float:
        """Return images per second; 0.0 before the first image."""
        while len(self._marks) > _FEWEST and self._marks[1][0] <= now - _WINDOW:
            self._marks.popleft()
        time, done = self._marks[0]
        return (self._done - done) / (now - time) if now > time else 0.0

    def mean(self, now: float) -> float:
        """Return images per second since the start."""
        time, done = self._first
        return (self._done - done) / (now - time) if now > time else 0.0


def rate_text(rate: float, unit: str = "images") -> str:
    """Return ``2.1 images/s``, per minute or hour where that is fewer than one; empty for a rate of 0."""
    if rate <= 0:
        return ""
    for seconds, name in ((1, "s"), (60, "min")):
        if rate * seconds >= 0.95:
            return f"{rate * seconds:.1f} {unit}/{name}"
    return f"{rate * 3600:.1f} {unit}/h"


def duration_text(seconds: float) -> str:
    """Return ``45 s``, ``12 min``, ``3 h 20 min`` or ``2.5 days``."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes / 1440:.1f} days"
