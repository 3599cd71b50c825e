"""Custom images and masks, described by a YAML."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import read_yaml
from sgz_bench.core.registry import refuse_unknown, suggest

from ...datasets import images_in, named_classes, with_any_suffix
from ..types import VOID, SegmentationDataset
from .base import Entry, build

_KEYS = ["names", "images", "masks", "ids", "ignore", "path"]
_FILES = ("data.yaml", "dataset.yaml", "data.yml")
_DEFAULTS = ("val", "valid", "test")  # splits to try if none is given


def load_folder(root: Path, split: str | None, limit: int | None = None) -> SegmentationDataset:
    """Load a folder with a data.yaml (or dataset.yaml) that names classes, images and masks.

    The YAML is read by :func:`load_folder_yaml`.

    Raises:
        UserError: the folder has no such YAML.
    """
    for name in _FILES:
        if (root / name).is_file():
            return load_folder_yaml(root / name, None, split, limit)
    raise UserError(f"{root} has no data.yaml; write one with `names`, `images: images/{{split}}` and `masks: …`")


def load_folder_yaml(path: Path, root: Path | None, split: str | None, limit: int | None = None) -> SegmentationDataset:
    """Load a YAML that names classes and folders; a mask has its image's relative path, with any image suffix.

    Keys of the YAML:

    - ``names``: class names by class id.
    - ``images``, ``masks``: folders, in which ``{split}`` is the split's name. Without it the only split is ``all``.
    - ``ids``: value in a mask → class name or id. By default the values are class ids.
    - ``ignore``: a value or list of values that is not scored. Nor is 255, unless ``ids`` maps it to a class.
    - ``path``: folder of both, relative to the YAML. By default the YAML's folder.

    Args:
        path: the YAML.
        root: overrides its ``path``.
        split: None takes the first existing one of ``val``, ``valid`` and ``test``.
        limit: number of images.

    Raises:
        UserError: the file is no such YAML, has no such split, or names missing folders.
    """
    config = read_yaml(path)
    if not isinstance(config, dict) or not {"names", "images", "masks"} <= set(config):
        raise UserError(f"{path} needs `names`, `images` and `masks`, such as `masks: masks/{{split}}`")
    refuse_unknown(str(path), [str(key) for key in config], _KEYS)
    classes = named_classes(config["names"], path)
    if len(classes) > VOID:
        raise UserError(f"{path} names {len(classes)} classes; a map of 8-bit ids holds {VOID} or fewer")
    base = root or path.parent / str(config.get("path") or ".")
    images, masks = (str(config[key]) for key in ("images", "masks"))
    split = _split(base, images, split, path)
    folders = [base / pattern.replace("{split}", split) for pattern in (images, masks)]
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{path}: {folder} does not exist; fix `path`, `images` and `masks`, or give --root")
    entries = (
        Entry(key, image, with_any_suffix(folders[1] / f"{key}.png") or folders[1] / f"{key}.png")
        for key, image in images_in(folders[0])
    )
    name = path.absolute().parent.name if path.name in _FILES else path.stem
    return build(name, split, classes, _ids(config, classes, path), entries, (), limit)


def _split(base: Path, pattern: str, split: str | None, path: Path) -> str:
    if "{split}" not in pattern:
        if split not in {None, "all"}:
            raise UserError(f"{path} has no split {split!r}; known: all, as `images` contains no {{split}}")
        return "all"
    known = sorted(_splits(base, pattern))
    chosen = split or next((name for name in _DEFAULTS if name in known), None)
    if chosen is None:
        raise UserError(f"{path}: --split is required ({', '.join(known) or f'nothing matches {base / pattern}'})")
    if chosen not in known:
        raise UserError(f"{path} has no split {chosen!r}{suggest(chosen, known)}")
    return chosen


def _splits(base: Path, pattern: str) -> list[str]:
    """Return the values of ``{split}`` for which the folder exists."""
    before, _, after = pattern.partition("{split}")
    start, end = before.rpartition("/")[2], after.partition("/")[0]
    near = (base / before).parent if start else base / before
    fitting = (path.name for path in near.glob(f"{glob.escape(start)}*{glob.escape(end)}"))
    names = (name[len(start) : len(name) - len(end)] for name in fitting)
    return [name for name in names if name and (base / pattern.replace("{split}", name)).is_dir()]


def _ids(config: Mapping[str, Any], classes: tuple[str, ...], path: Path) -> dict[int, int]:
    """Map values in a mask to class ids or VOID."""
    given = config.get("ids")
    if given is None:
        given = dict(enumerate(classes))
    ignored = config.get("ignore", [])
    ignored = ignored if isinstance(ignored, list) else [ignored]
    if not isinstance(given, dict):
        raise UserError(f"{path}: `ids` must be lines of the form `7: road`, a value in a mask and its class")
    ids = {}
    for value, name in given.items():
        if name in classes:
            ids[_value(value, path)] = classes.index(name)
        elif isinstance(name, int) and not isinstance(name, bool) and 0 <= name < len(classes):
            ids[_value(value, path)] = name
        else:
            raise UserError(f"{path}: `ids` maps {value} to no class, {name!r}{suggest(str(name), list(classes))}")
    return {VOID: VOID} | ids | {_value(value, path): VOID for value in ignored}


def _value(value: object, path: Path) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 255:
        raise UserError(f"{path}: {value!r} is not a mask value; give whole numbers from 0 to 255")
    return value
