"""Strategies that damage a valid document: nodes of JSON and YAML, text in several encodings, bytes."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import yaml
from hypothesis import strategies as st

NASTY = (
    *("nan", "-inf", "1e999", "-1", "0", "1.0", '"1"', "1_0", "0x10", "٣", "9" * 5000, "1e400", "true", "null", "~"),
    *("", " ", "\t", ",", ";", "\n", "\r", "\0", "\ufeff", "\u2028", "é", "e\u0301", "\ud7ff", "%", "%%", "#", "\\"),
    *(
        "/",
        "..",
        "../../../etc/passwd",
        "/dev/zero",
        "~root",
        "C:\\x",
        "$HOME",
        "{split}",
        "{",
        "}",
        "[",
        "]",
        "()",
        "(",
    ),
    *(
        "- ",
        ": ",
        "? ",
        "!!python/object:os.system x",
        "*a",
        "&a [*a]",
        "<<: *a",
        "<",
        ">",
        "&lt;",
        "&x;",
        "<!DOCTYPE a>",
    ),
    *("<object/>", "]]>", "__class__", "=", "a=b", "(weights=", "|", "'", "\N{RIGHT-TO-LEFT OVERRIDE}"),
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 300),
    st.sampled_from([2**31, -(2**63), 2**70, 10**400, 1.5, -0.0, 1e308, float("nan"), float("inf")]),
    st.sampled_from(NASTY),
    st.sampled_from([[], {}, [[]], [None], [1, 2, 3], {"a": 1}, [{}], [1, 2, 3, 4], ["x"] * 5]),
)


def mutated_tree(tree: Any) -> st.SearchStrategy[Any]:
    """Replace, remove, repeat or rename one to four nodes of a JSON document."""

    @st.composite
    def edit(draw: Callable[..., Any]) -> Any:
        document = copy.deepcopy(tree)
        for _ in range(draw(st.integers(1, 4))):
            nodes = list(_places(document))
            if not nodes:
                return copy.deepcopy(draw(VALUES))
            parent, key = draw(st.sampled_from(nodes))
            operation = draw(st.sampled_from(["replace", "replace", "remove", "repeat", "rename"]))
            if operation == "replace":
                parent[key] = copy.deepcopy(draw(VALUES))
            elif operation == "remove":
                del parent[key]
            elif operation == "repeat" and isinstance(parent, list):
                parent.append(copy.deepcopy(parent[key]))
            elif isinstance(parent, dict):
                parent[draw(st.sampled_from([*NASTY, str(key).upper()]))] = parent[key]
        return document

    return edit()


def _places(node: Any) -> Any:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in items:
        yield node, key
        yield from _places(child)


def mutated_text(text: str) -> st.SearchStrategy[bytes]:
    """Insert, overwrite, cut or repeat parts of a text, and encode it in one of several ways."""

    @st.composite
    def edit(draw: Callable[..., Any]) -> bytes:
        changed = text
        for _ in range(draw(st.integers(1, 5))):
            begin = draw(st.integers(0, len(changed)))
            end = min(begin + draw(st.integers(0, 12)), len(changed))
            part = draw(st.one_of(st.sampled_from(NASTY), st.just(changed[begin:end] * 2), st.text(max_size=4)))
            changed = changed[:begin] + part + changed[end:]
        encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"]))
        return changed.encode(encoding, errors="replace")

    return edit()


def mutated_bytes(data: bytes) -> st.SearchStrategy[bytes]:
    """Change, cut or repeat bytes."""

    @st.composite
    def edit(draw: Callable[..., Any]) -> bytes:
        changed = bytearray(data)
        for _ in range(draw(st.integers(1, 6))):
            begin = draw(st.integers(0, len(changed)))
            end = min(begin + draw(st.sampled_from([0, 1, 1, 2, 4, 50])), len(changed))
            changed[begin:end] = draw(st.one_of(st.binary(max_size=4), st.just(bytes(changed[begin:end] * 2))))
        return bytes(changed[: draw(st.sampled_from([None, None, None, len(changed) // 2, 10, 0]))])

    return edit()


def as_json(tree: Any) -> st.SearchStrategy[bytes]:
    whole = mutated_tree(tree).map(lambda document: json.dumps(document, ensure_ascii=False).encode("utf-8", "replace"))
    return st.one_of(whole, whole, mutated_text(json.dumps(tree)))


def as_yaml(tree: Any) -> st.SearchStrategy[bytes]:
    whole = mutated_tree(tree).map(lambda document: yaml.safe_dump(document, allow_unicode=True).encode())
    return st.one_of(whole, mutated_text(yaml.safe_dump(tree, sort_keys=False)))


FORMS: dict[str, tuple[Callable[[Any], st.SearchStrategy[bytes]], Callable[[Any], bytes]]] = {
    "text": (mutated_text, str.encode),
    "bytes": (mutated_bytes, bytes),
    "json": (as_json, lambda tree: json.dumps(tree).encode()),
    "yaml": (as_yaml, lambda tree: yaml.safe_dump(tree).encode()),
}
"""Form of a content → strategy of its damaged versions, and its intact bytes."""
