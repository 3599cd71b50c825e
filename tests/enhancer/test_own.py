"""Enhancers that come from outside: a Python file, a module, a folder of images, and a plugin that is broken."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import read_image, to_tensor, write_image
from sgz_bench.enhancer import create_enhancer

CODE = '''
from sgz_bench.enhancer import Enhancer

class Mine(Enhancer):
    """Brightens by a factor."""
    name = "mine"

    def __init__(self, k: float = 2.0) -> None:
        super().__init__(k=k)
        self.k = k

    def enhance(self, image):
        return image * self.k

class NotOne:
    pass
'''


FAULTS = """
from dataclasses import dataclass
from sgz_bench.enhancer import Enhancer
from sgz_bench.enhancer.classical.tone import Gamma

class Simple(Enhancer):
    name = "simple"
    def enhance(self, image):
        return image

class Anything(Simple):
    def __init__(self, *args, **more):
        super().__init__(**more)

class NoName(Enhancer):
    def enhance(self, image):
        return image

class NoSuper(Simple):
    def __init__(self, k=1):
        self.k = k

@dataclass
class Plain(Simple):
    k: float = 1.0

class Black(Gamma):
    def enhance(self, image):
        return image * 0

class Grey(Gamma):
    def enhance(self, image):
        return image * 0 + 0.5

class Bytes(Simple):
    def enhance(self, image):
        return (image * 255).byte()

class Array(Simple):
    def enhance(self, image):
        return image.numpy()

class Nothing(Simple):
    def enhance(self, image):
        pass
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(CODE)
    return path


def test_a_class_in_a_file_is_an_enhancer_with_its_own_parameters(file: Path) -> None:
    enhancer = create_enhancer(f"{file}:Mine(k=3)")
    assert enhancer(torch.full((1, 3, 2, 2), 0.2)).allclose(torch.tensor(0.6))
    assert enhancer.spec == f"{file}:Mine(k=3)"
    assert create_enhancer(enhancer.spec).fingerprint == enhancer.fingerprint
    assert create_enhancer(f"{file}:Mine").fingerprint != enhancer.fingerprint


def test_other_code_under_the_same_name_is_another_enhancer(file: Path) -> None:
    before = create_enhancer(f"{file}:Mine").fingerprint
    file.write_text(CODE.replace("image * self.k", "image + self.k"))
    assert create_enhancer(f"{file}:Mine").fingerprint != before


def test_a_class_of_a_module_is_an_enhancer(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(file.parent)
    assert create_enhancer("mine:Mine(k=4)").params == {"k": 4}


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delitem(sys.modules, "faults", raising=False)
    path = tmp_path / "faults.py"
    path.write_text(FAULTS)
    return path


def test_what_inherits_a_name_of_the_package_is_not_that_enhancer(
    faults: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(faults.parent)
    specs = ["gamma", "faults:Black", "faults:Grey", f"{faults}:Black"]
    enhancers = [create_enhancer(spec) for spec in specs]
    assert [each.spec.partition("(")[0] for each in enhancers] == specs
    assert len({each.fingerprint for each in enhancers[:3]}) == 3


def test_a_file_that_takes_its_class_from_another_counts_with_it(faults: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(faults.parent)
    front = faults.parent / "front.py"
    prints = []
    for imported, level in (("Grey", 0.5), ("Black", 0.5), ("Grey", 0.6)):
        front.write_text(f"from faults import {imported} as Mine")
        faults.write_text(FAULTS.replace("0 + 0.5", f"0 + {level}"))
        sys.modules.pop("faults", None)
        prints.append(create_enhancer(f"{front}:Mine").fingerprint)
    assert len(set(prints)) == 3


def test_other_code_in_a_module_is_another_enhancer(faults: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(faults.parent)
    before = create_enhancer("faults:Grey").fingerprint
    faults.write_text(FAULTS.replace("0 + 0.5", "0 + 0.6"))
    del sys.modules["faults"]  # as in another process
    assert create_enhancer("faults:Grey").fingerprint != before


def test_a_class_without_a_constructor_has_no_parameters(faults: Path) -> None:
    assert create_enhancer(f"{faults}:Simple").spec == f"{faults}:Simple"


def test_a_class_may_take_any_parameters(faults: Path) -> None:
    assert create_enhancer(f"{faults}:Anything(k=3)").spec == f"{faults}:Anything(k=3)"


@pytest.mark.parametrize(("name", "words"), [("Bytes", "torch.uint8"), ("Array", "ndarray"), ("Nothing", "NoneType")])
def test_what_is_no_float_tensor_is_refused(faults: Path, name: str, words: str) -> None:
    with pytest.raises(UserError, match=f"{name} returned {words}; enhance.image. returns a float tensor"):
        create_enhancer(f"{faults}:{name}")(torch.rand(1, 3, 4, 4))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("{file}:Other", "mine.py has no 'Other'; known: Mine"),
        ("{file}:Mne", "mine.py has no 'Mne'; did you mean 'Mine'"),
        ("{file}:Mine(k=abc)", "k must be a number, not 'abc'"),
        ("{folder}/faults.py:NoSuper", r"does not call super\(\).__init__\(\)"),
        ("{folder}/faults.py:Plain", r"or in __post_init__ of a dataclass"),
        ("{folder}/faults.py:NoName", "sets no name; give it name = 'noname'"),
        ("{folder}/faults.py:Simple(k=1)", "has no parameter 'k'; it takes none"),
        ("{folder}/missing.py:Mine", "there is no file"),
        ("no_such_module:Mine", "ModuleNotFoundError.*write package.module:Class or FILE.py:Class"),
        ("{folder}/broken.py:Mine", "SyntaxError"),
        ("{file}:NotOne", "not a subclass of Enhancer"),
        ("{file}:Mine(j=2)", "has no parameter .j.; known: k"),
        ("folder", "write folder:DIR"),
        ("folder:{folder}/none", "is not a folder"),
        ("folder:{folder}/empty", "holds no image"),
        ("folder:{folder}/twice", "two files for one image"),
    ],
)
def test_what_cannot_be_had_is_one_clear_line(file: Path, spec: str, words: str) -> None:
    folder = file.parent
    (folder / "broken.py").write_text("def :")
    (folder / "faults.py").write_text(FAULTS)
    (folder / "empty").mkdir()
    for suffix in ("png", "jpg"):
        write_image(folder / "twice" / f"a.{suffix}", np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(UserError, match=words) as caught:
        create_enhancer(spec.format(file=file, folder=folder))
    assert "\n" not in str(caught.value)


def test_images_enhanced_elsewhere_are_matched_by_path_and_checked_for_size(tmp_path: Path) -> None:
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    write_image(tmp_path / "out" / "val" / "a.png", image)
    enhancer = create_enhancer(f"folder:{tmp_path / 'out'}")
    dark = np.zeros((2, 4, 3), np.uint8)
    assert np.array_equal(enhancer.enhance_image(dark, "val/a", "cpu"), image)
    assert np.array_equal(enhancer.enhance_image(dark, "a", "cpu"), image)
    assert np.array_equal(enhancer.enhance_image(dark, "set/val/a", "cpu"), image)
    for key in ("val/b", "test/a", "l/a", "aa"):
        with pytest.raises(UserError, match=rf"no image '{key}', but files such as 'val/a'"):
            enhancer.enhance_image(dark, key, "cpu")
    with pytest.raises(UserError, match=r"a\.png is 4×2, its original 2×2"):
        enhancer.enhance_image(dark[:, :2], "val/a", "cpu")
    with pytest.raises(UserError, match="enhanced already"):
        enhancer(to_tensor(dark))
    write_image(tmp_path / "more" / "one" / "a.png", image)
    write_image(tmp_path / "more" / "two" / "a.png", image)
    with pytest.raises(UserError, match="but 2 candidates"):
        create_enhancer(f"folder:{tmp_path / 'more'}").enhance_image(dark, "a", "cpu")
    before = enhancer.fingerprint
    assert create_enhancer(enhancer.spec).fingerprint == before
    write_image(tmp_path / "out" / "val" / "a.png", image + 1)
    assert create_enhancer(enhancer.spec).fingerprint != before
    assert read_image(tmp_path / "out" / "val" / "a.png").max() == 24
