"""Progress on stderr: bars in a terminal, lines without one, JSON; rates by a clock that the tests move."""

from __future__ import annotations

import io
import json
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from sgz_bench.__main__ import app
from sgz_bench.cli.logs import JsonLog, JsonStderr, TextLog
from sgz_bench.cli.pace import Pace, duration_text, rate_text
from sgz_bench.cli.progress import Watch, progress_bar, watched

NEVER = 3600.0  # seconds between the beats of a timer that a test does not need


class Clock:
    """Time in seconds that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Log:
    """A watch with a log of text or JSON, and what the log holds."""

    def __init__(self, view: Callable[[Any], TextLog | JsonLog]) -> None:
        self.clock, self.stream = Clock(), io.StringIO()
        self.watch = Watch(self.clock)
        self.watch.view = view(self.stream)

    def after(self, seconds: float) -> None:
        self.clock.now += seconds

    def read(self) -> list[str]:
        """Take the lines since the last call."""
        lines = self.stream.getvalue().splitlines()
        self.stream.seek(0)
        self.stream.truncate()
        return lines

    def texts(self) -> list[str]:
        """Take the lines since the last call, without their time."""
        stamped = [re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (.+)", line) for line in self.read()]
        return [line[1] if line else "no time" for line in stamped]

    def objects(self) -> list[dict[str, Any]]:
        """Take the objects since the last call, without their time."""
        objects = [json.loads(line) for line in self.read()]
        for each in objects:
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", each.pop("time"))
        return objects


@pytest.fixture
def text() -> Log:
    return Log(TextLog)


@pytest.fixture
def objects() -> Log:
    return Log(JsonLog)


def pace(*steps: tuple[float, int], done: int = 0) -> tuple[Pace, float]:
    """Return the pace after steps of (seconds, images), and the time."""
    made, now = Pace(done, 0.0), 0.0
    for seconds, images in steps:
        now, done = now + seconds, done + images
        made.reach(done, now)
    return made, now


@pytest.mark.parametrize(
    ("steps", "rate"),
    [
        ([(2, 1)] * 600, 0.5),
        ([(0.01, 1)] * 500, 100.0),  # marks are further apart than images
        ([(1, 8)] * 600 + [(1, 2)] * 200, 2.0),  # the last minutes count
        ([(300, 1)] * 8, 1 / 300),  # an image takes longer than the window
        ([(36000, 1)] + [(2, 1)] * 5, 0.5),  # a study waits for another one
        ([(2, 1)] * 600 + [(36000, 1)] + [(2, 1)] * 3, 0.5),  # a suspended process
        ([(300, 1)] * 8 + [(36000, 1)] + [(300, 1)] * 2, 1 / 300),
        ([], 0.0),
    ],
)
def test_rate_of_the_last_minutes(steps: list[tuple[float, int]], rate: float) -> None:
    measured, now = pace(*steps)
    assert measured.rate(now) == pytest.approx(rate, rel=0.02)
    resumed, now = pace(*steps, done=5000)
    assert resumed.rate(now) == pytest.approx(rate, rel=0.02)


def test_rate_falls_while_no_image_is_finished() -> None:
    measured, now = pace(*[(1, 2)] * 100)
    rates = [measured.rate(now + wait) for wait in (0, 30, 300, 3000)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.01


def test_fewer_images_than_before_measure_anew() -> None:
    measured, now = pace((10, 100), (10, 100))
    measured.reach(0, now)
    assert measured.rate(now + 10) == 0
    measured.reach(10, now + 20)
    assert measured.rate(now + 20) == 0.5


def test_rates_and_durations_as_text() -> None:
    assert [rate_text(rate) for rate in (0, 234.5, 0.96, 0.5, 1 / 300)] == [
        "", "234.5 images/s", "1.0 images/s", "30.0 images/min", "12.0 images/h",
    ]  # fmt: skip
    assert [duration_text(seconds) for seconds in (0, 99, 100, 5940, 12000, 216000)] == [
        "0 s", "99 s", "2 min", "99 min", "3 h 20 min", "2.5 days",
    ]  # fmt: skip


def test_a_line_per_unfinished_study_with_its_own_rate_and_time_left(text: Log) -> None:
    watch = text.watch
    watch.images("exdark", 1000, 4000)  # resumed
    watch.images("acdc", 0, 60)
    for worker in range(8):
        watch.worker(f"gpu-{worker}", "exdark")
    for second in range(1, 31):
        text.after(1)
        watch.images("exdark", 1000 + 2 * second, 4000, 3)
        watch.images("acdc", second, 60)
    assert text.texts() == []  # nothing before the first interval
    watch.beat()
    assert text.texts() == [
        "progress: exdark: 1060 of 4000 images, 2.0 images/s, 24 min left, 3 failed, 8 workers",
        "progress: acdc: 30 of 60 images, 1.0 images/s, 30 s left, 8 workers",
    ]


def test_the_end_of_a_study_is_one_line(text: Log) -> None:
    watch = text.watch
    watch.images("exdark", 0, 200)
    watch.images("acdc", 0, 60)
    watch.beat()
    text.texts()
    text.after(60)
    watch.images("acdc", 60, 60, 1)
    text.after(20)
    watch.images("exdark", 80, 200)
    watch.beat()
    assert text.texts() == [
        "progress: exdark: 80 of 200 images, 1.0 images/s, 2 min left",
        "progress: acdc: 60 of 60 images in 60 s, 1.0 images/s, 1 failed",
    ]
    text.after(20)
    watch.images("exdark", 200, 200)
    watch.beat()
    assert text.texts() == ["progress: exdark: 200 of 200 images in 2 min, 2.0 images/s"]
    watch.beat()  # scoring and analyses take their time
    assert text.texts() == ["progress: 2 studies: all images done, finishing"]
    watch.close()
    assert text.texts() == []


def test_an_interrupted_study_ends_with_what_it_has(text: Log) -> None:
    text.watch.images("exdark", 100, 200)
    text.after(30)
    text.watch.images("exdark", 130, 200)
    text.watch.beat()
    text.watch.close()
    assert text.texts()[-1] == "progress: exdark: 130 of 200 images in 30 s, 1.0 images/s"


@pytest.mark.parametrize(("done", "total"), [(0, 200), (200, 200), (0, 0)])
def test_a_short_run_is_silent(text: Log, done: int, total: int) -> None:
    text.watch.images("exdark", done, total)
    text.watch.images("exdark", total, total)
    text.watch.close()
    assert text.read() == []


def test_work_after_the_last_image_is_not_silent(text: Log) -> None:
    text.watch.images("exdark", 200, 200)
    text.watch.beat()
    assert text.texts() == ["progress: exdark: all images done, finishing"]


def test_events_come_at_once_in_one_plain_line(text: Log) -> None:
    text.watch.say("worker gpu-1 is lost\x1b[31m\r\nits shard is done elsewhere")
    (line,) = text.texts()
    assert line == "event: worker gpu-1 is lost\\x1b[31m  its shard is done elsewhere"


def test_a_slow_first_image_is_not_silent(text: Log) -> None:
    with text.watch.bar("clahe"):
        text.watch.beat()
        assert text.texts() == ["progress: clahe: 0 of ? images"]


def test_bars_at_the_same_time_each_with_its_end(text: Log) -> None:
    with text.watch.bar("gamma: seed 0", "steps") as first:
        with text.watch.bar("gamma: seed 1", "steps") as second:
            first(0, 100, "loss 0.5")
            second(0, 100)
            text.after(10)
            first(20, 100, "loss 0.4")
            text.watch.beat()
            assert text.texts() == [
                "progress: gamma: seed 0: 20 of 100 steps, 2.0 steps/s, 40 s left, loss 0.4",
                "progress: gamma: seed 1: 0 of 100 steps",
            ]
            second(100, 100)
        assert text.texts() == ["progress: gamma: seed 1: 100 of 100 steps in 10 s, 10.0 steps/s"]
        text.watch.beat()
        assert len(text.texts()) == 1
    assert [bar.study for bar in text.watch.state()[0]] == []


def test_objects_with_all_facts_at_the_start_at_intervals_and_at_the_end(objects: Log) -> None:
    watch = objects.watch
    watch.images("exdark", 1000, 4000)
    facts = {
        "event": "progress", "study": "exdark", "unit": "images", "done": 1000, "total": 4000, "failed": 0,
        "rate": None, "seconds_left": None, "seconds": 0.0, "workers": 0, "label": "",
    }  # fmt: skip
    assert objects.objects() == [facts]
    objects.after(30)
    watch.images("exdark", 1060, 4000, 3)
    assert objects.read() == []
    watch.beat()
    later = facts | {"done": 1060, "failed": 3, "rate": 2.0, "seconds_left": 1470, "seconds": 30.0}
    assert objects.objects() == [later]
    watch.say("a note")
    assert objects.objects() == [{"event": "note", "text": "a note"}]
    watch.images("exdark", 4000, 4000, 3)
    watch.close()
    (end,) = objects.objects()
    assert end == later | {"event": "end", "done": 4000, "rate": 100.0, "seconds_left": 0}


def test_objects_of_workers(objects: Log) -> None:
    watch = objects.watch
    watch.worker("gpu-0", "starting")
    assert objects.objects() == [{"event": "worker", "worker": "gpu-0", "doing": "starting"}]
    watch.worker("gpu-0", "shard 1")
    watch.worker("gpu-0", "shard 2")
    watch.worker("gpu-1", None)  # not known
    assert objects.read() == []  # changes come at intervals
    watch.beat()
    assert objects.objects() == [{"event": "worker", "worker": "gpu-0", "doing": "shard 2"}]
    watch.beat()
    assert objects.read() == []
    watch.worker("gpu-0", None)
    assert objects.objects() == [{"event": "worker", "worker": "gpu-0", "doing": None}]


def test_nothing_is_shown_after_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    for as_json in (False, True):
        with watched(log_json=as_json, interval=0.005) as progress:
            progress.images("exdark", 0, 10)
            time.sleep(0.05)
        assert capsys.readouterr().err
        progress.images("exdark", 1, 10)
        progress.images("other", 1, 10)
        progress.worker("gpu-0", "shard")
        progress.say("late")
        progress.beat()
        time.sleep(0.02)
        assert capsys.readouterr().err == ""
    assert not [each for each in threading.enumerate() if each.name == "progress"]


def test_a_stuck_image_does_not_silence_the_timer(capsys: pytest.CaptureFixture[str]) -> None:
    with watched(interval=0.01) as progress:
        progress.images("exdark", 3, 10)
        time.sleep(0.1)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) > 2
    assert all(line.partition(" progress: ")[2].startswith("exdark: 3 of 10 images") for line in lines)


def test_many_calls_from_many_threads_are_fast_and_complete() -> None:
    with watched(interval=0.01) as progress:
        began = time.perf_counter()

        def count(study: str) -> None:
            for done in range(2501):
                progress.images(study, done, 2500)

        threads = [threading.Thread(target=count, args=(f"study {number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - began
        assert all(bar.finished for bar in progress.state()[0])
    assert seconds < 1


def test_ctrl_c_is_one_line_and_code_130(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt() -> None:
        with watched(interval=NEVER) as progress:
            progress.images("exdark", 3, 10)
            raise KeyboardInterrupt

    with pytest.raises(typer.Exit) as exit_:
        interrupt()
    assert exit_.value.exit_code == 130
    assert capsys.readouterr().err == "interrupted; finished work is kept, repeat the command to resume\n"


def test_a_log_that_cannot_be_written_does_not_stop_the_work(text: Log) -> None:
    text.stream.close()
    text.watch.images("exdark", 0, 10)
    text.watch.beat()
    text.watch.say("an event")
    text.watch.close()


def test_stderr_as_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", JsonStderr(stream))
    print("note: é", "second", sep="\n", file=sys.stderr)
    print("half", end="", file=sys.stderr)
    typer.echo(" a line\n\nerror: no such file", err=True)
    with progress_bar("rendering", "frames") as update:
        update(0, 4)
    objects = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(each["event"], each.get("text")) for each in objects] == [
        ("note", "note: é"), ("note", "second"), ("note", "half a line"), ("error", "error: no such file"),
        ("progress", None), ("end", None),
    ]  # fmt: skip
    assert stream.getvalue().isascii()


def test_every_line_of_a_command_with_log_json_is_an_object(tmp_path: Path) -> None:
    for name in ("a", "b"):
        Image.fromarray(np.full((8, 8, 3), 40, np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "c.png").write_bytes(b"broken")
    arguments = ["enhance", str(tmp_path), "--enhancer", "gamma", "--out", str(tmp_path / "out"), "--log-json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert result.stdout.startswith("2 enhanced, 0 skipped, 1 failed")
    objects = [json.loads(line) for line in result.stderr.splitlines()]
    assert [each["event"] for each in objects] == ["progress", "end", "note"]
    assert [objects[1][key] for key in ("study", "done", "total", "failed")] == ["gamma", 3, 3, 1]
    assert objects[2]["text"].startswith("failed: ")
    missing = CliRunner().invoke(app, ["enhance", str(tmp_path), "--log-json"])
    assert missing.exit_code == 2
    assert all(json.loads(line)["event"] == "note" for line in missing.stderr.splitlines())


def test_bars_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for variable in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in (("TERM", "xterm"), ("COLUMNS", "100"), ("LINES", "12")):
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(sys, "stderr", Terminal())
    with watched(interval=NEVER) as progress:
        terminal = progress.view._console.file  # type: ignore[attr-defined]
        progress.images("exdark", 37, 240, 2)
        progress.images("empty", 0, 0)
        for worker in range(30):
            progress.worker(f"gpu-{worker}", f"exdark[/], shard {worker}")
        progress.say("worker gpu-99 is lost")
        progress.view._live.refresh()  # type: ignore[attr-defined]
        shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    last = shown[shown.rindex("exdark ") :]
    assert "worker gpu-99 is lost\n" in shown
    assert re.match(r"exdark +\S+ +37/240 +2 failed", last)
    assert "gpu-7: exdark[/], shard 7" in shown
    assert "… 22 more workers" in shown
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with watched(interval=NEVER) as progress:
        assert isinstance(progress.view, TextLog)
