"""Spec strings and registries."""

from __future__ import annotations

import pytest

from sgz_bench.core.errors import UserError
from sgz_bench.core.registry import Registry, suggest
from sgz_bench.core.specs import Spec, canonical, parse_spec, split_list


def test_a_spec_is_a_name_and_typed_values() -> None:
    spec = parse_spec("sgz( scale=12, weights=a/b.pth,flag=true, rate=0.5 )")
    assert spec.name == "sgz"
    assert spec.kwargs == {"scale": 12, "weights": "a/b.pth", "flag": True, "rate": 0.5}


def test_equal_specs_have_one_text() -> None:
    assert (
        str(parse_spec("clahe(tiles=8, clip=2.0)"))
        == str(parse_spec("clahe(clip=2,tiles=8.0)"))
        == "clahe(clip=2,tiles=8)"
    )
    assert str(parse_spec("raw()")) == "raw"
    assert canonical(["raw", "clahe(clip=2.0)", "clahe(clip=2)"]) == ["raw", "clahe(clip=2)"]


def test_the_text_of_a_spec_reads_back_as_the_same_spec() -> None:
    for spec in (Spec.of("a", {}), Spec.of("a", {"x": 0.1, "y": True, "z": "w.pth", "n": -3})):
        assert parse_spec(str(spec)) == spec


@pytest.mark.parametrize(
    ("text", "name", "args"),
    [
        ("yolov8n (1).onnx", "yolov8n (1).onnx", {}),
        ("a (1) (2).pt( conf=0.1 )", "a (1) (2).pt", {"conf": 0.1}),
        ("onnx:Downloads (2)/f.onnx(layout=yolov8)", "onnx:Downloads (2)/f.onnx", {"layout": "yolov8"}),
    ],
)
def test_paths_may_have_parentheses_as_browsers_write_them(text: str, name: str, args: dict[str, object]) -> None:
    spec = parse_spec(text)
    assert (spec.name, spec.kwargs) == (name, args)
    assert parse_spec(str(spec)) == spec


def test_a_path_that_ends_in_parentheses_needs_a_slash() -> None:
    with pytest.raises(
        UserError, match=r"'1' in 'folder:out \(1\)' is not a parameter; write key=value, or a / behind"
    ):
        parse_spec("folder:out (1)")
    assert parse_spec("folder:out (1)/") == Spec.of("folder:out (1)/", {})


def test_commas_inside_parentheses_belong_to_the_spec() -> None:
    assert split_list("raw, clahe(clip=2,tiles=8),,gamma") == ["raw", "clahe(clip=2,tiles=8)", "gamma"]


@pytest.mark.parametrize("text", ["", "(x=1)", "a(x)", "a(=1)", "a(x=1,x=2)", "a(x=1", "a)x("])
def test_what_is_no_spec_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        parse_spec(text)


@pytest.mark.parametrize("text", ["a(b", "a)b("])
def test_parentheses_must_pair(text: str) -> None:
    with pytest.raises(UserError, match="are not balanced"):
        split_list(text)


def test_a_registry_imports_on_first_use_and_suggests() -> None:
    registry: Registry[object] = Registry("thing", {"square-root": "math:sqrt", "broken": "no_such_module:x"})
    assert registry.load("square-root") is __import__("math").sqrt
    with pytest.raises(UserError, match="unknown thing 'squareroot'; did you mean 'square-root'"):
        registry.load("squareroot")
    with pytest.raises(ModuleNotFoundError):
        registry.load("broken")


def test_a_broken_plugin_is_a_named_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import EntryPoint

    point = EntryPoint("mine", "no_such_module:Mine", "group")
    monkeypatch.setattr("sgz_bench.core.registry.entry_points", lambda **_: [point])
    registry: Registry[object] = Registry("thing", {"square-root": "math:sqrt"}, group="group")
    with pytest.warns(UserWarning, match="'mine'.*no_such_module"):
        assert list(registry.loaded()) == ["square-root"]
    with pytest.raises(UserError, match="plugin thing 'mine'"):
        registry.load("mine")


@pytest.mark.filterwarnings("error")
def test_a_plugin_is_found_in_any_of_several_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import EntryPoint

    points = [
        EntryPoint("root", "math:sqrt", "present"),
        EntryPoint("root", "math:sqrt", "former"),  # a package that serves both names: no clash
        EntryPoint("exponential", "math:exp", "former"),
    ]
    monkeypatch.setattr(
        "sgz_bench.core.registry.entry_points", lambda group: [point for point in points if point.group == group]
    )
    registry: Registry[object] = Registry("thing", {}, group=("present", "former"))
    assert registry.targets() == {"exponential": "math:exp", "root": "math:sqrt"}
    assert registry.load("exponential") is __import__("math").exp


def test_of_two_groups_the_first_wins_and_a_clash_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import EntryPoint

    points = {"present": "math:sqrt", "former": "math:exp"}
    monkeypatch.setattr(
        "sgz_bench.core.registry.entry_points", lambda group: [EntryPoint("mine", points[group], group)]
    )
    registry: Registry[object] = Registry("thing", {}, group=("present", "former"))
    with pytest.warns(UserWarning, match=r"'mine' \(math:exp\) is not used"):
        assert registry.targets() == {"mine": "math:sqrt"}


def test_few_names_are_listed_when_none_is_near() -> None:
    assert suggest("zzz", ["raw", "he"]) == "; known: raw, he"
