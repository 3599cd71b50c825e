"""Custom images and masks, described by a YAML, and exports of annotation tools that need none."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import read_yaml
from sgz_bench.core.registry import refuse_unknown, suggest
from sgz_bench.core.text import composed

from ...datasets import named_classes, read_list, size_notes
from ...types import Problem
from ..types import VOID, SegmentationDataset
from .base import build
from .exports import implied_config, parse_colors, read_labelmap
from .pairing import Pairs, Pattern, pair
from .survey import check_values

_KEYS = ["names", "images", "masks", "ids", "ignore", "path", "colors", "lists", "nc"]
_FILES = ("data.yaml", "dataset.yaml", "data.yml", "dataset.yml")
_DEFAULTS = ("val", "valid", "test")  # splits to try if none is given


def load_folder(root: Path, split: str | None, limit: int | None = None) -> SegmentationDataset:
    """Load a folder with a data.yaml (or dataset.yaml), or an export of CVAT, Pascal VOC or Roboflow.

    The YAML is read by :func:`load_folder_yaml`. Without one, ``SegmentationClass/`` with ``JPEGImages/`` (and CVAT's
    ``labelmap.txt``) and Roboflow's ``SPLIT/_classes.csv`` are read as such.

    Raises:
        UserError: the folder is none of these.
    """
    for name in _FILES:
        if (root / name).is_file():
            return load_folder_yaml(root / name, None, split, limit)
    implied = implied_config(root)
    if implied is None:
        raise UserError(f"{root} has no data.yaml; write one with `names`, `images: images/{{split}}` and `masks: …`")
    config, base = implied
    return _load(config, base, base, base.absolute().name, split, limit)


def load_folder_yaml(path: Path, root: Path | None, split: str | None, limit: int | None = None) -> SegmentationDataset:
    """Load a YAML that names classes and folders; a mask has its image's relative path, with any image suffix.

    Keys of the YAML:

    - ``names``: class names by class id; ``nc``, their number, may stand beside them.
    - ``images``, ``masks``: folders, in which ``{split}`` is the split's name. Without it the splits are ``all`` and
      the lists ``SPLIT.txt`` beside the images' folder. Where names differ, a pattern of the file name with ``{stem}``:
      ``masks/{split}/{stem}_L.png``. Both may be in one folder.
    - ``ids``: value in a mask → class name or id. By default the values are class ids.
    - ``ignore``: a value or list of values that is not scored. Nor is 255, unless ``ids`` maps it to a class.
    - ``colors``: class name → colour, for masks of colours, or the path of a labelmap.txt; ``ignore`` then has colours.
    - ``path``: folder of both, relative to the YAML. By default the YAML's folder.
    - ``lists``: folder of the lists ``SPLIT.txt``. By default that of ``path``.

    Args:
        path: the YAML.
        root: overrides its ``path``.
        split: None takes the first existing one of ``val``, ``valid`` and ``test``. Or the path of a .txt of image
            names, over all splits of the YAML.
        limit: number of images.

    Raises:
        UserError: the file is no such YAML, has no such split, or names missing folders; the values of its masks
            contradict its classes.
    """
    config = read_yaml(path)
    if not isinstance(config, dict) or not {"names", "images", "masks"} <= set(config):
        raise UserError(f"{path} needs `names`, `images` and `masks`, such as `masks: masks/{{split}}`")
    refuse_unknown(str(path), [str(key) for key in config], _KEYS)
    base = root or path.parent / _folder(config, "path", path)
    name = path.absolute().parent.name if path.name in _FILES else path.stem
    return _load(config, path, base, name, split, limit)


def _load(
    config: Mapping[str, Any], path: Path, base: Path, name: str, split: str | None, limit: int | None
) -> SegmentationDataset:
    """Load the data set that a YAML's content describes; ``path`` is named in messages."""
    classes = named_classes(config["names"], path)
    if len(classes) > VOID:
        raise UserError(f"{path} names {len(classes)} classes; a map of 8-bit ids holds {VOID} or fewer")
    count = config.get("nc")
    if count is not None and str(count) != str(len(classes)):
        raise UserError(f"{path}: `nc` is {count}, but `names` has {len(classes)} classes; fix one of them")
    colors = _colors(config, base, classes, path)
    ids = {} if colors else _ids(config, classes, path)
    split_name, pairs = _pairs(config, path, base, split)
    dataset = build(
        name, split_name, classes, ids, pairs.entries, pairs.problems, limit, colors=colors, notes=pairs.notes
    )
    notes = size_notes(dataset.samples)
    if not colors and config.get("ids") is None:
        notes += check_values(dataset, path, void_declared=VOID in _values(config.get("ignore"), path))
    return replace(dataset, notes=(*dataset.notes, *notes))


def _folder(config: Mapping[str, Any], key: str, path: Path) -> str:
    """Return the folder or pattern that a key names; null stands for the YAML's own folder.

    Raises:
        UserError: the value is no name.
    """
    value = config.get(key)
    if value is None:
        return "."
    if isinstance(value, list | dict | bool) or not str(value) or "\0" in str(value):
        raise UserError(f"{path}: `{key}` is {value!r:.60}; write the name of a folder, such as {key}/{{split}}")
    return str(value)


def _pairs(config: Mapping[str, Any], path: Path, base: Path, split: str | None) -> tuple[str, Pairs]:
    """Return the split's name, and its images with their masks."""
    images, masks = _folder(config, "images", path), _folder(config, "masks", path)
    folder, _, last = images.rpartition("/")
    pattern = folder if "{stem}" in last else images  # folder of the images
    lists = base / _folder(config, "lists", path)
    if split is not None and split.endswith(".txt"):
        stems, name = read_list(Path(split))
        return name, _listed(
            stems, Path(split), base, images, masks, _splits(base, pattern) if "{split}" in pattern else [""]
        )
    if "{split}" not in pattern:
        names = sorted(each.stem for each in lists.glob("*.txt")) if lists.is_dir() else []
        if split is None and config.get("lists") is not None and names:
            split = next((each for each in _DEFAULTS if each in names), names[0] if len(names) == 1 else None)
            if split is None:
                raise UserError(f"{path}: --split is required ({', '.join(names)}, or all)")
        if split not in {None, "all"}:
            if split not in names:
                known = ", ".join(["all", *names][:20])
                raise UserError(f"{path} has no split {split!r}; known: {known}, as `images` contains no {{split}}")
            stems, _ = read_list(lists / f"{split}.txt")
            return str(split), _listed(stems, lists / f"{split}.txt", base, images, masks, [""])
        return "all", pair(*_patterns(base, images, masks, "", path))
    chosen = _split(base, pattern, split, path)
    return chosen, pair(*_patterns(base, images, masks, chosen, path))


def _patterns(base: Path, images: str, masks: str, split: str, path: Path) -> tuple[Pattern, Pattern]:
    patterns = Pattern.of(base, images, split), Pattern.of(base, masks, split)
    for pattern in patterns:
        if not pattern.folder.is_dir():
            raise UserError(
                f"{path}: {pattern.folder} does not exist; fix `path`, `images` and `masks`, or give --root"
            )
    return patterns


def _listed(stems: Sequence[str], source: Path, base: Path, images: str, masks: str, splits: Sequence[str]) -> Pairs:
    """Return the listed images of all splits; what is not there is a problem."""
    wanted = {composed(stem) for stem in stems}
    parts = [pair(*_patterns(base, images, masks, each, source), wanted, each) for each in splits]
    entries = [entry for part in parts for entry in part.entries]
    missing = sorted(wanted - {stem for part in parts for stem in part.stems})
    problems = [Problem(stem, f"is in the list {source.name}, but not among the images", lost=True) for stem in missing]
    return Pairs(
        entries,
        [*problems, *(problem for part in parts for problem in part.problems)],
        [note for part in parts for note in part.notes],
        wanted,
    )


def _split(base: Path, pattern: str, split: str | None, path: Path) -> str:
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
    return {VOID: VOID} | ids | dict.fromkeys(_values(config.get("ignore"), path), VOID)


def _values(given: object, path: Path) -> list[int]:
    """Return the values of ``ignore``: one, a list, or null for none."""
    several = given if isinstance(given, list) else [] if given is None else [given]
    return [_value(value, path) for value in several]


def _value(value: object, path: Path) -> int:
    """Return a mask value, also if written as "7" or 7.0."""
    number = value
    if (isinstance(value, str) and value.strip().isdecimal()) or (isinstance(value, float) and value.is_integer()):
        number = int(value)
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= 255:
        raise UserError(f"{path}: {value!r} is not a mask value; give whole numbers from 0 to 255")
    return number


def _colors(
    config: Mapping[str, Any], base: Path, classes: tuple[str, ...], path: Path
) -> dict[tuple[int, int, int], int]:
    """Map colours in a mask to class ids or VOID; empty for masks of ids."""
    given = config.get("colors")
    if given is None:
        return {}
    if config.get("ids") is not None:
        raise UserError(f"{path} has `ids` and `colors`; keep the one that its masks have")
    if isinstance(given, str):
        given = read_labelmap(base / _folder(config, "colors", path))
    return parse_colors(given, config.get("ignore"), classes, path, VOID)
