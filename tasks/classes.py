"""Class lists, and the mapping of a model's classes to those of a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import parse_yaml, read_text, read_yaml
from sgz_bench.core.registry import suggest

_CONFIG: dict[str, Any] = parse_yaml(
    files("sgz_bench.configs").joinpath("classes.yaml").read_text(encoding="utf-8"), "configs/classes.yaml"
)
COCO_CLASSES: tuple[str, ...] = tuple(_CONFIG["coco"])
CITYSCAPES_CLASSES: tuple[str, ...] = tuple(_CONFIG["cityscapes"])
CAMVID_CLASSES: tuple[str, ...] = tuple(_CONFIG["camvid"])
CLASS_LISTS: dict[str, list[str]] = _CONFIG["lists"]
COCO_GAPS = frozenset({12, 26, 29, 30, 45, 66, 68, 69, 71, 83})  # ids of COCO's paper that its 80 classes leave out
EXDARK_CLASSES: tuple[str, ...] = tuple(_CONFIG["exdark"])
VOC_CLASSES: tuple[str, ...] = tuple(_CONFIG["voc"])
BDD100K_CLASSES: tuple[str, ...] = tuple(_CONFIG["bdd100k"])
VISDRONE_CLASSES: tuple[str, ...] = tuple(_CONFIG["visdrone"])


def coco_by_category_id() -> tuple[str, ...]:
    """Return COCO's 80 names at their category ids 1 to 90; id 0 is ``background``, ids without a class ``N/A``."""
    names = iter(COCO_CLASSES)
    return ("background", *("N/A" if index in COCO_GAPS else next(names) for index in range(1, 91)))


def read_class_map(path: str | Path) -> dict[str, list[str]]:
    """Read a class map, a YAML file of ``data set class: [model class, …]``.

    Raises:
        UserError: the file cannot be read, or is no such mapping.
    """
    try:
        loaded = read_yaml(Path(path))
    except UserError as error:
        raise UserError(f"cannot read the class map: {error}") from error
    if not isinstance(loaded, dict):
        raise UserError(f"{path} is not a class map; write lines of the form `People: [person]`")
    return {
        str(key): [str(v) for v in (value if isinstance(value, list) else [value])] for key, value in loaded.items()
    }


def read_class_list(source: str) -> tuple[str, ...]:
    """Return a class list by name, or read one from a file.

    Args:
        source: ``cityscapes``, ``camvid``, another list of ``configs/classes.yaml``, ``coco91`` for
            :func:`coco_by_category_id`, or the path of a text file with one name per line or of a YAML list.

    Raises:
        UserError: no such list, or the file cannot be read.
    """
    if source == "coco91":
        return coco_by_category_id()
    if isinstance(_CONFIG.get(source), list):
        return tuple(_CONFIG[source])
    try:
        text = read_text(Path(source))
        loaded = parse_yaml(text, source)
    except UserError as error:
        lists = [*(name for name, value in _CONFIG.items() if isinstance(value, list)), "coco91"]
        raise UserError(
            f"no class list {source!r}{suggest(source, lists, 'give a file with one name per line')}"
        ) from error
    names = loaded if isinstance(loaded, list) else [line.strip() for line in text.splitlines() if line.strip()]
    return tuple(str(name) for name in names)


def segmentation_class_map(
    model_classes: Sequence[str], dataset_classes: Sequence[str], chosen: Mapping[str, Sequence[str]] | None = None
) -> NDArray[np.int64]:
    """Map model classes as :func:`map_classes` does, with built-in maps between Cityscapes' 19 and CamVid's 11 classes.

    The maps are in ``configs/classes.yaml``. A model class without counterpart is −1: no class.
    Pedestrian is no synonym of person here: label maps with pedestrians have a class for riders, persons elsewhere.

    Raises:
        UserError: as for :func:`map_classes`.
    """
    lists = {"cityscapes": CITYSCAPES_CLASSES, "camvid": CAMVID_CLASSES}
    known = {classes: name for name, classes in lists.items()}
    pair = known.get(tuple(model_classes)), known.get(tuple(dataset_classes))
    if chosen is None and None not in pair:
        chosen = _CONFIG["maps"].get(f"{pair[1]} from {pair[0]}")
    if chosen is None:
        chosen = _by_name([name.casefold() for name in model_classes], dataset_classes, apart="pedestrian")
    return map_classes(model_classes, dataset_classes, chosen)


def map_classes(
    model_classes: Sequence[str], dataset_classes: Sequence[str], chosen: Mapping[str, Sequence[str]] | None = None
) -> NDArray[np.int64]:
    """Return the data set class of each model class, or −1.

    Without ``chosen``, two names match when they are equal regardless of case, or are synonyms in
    ``configs/classes.yaml``, such as People–person and sofa–couch.

    Args:
        model_classes, dataset_classes: names by id.
        chosen: ``{data set class: [model class, …]}``; the metrics leave out classes that it leaves out.

    Returns:
        ``(len(model_classes),)`` int64 data set class ids.

    Raises:
        UserError: a name in ``chosen`` does not exist, a model class is given to two classes, or no class is shared.
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
                raise UserError(f"the class map gives the model's {source!r} to two classes; give it to one class")
            mapping[index] = list(dataset_classes).index(name)
    if (mapping < 0).all():
        raise UserError(
            f"model and data set share no class (model: {', '.join(model_classes[:5])}, …; "
            f"data set: {', '.join(dataset_classes[:5])}, …); give --class-map FILE.yaml"
        )
    return mapping


def _by_name(known: Sequence[str], dataset_classes: Sequence[str], apart: str = "") -> dict[str, list[str]]:
    """Map each data set class to the model class of its name, or to a synonym that is no other class's own name.

    A synonym of several data set classes is given to the first of them.

    Args:
        known: model classes in lower case.
        dataset_classes: names by id.
        apart: class in lower case that has no synonyms and is none.
    """
    chosen = {name: [name] for name in dataset_classes if name.casefold() in known}
    free = set(known) - {name.casefold() for name in chosen} - {apart}
    synonyms: Mapping[str, Sequence[str | Sequence[str]]] = _CONFIG["synonyms"]
    for name in dataset_classes:
        if name in chosen or name.casefold() == apart:
            continue
        groups = ([each] if isinstance(each, str) else each for each in synonyms.get(name.casefold(), ()))
        fitting = ([each for each in group if each in free] for group in groups)
        chosen[name] = next(filter(None, fitting), [])
        free.difference_update(chosen[name])
    return chosen
