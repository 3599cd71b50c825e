"""Annotation files of Pascal VOC, read by expat: no document type, no entities, any declared encoding."""

from __future__ import annotations

import codecs
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import refuse_stand_in
from sgz_bench.core.text import composed

_DECLARED = re.compile(r"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["'][^>]*\?>""")
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_NO = frozenset({"", "0", "false", "no", "unspecified", "none"})


class Object(NamedTuple):
    """One labelled object.

    Attributes:
        name: class name, NFC.
        sides: xmin, ymin, xmax, ymax as written.
        difficult: VOC's flag.
        rotated: True with CVAT's attribute ``rotation`` other than 0.
    """

    name: str
    sides: tuple[float, float, float, float]
    difficult: bool
    rotated: bool = False


class Annotation(NamedTuple):
    """Content of one file.

    Attributes:
        file_name: of the image, as written; empty if absent.
        size: stated width and height; None if absent or 0.
        objects: objects with a box.
        faults: reasons for which other objects are skipped.
    """

    file_name: str
    size: tuple[int, int] | None
    objects: tuple[Object, ...]
    faults: tuple[str, ...]


@dataclass
class _Node:
    tag: str
    children: list[_Node] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def child(self, tag: str) -> _Node | None:
        return next((each for each in self.children if each.tag == tag), None)

    def text(self, tag: str) -> str:
        node = self.child(tag)
        return "" if node is None else " ".join("".join(node.words).split())


def read_annotation(path: Path) -> Annotation:
    """Read a VOC annotation file; boxes of ``<part>`` are passed over.

    Raises:
        UserError: the file cannot be read, is not XML, has a document type, or is no annotation of boxes.
    """
    root = _parse(path)
    if root.tag.casefold() != "annotation":
        fix = "; it is CVAT's own format: export as PASCAL VOC, COCO or YOLO" if root.tag == "annotations" else ""
        raise UserError(f"{path} is not a VOC annotation: its root is <{root.tag[:40]}>, not <annotation>{fix}")
    objects: list[Object] = []
    faults: list[str] = []
    for node in root.children:
        if node.tag == "object":
            try:
                objects.append(_object(node))
            except ValueError as error:
                faults.append(f"object {len(objects) + len(faults) + 1} {error}; the box is skipped")
    size = root.child("size")
    return Annotation(root.text("filename"), None if size is None else _size(size), tuple(objects), tuple(faults))


def _object(node: _Node) -> Object:
    name = composed(node.text("name"))
    if not name:
        raise ValueError("has no <name>")
    box = node.child("bndbox")
    if box is None:
        rotated = " but a rotated <robndbox>" if node.child("robndbox") else ""
        raise ValueError(f"({name[:40]}) has no <bndbox>{rotated}")
    sides = []
    for side in _SIDES:
        text = box.text(side)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise ValueError(f"({name[:40]}) has the {side} {text[:40]!r}, which is no number")
        sides.append(value)
    flag = node.text("difficult").casefold()
    xmin, ymin, xmax, ymax = sides
    return Object(name, (xmin, ymin, xmax, ymax), flag not in _NO and flag != "0.0", _is_rotated(node))


def _is_rotated(node: _Node) -> bool:
    attributes = node.child("attributes")
    for each in attributes.children if attributes else ():
        if each.text("name") == "rotation":
            try:
                return float(each.text("value")) % 360 != 0
            except ValueError:
                return False
    return False


def _size(node: _Node) -> tuple[int, int] | None:
    try:
        width, height = (int(float(node.text(side))) for side in ("width", "height"))
    except (ValueError, OverflowError):
        return None
    return (width, height) if width > 0 and height > 0 else None


def _parse(path: Path) -> _Node:
    """Return the root element; namespaces are removed from its names."""
    text = _decoded(path)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    top = _Node("")
    open_nodes = [top]

    def start(tag: str, _attributes: dict[str, str]) -> None:
        node = _Node(tag.rpartition(":")[2])
        open_nodes[-1].children.append(node)
        open_nodes.append(node)

    def refuse(*_: object) -> None:
        raise UserError(f"{path} has a document type (<!DOCTYPE …>), which VOC annotations do not need; remove it")

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _tag: open_nodes.pop()
    parser.CharacterDataHandler = lambda data: open_nodes[-1].words.append(data)
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(text, True)
    except (expat.ExpatError, ValueError) as error:
        raise UserError(f"{path} is not XML ({' '.join(str(error).split())}); restore the file") from error
    return top.children[0]


def _decoded(path: Path) -> str:
    """Decode by byte order mark, else by zero bytes of UTF-16, else by the declaration, else as UTF-8."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); check the path and its permissions") from error
    refuse_stand_in(path, data)
    encoding = next((name for mark, name in _BOMS if data.startswith(mark)), "")
    if not encoding and data[:2] in {b"<\0", b"\0<"}:
        encoding = "utf-16-le" if data[:1] == b"<" else "utf-16-be"
    if not encoding:
        match = _DECLARED.match(data[:200].decode("latin-1"))
        encoding = match[1] if match else "utf-8"
        if encoding.casefold().replace("_", "-").startswith(("utf-16", "utf16", "ucs")):
            encoding = "utf-8"  # declared by a tool that wrote bytes
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except (UnicodeError, LookupError, ValueError) as error:
        raise UserError(f"{path} is not text in the encoding {encoding} ({error}); save it as UTF-8") from error
