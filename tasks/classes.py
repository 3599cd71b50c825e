"""Class lists, and which class of a model stands for which class of a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from sgz_bench.core.errors import UserError
from sgz_bench.core.registry import suggest


def _config(name: str) -> dict[str, Any]:
    text = files("sgz_bench.configs").joinpath(name).read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


COCO_CLASSES: tuple[str, ...] = tuple(_config("classes.yaml")["coco"])
CITYSCAPES_CLASSES: tuple[str, ...] = tuple(_config("classes.yaml")["cityscapes"])
CAMVID_CLASSES: tuple[str, ...] = tuple(_config("classes.yaml")["camvid"])
CLASS_LISTS: dict[str, list[str]] = _config("classes.yaml")["lists"]
EXDARK_CLASSES: tuple[str, ...] = tuple(_config("classes.yaml")["exdark"])


def read_class_map(path: str | Path) -> dict[str, list[str]]:
    """A YAML file of ``data set class: [model class, …]``.

    Raises:
        UserError: no such file, or another form.
    """
    try:
        loaded = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"cannot read the class map {path}: {' '.join(str(error).split())}") from error
    if not isinstance(loaded, dict):
        raise UserError(f"{path} is no class map; write lines of the form `People: [person]`")
    return {
        str(key): [str(v) for v in (value if isinstance(value, list) else [value])] for key, value in loaded.items()
    }


def read_class_list(source: str) -> tuple[str, ...]:
    """``cityscapes``, ``camvid``, another list of ``configs/classes.yaml``, or a file: a name a line, or YAML.

    Raises:
        UserError: no such list or file, or no list of names in it.
    """
    config = _config("classes.yaml")
    if isinstance(config.get(source), list):
        return tuple(config[source])
    try:
        text = Path(source).read_text(encoding="utf-8")
        loaded = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        lists = [name for name, value in config.items() if isinstance(value, list)]
        raise UserError(
            f"no class list {source!r}{suggest(source, lists)}; or give a file with a name a line"
        ) from error
    names = loaded if isinstance(loaded, list) else [line.strip() for line in text.splitlines() if line.strip()]
    return tuple(str(name) for name in names)


def segmentation_class_map(
    model_classes: Sequence[str], dataset_classes: Sequence[str], chosen: Mapping[str, Sequence[str]] | None = None
) -> NDArray[np.int64]:
    """As :func:`map_classes`, with the built-in maps between Cityscapes' 19 and CamVid's 11 classes.

    They are in ``configs/classes.yaml``. A model class without counterpart is −1: no class.

    Raises:
        UserError: as :func:`map_classes`.
    """
    lists = {"cityscapes": CITYSCAPES_CLASSES, "camvid": CAMVID_CLASSES}
    known = {classes: name for name, classes in lists.items()}
    pair = known.get(tuple(model_classes)), known.get(tuple(dataset_classes))
    if chosen is None and None not in pair:
        chosen = _config("classes.yaml")["maps"].get(f"{pair[1]} from {pair[0]}")
    return map_classes(model_classes, dataset_classes, chosen)


def map_classes(
    model_classes: Sequence[str], dataset_classes: Sequence[str], chosen: Mapping[str, Sequence[str]] | None = None
) -> NDArray[np.int64]:
    """For each model class the data set class it stands for, or −1.

    Without ``chosen``, names are equal when they are so regardless of case, or are listed as synonyms in
    ``configs/classes.yaml`` (People–person, Motorbike–motorcycle, Table–dining table: ExDark's 12 from COCO's 80).

    Args:
        model_classes, dataset_classes: names by id.
        chosen: ``{data set class: [model class, …]}``; classes it leaves out are left out of the metrics.

    Returns:
        ``(len(model_classes),)`` int64.

    Raises:
        UserError: a name in ``chosen`` that does not exist, one model class for two, or nothing in common.
    """
    ids = {name.casefold(): index for index, name in enumerate(model_classes)}
    if chosen is None:
        chosen = _by_name(list(ids), dataset_classes)
    mapping = np.full(len(model_classes), -1, dtype=np.int64)
    for name, sources in chosen.items():
        if name not in dataset_classes:
            raise UserError(
                f"the class map names {name!r}, which the data set lacks{suggest(name, list(dataset_classes))}"
            )
        for source in sources:
            index = ids.get(source.casefold())
            if index is None:
                raise UserError(
                    f"the class map names {source!r}, which the model lacks{suggest(source, list(model_classes))}"
                )
            if mapping[index] >= 0:
                raise UserError(f"the class map gives the model's {source!r} to two classes; give it to one")
            mapping[index] = list(dataset_classes).index(name)
    if (mapping < 0).all():
        raise UserError(
            f"model and data set share no class (model: {', '.join(model_classes[:5])}, …; "
            f"data set: {', '.join(dataset_classes[:5])}, …); give --class-map FILE.yaml"
        )
    return mapping


def _by_name(known: Sequence[str], dataset_classes: Sequence[str]) -> dict[str, list[str]]:
    """Each data set class with the model class of its name, else with a synonym that no other class has by name."""
    own = {name: [name] for name in dataset_classes if name.casefold() in known}
    taken = {name.casefold() for name in own}
    synonyms: Mapping[str, Sequence[str]] = _config("classes.yaml")["synonyms"]
    others = {
        name: [other for other in synonyms.get(name, ()) if other.casefold() in known and other.casefold() not in taken]
        for name in dataset_classes
        if name not in own
    }
    return own | others
