"""Fixtures that several areas share."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch: idle threads shall not use up the processor

import numpy as np
import pytest
import torch
from PIL import Image

Pair = tuple[np.ndarray, np.ndarray]
ROOT = Path(__file__).parents[1]
SESSION = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Give the session a home of its own, before any module is imported that reads one.

    Compiled kernels stay in the repository's ``.pytest_cache``: their folder is named after the sources.
    """
    folder = Path(tempfile.mkdtemp(prefix="sgz-bench-tests-"))
    config.stash[SESSION] = folder
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    os.environ.setdefault("PYTHONUSERBASE", str(Path("~/.local").expanduser()))  # packages installed with --user
    home = folder / "home"
    home.mkdir()
    os.environ |= {
        "HOME": str(home),
        "SGZ_BENCH_CACHE": str(folder / "cache"),
        "MPLCONFIGDIR": str(folder / "matplotlib"),
        "NUMBA_CACHE_DIR": os.environ.get("NUMBA_CACHE_DIR") or str(ROOT / ".pytest_cache" / "numba"),
    }
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        os.environ.pop(name, None)


def pytest_collection_finish() -> None:
    """Exempt what imports have made from garbage collection, which measuring memory asks for many times."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    gc.unfreeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the tests that took over two seconds and are not marked ``slow``."""
    for report in terminalreporter.getreports("passed"):
        if report.when == "call" and report.duration > 2 and "slow" not in report.keywords:
            terminalreporter.write_line(f"{report.duration:.1f} s and not marked slow: {report.nodeid}")


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_written_to_the_users_cache(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    cache = request.config.stash[SESSION] / "home" / ".cache" / "sgz-bench"
    assert not cache.exists(), f"a test wrote {sorted(path.name for path in cache.iterdir())} to ~/.cache/sgz-bench"


@pytest.fixture(scope="session", autouse=True)
def _costs_are_measured_once() -> Iterator[None]:
    """Measure the time of an enhancer and of a model by one repetition, since no test compares times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sgz_bench.benchmarks.analyses.costs._REPEATS", (1, 1))
        yield


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder of real images and checkpoints (``data/``, ``weights/``, ``reference/``); skips where it is absent."""
    folder = os.environ.get("SGZ_BENCH_TEST_ASSETS")
    if not folder or not Path(folder).is_dir():
        pytest.skip("SGZ_BENCH_TEST_ASSETS names no folder")
    return Path(folder)


@pytest.fixture(autouse=True)
def threads_stay_as_they_are() -> Iterator[None]:
    """How many threads compute decides the last bits of what later tests compare."""
    before = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")
    yield
    assert (torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")) == before


@pytest.fixture
def halves() -> list[Pair]:
    """Six 48×64 images, dark at the left (class 0) and light at the right (class 1), with an unlabelled top."""
    rng = np.random.default_rng(0)
    pairs = []
    for index in range(6):
        edge = 24 + 3 * index
        labels = np.zeros((48, 64), np.uint8)
        labels[:, edge:] = 1
        image = (40 + 150 * labels[..., None] + rng.integers(0, 20, (48, 64, 3))).astype(np.uint8)
        labels[:6] = 255
        pairs.append((image, labels))
    return pairs


@pytest.fixture
def camvid_folder(tmp_path: Path, halves: list[Pair]) -> Path:
    """Those images as a CamVid of Sky and Building with two splits."""
    root = tmp_path / "camvid"
    for split, chosen in (("train", halves[:4]), ("test", halves[4:])):
        for index, (image, labels) in enumerate(chosen):
            for folder, pixels in ((split, image), (f"{split}annot", np.where(labels == 255, 11, labels))):
                (root / folder).mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels.astype(np.uint8)).save(root / folder / f"street_{index}.png")
    return root


Student = Callable[..., tuple[float, float, float]]


@pytest.fixture(scope="session")
def student() -> Student:
    """Interval and p of a difference, written out from its resamples and its values without each image."""
    from scipy.stats import t

    def bounds(
        whole: float, resampled: Sequence[float], without: Sequence[float], images: int | None = None
    ) -> tuple[float, float, float]:
        count = len(without) if images is None else images
        squares = [(each - whole) ** 2 for each in without]
        jackknife = sum(squares) * (count - 1) / count
        error = ((jackknife + np.var(resampled, ddof=1)) / 2) ** 0.5
        deciding = 3 * sum(squares) ** 2 / sum(square**2 for square in squares)
        law = t(max(min(count, deciding) - 1, 1))
        half = law.ppf(0.975) * error
        return whole - half, whole + half, max(2 * law.sf(abs(whole) / error), 2 / 2**count)

    return bounds
