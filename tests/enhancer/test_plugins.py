"""Plugins as they are installed: what is broken is named in one line, and the rest goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sgz_bench.__main__ import app
from sgz_bench.core.errors import PluginWarning, UserError
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.catalog import ENHANCERS

CODE = """
from sgz_bench.enhancer import Enhancer

class Mine(Enhancer):
    name = "mine"
    def enhance(self, image):
        return image * 2

class Failing(Mine):
    '''Never is there.'''
    name = "failing"
    def __init__(self):
        raise FileNotFoundError("my weights\\nare gone")

def no_class(): ...

def load_badly(root, split, limit=None):
    raise KeyError("labels")

def load_other(root=None, split=None, limit=None):
    return [1]

def load_numbered(root=None, split=None, limit=None, *, first=0, step=1):
    from pathlib import Path
    import numpy as np
    from sgz_bench.tasks.detection.types import DetectionDataset, Sample, Truth
    truth = Truth(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0), np.zeros(0, bool))
    samples = (Sample(first + step * n, str(n), Path("x.png"), 9, 9, truth) for n in range(3))
    return DetectionDataset("numbered", "test", ("thing",), tuple(samples))
"""
ENTRY_POINTS = """
[sgz_bench.enhancers]
mine = my_plugin:Mine
other-name = my_plugin:Mine
failing = my_plugin:Failing
absent = my_plugin:Absent
leaves = my_leaving_plugin:Mine
function = my_plugin:no_class
gamma = my_plugin:Mine

[sgz_bench.datasets]
bad-set = my_plugin:load_badly
numbered = my_plugin:load_numbered

[sgz_bench.detection_datasets]
other-set = my_plugin:load_other
numbered = my_plugin:load_numbered
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds an installed distribution, on the path."""
    (tmp_path / "my_plugin.py").write_text(CODE)
    (tmp_path / "my_leaving_plugin.py").write_text("raise SystemExit('needs a licence')")
    metadata = tmp_path / "my_plugin-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-plugin\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_plugin", raising=False)
    return tmp_path


def test_a_list_warns_of_each_broken_plugin_once_and_shows_the_others(installed: Path) -> None:
    path = os.pathsep.join([str(installed), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "sgz_bench", "list", "enhancers"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": path})
    names = [line.partition("(")[0].strip() for line in done.stdout.splitlines()]
    assert {"clahe", "mine", "sgz"} <= set(names)
    assert not {"absent", "leaves", "function"} & set(names)
    assert sorted(done.stderr.splitlines()) == [
        "warning: plugin enhancer 'absent' (my_plugin:Absent) cannot be imported: "
        "AttributeError: module 'my_plugin' has no attribute 'Absent'",
        "warning: plugin enhancer 'function' (my_plugin:no_class) is not a subclass of Enhancer; "
        "derive it from sgz_bench.enhancer.base:Enhancer",
        "warning: plugin enhancer 'gamma' (my_plugin:Mine) is not used, as sgz_bench.enhancer.classical.tone:Gamma "
        "has that name; rename its entry point",
        "warning: plugin enhancer 'leaves' (my_leaving_plugin:Mine) cannot be imported: SystemExit: needs a licence",
    ]


@pytest.mark.filterwarnings("ignore::sgz_bench.core.errors.PluginWarning")
@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("absent", "plugin enhancer 'absent' .*cannot be imported: AttributeError"),
        ("leaves", "cannot be imported: SystemExit: needs a licence"),
        ("function", "is not a subclass of"),
        ("failing", "failing: FileNotFoundError: my weights are gone"),
        ("absnt", "did you mean 'absent'"),
    ],
)
def test_using_a_broken_plugin_is_one_error_line(spec: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        create_enhancer(spec)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::sgz_bench.core.errors.PluginWarning")
@pytest.mark.usefixtures("installed")
def test_a_plugin_is_called_as_its_entry_point_whatever_its_class_says() -> None:
    assert create_enhancer("other-name").spec == "other-name"


@pytest.mark.usefixtures("installed")
def test_a_plugin_never_takes_the_place_of_a_built_in_name() -> None:
    with pytest.warns(PluginWarning, match=r"'gamma' \(my_plugin:Mine\) is not used"):
        assert ENHANCERS.load("gamma").__module__ == "sgz_bench.enhancer.classical.tone"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bad-set", "--root", "."], "bad-set: KeyError: 'labels'"),
        (["bad-set"], "bad-set needs --root"),
        (["numbered"], "numbered has an image with an id below 1; number them from 1"),
        (["numbered(step=0)"], "numbered has several images with the id 0; make it unique"),
        (["other-set"], "the loader of other-set returned a list, not a DetectionDataset"),
    ],
)
def test_a_data_set_that_fails_is_one_error_line(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(app, ["data", "check", "--dataset", *arguments])
    assert isinstance(result.exception, UserError)
    assert words in str(result.exception)
