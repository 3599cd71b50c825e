"""Code shared by the data sets of all tasks: choice of images, loading by name, fingerprints, checks."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePath
from typing import Any, Protocol, TypeVar

from sgz_bench.core.errors import UserError, in_one_line
from sgz_bench.core.files import YAML_SUFFIXES, read_text
from sgz_bench.core.images import exif_orientation, read_image
from sgz_bench.core.registry import Registry, refuse_unknown
from sgz_bench.core.specs import parse_spec
from sgz_bench.core.text import pluralize

from .image_files import image_stem as image_stem
from .image_files import images_in as images_in
from .image_files import with_any_suffix as with_any_suffix
from .problems import summarize
from .types import Problem

_SAME_SIZE = 3  # images of one size that are worth a note
_INPUT_SIDES = frozenset(
    {320, 384, 416, 448, 480, 512, 544, 576, 608, 640, 672, 736, 768, 800, 832, 896, 960, 1024, 1280}
)


class Keyed(Protocol):
    """An image, or an entry for one."""

    @property
    def key(self) -> str: ...

    @property
    def path(self) -> Path: ...


class Sized(Keyed, Protocol):
    """An image of known size, in pixels."""

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...


class Twinned(Keyed, Protocol):
    """An image that may have a well-lit twin."""

    @property
    def bright(self) -> Path | None: ...


E = TypeVar("E", bound=Keyed)


class Split(Protocol):
    """A data set of any task."""

    @property
    def samples(self) -> Sequence[Any]: ...


D = TypeVar("D", bound=Split)


def choose(entries: Iterable[E], limit: int | None) -> tuple[list[E], list[Problem], bool]:
    """Sort entries by key, keep one per key, and of these take ``limit`` evenly spaced ones.

    Returns:
        The chosen entries; problems for entries left out because another image has their key; and True if ``limit``
        left any out.
    """
    by_key: dict[str, E] = {}
    problems = []
    for entry in sorted(entries, key=lambda entry: (entry.key, entry.path)):
        if entry.key in by_key:
            first = by_key[entry.key].path.name
            what = f"{first} has the same name {entry.key!r} and is used; left out"
            problems.append(Problem(str(entry.path), what, lost=True))
        else:
            by_key[entry.key] = entry
    picked = list(by_key.values())
    partial = limit is not None and limit < len(picked)
    if limit is not None and partial:
        picked = [picked[index * len(picked) // limit] for index in range(limit)]
    return picked, problems, partial


def refuse_twins(name: str, class_names: Sequence[str]) -> None:
    """Refuse two classes with the same name.

    Raises:
        UserError: names the class.
    """
    twice = [each for each, times in Counter(class_names).items() if times > 1]
    if twice:
        raise UserError(f"{name} has two classes called {twice[0]!r}; give each class a unique name")


def nothing_to_read(name: str, split: str, problems: Sequence[Problem]) -> UserError:
    """Return the error for a split without a usable image, with the first reason, and a fix if that has none."""
    first = summarize(problems, 0)[0] if problems else None
    reason = "" if first is None else f": {first}"
    fix = "" if first is not None and ";" in first.what.partition("; for example")[0] else "; check --root and --split"
    return UserError(f"{name}, split {split}, has no readable image{reason}{fix}")


def read_list(path: Path) -> tuple[list[str], str]:
    """Read a .txt of image names or paths, one per line.

    Returns:
        The stems, sorted, and the split's name: the file's stem and a hash of the stems, so that results of different
        lists are not confused.

    Raises:
        UserError: the file cannot be read, or is not text.
    """
    lines = (line.strip().replace("\\", "/") for line in read_text(path).splitlines())
    stems = sorted({image_stem(PurePath(line).name) for line in lines if line})
    return stems, f"{path.stem}-{hashlib.sha256(' '.join(stems).encode()).hexdigest()[:8]}"


def named_classes(names: Any, path: Path) -> tuple[str, ...]:
    """Return class names from a YAML's ``names``: a list, or a mapping from 0 without gaps.

    A number in quotes or with ``.0`` is a key, too.

    Raises:
        UserError: ``names`` is neither, or holds something else than names.
    """
    if isinstance(names, dict) and names:
        keys = {_whole(key): name for key, name in names.items()}
        if set(keys) != set(range(len(names))):
            raise UserError(f"{path}: `names` must number the classes 0…{len(names) - 1} without gaps")
        names = [keys[index] for index in range(len(names))]
    if not isinstance(names, list) or not names:
        raise UserError(f"{path}: `names` must be a list of class names, or a mapping from 0…")
    for index, name in enumerate(names):
        if isinstance(name, bool):
            raise UserError(
                f"{path}: `names` has {str(name).lower()} for class {index}; YAML reads yes, no, on and off so, write "
                "them in quotes"
            )
        if name is None or isinstance(name, (dict, list)) or not str(name).strip():
            raise UserError(f"{path}: `names` has no name for class {index}; write a word or a text in quotes")
    return tuple(str(name) for name in names)


def _whole(key: object) -> int | None:
    """Return the whole number that a key is written as, or None."""
    text = str(key).strip().removesuffix(".0")
    return int(text) if text.isdecimal() and len(text) < 9 and not isinstance(key, bool) else None


def load_named(
    kind: type[D],
    registry: Registry[Callable[..., D]],
    load_yaml: Callable[[Path, Path | None, str | None, int | None], D],
    name: str,
    root: Path | None,
    split: str | None,
    limit: int | None,
) -> D:
    """Load a split by a registered name with settings, or by the path of a YAML.

    A loader takes root, split (None: the default) and limit, and the settings of a spec as keyword arguments. A loader
    whose root has a default needs no folder.

    Args:
        kind: class that the loader must return.
        registry: loaders by name.
        load_yaml: loader of a YAML.
        name: spec, or path of a YAML.
        root: folder of the data set.
        split: None takes the default.
        limit: number of images, evenly spaced over the sorted keys.

    Raises:
        UserError: unknown name or setting; wrong root, split or limit; or a plugin that fails.
    """
    if limit is not None and limit < 1:
        raise UserError(f"--limit {limit}: give the number of images, 1 or more")
    if Path(name).suffix.lower() in YAML_SUFFIXES:
        try:
            return load_yaml(Path(name), root, split, limit)
        except OSError as error:
            raise _unreadable(name, error) from error
    spec = parse_spec(name)
    loader = registry.load(spec.name)
    parameters = list(inspect.signature(loader).parameters.values())
    if root is None and parameters[0].default is inspect.Parameter.empty:
        raise UserError(f"{spec.name} needs --root, the folder of the data set")
    if root is not None and not root.is_dir():
        raise UserError(f"--root {root} is not a folder; give the folder of {spec.name}")
    refuse_unknown(spec.name, spec.kwargs, [parameter.name for parameter in parameters[3:]])
    try:
        loaded = loader(root, split, limit, **spec.kwargs)
    except UserError:
        raise
    except registry.faults(spec.name) as error:
        raise UserError(f"{name}: {in_one_line(error)}") from error
    except OSError as error:
        raise _unreadable(name, error) from error
    if not isinstance(loaded, kind):
        raise UserError(f"the loader of {spec.name} returned a {type(loaded).__name__}, not a {kind.__name__}")
    for field in ("id", "key"):  # a plugin's duplicates would silently mix up images
        twice = [each for each, times in Counter(getattr(s, field) for s in loaded.samples).items() if times > 1]
        if twice:
            raise UserError(f"{spec.name} has several images with the {field} {twice[0]!r}; make it unique")
    if any(sample.id < 1 for sample in loaded.samples):
        raise UserError(f"{spec.name} has an image with an id below 1; number them from 1")
    return loaded


def _unreadable(name: str, error: OSError) -> UserError:
    """Return the error for a path in a data set's files that the system refuses, such as an overlong name."""
    return UserError(
        f"{name}: {error.filename or 'a file'} cannot be read ({error.strerror or error}); check the paths"
    )


def fingerprint_of(head: Any, samples: Sequence[E], facts: Callable[[E], list[Any]]) -> str:
    """Return the sha256 (hex) over ``head`` and the facts of every sample, as JSON; four threads read files."""
    with ThreadPoolExecutor(4) as pool:
        everything = [json.dumps(head), *pool.map(lambda sample: json.dumps(facts(sample)), samples)]
    return hashlib.sha256("\n".join(everything).encode()).hexdigest()


def undecodable(samples: Sequence[Twinned]) -> list[Problem]:
    """Decode every image in full and report those that are truncated or damaged after their header."""

    def fault(sample: Twinned) -> Problem | None:
        try:
            for path in (sample.path, sample.bright):
                if path is not None:
                    read_image(path)
        except UserError as error:
            return Problem(sample.key, str(error), lost=True)
        return None

    with ThreadPoolExecutor(4) as pool:
        return [problem for problem in pool.map(fault, samples) if problem]


def orientation_notes(samples: Sequence[Keyed]) -> list[str]:
    """Return a note on images with an EXIF rotation, which annotation tools may have shown rotated; empty if none."""
    with ThreadPoolExecutor(4) as pool:
        rotated = pool.map(lambda sample: exif_orientation(sample.path) != 1, samples)
        keys = [sample.key for sample, is_rotated in zip(samples, rotated, strict=True) if is_rotated]
    if not keys:
        return []
    count = pluralize(len(keys), "image")
    return [f"EXIF rotation: {count}, {keys[0]} first; pixels are used as stored, and labels must fit these"]


def size_notes(samples: Sequence[Sized]) -> list[str]:
    """Return a note on images that all have one typical input size of a model; empty otherwise.

    Exports of annotation sites resize or letterbox images to such a square.
    """
    sizes = {(sample.width, sample.height) for sample in samples}
    if len(samples) < _SAME_SIZE or len(sizes) > 1:
        return []
    ((width, height),) = sizes
    if width != height or width not in _INPUT_SIDES:
        return []
    return [
        f"all {len(samples)} images are {width}×{height}: an export may have resized or letterboxed them, and scores "
        "hold for that size only"
    ]


def count_attributes(samples: Iterable[Any]) -> dict[str, dict[str, int]]:
    """Count images by attribute and value, both sorted."""
    values: dict[str, Counter[str]] = {}
    for sample in samples:
        for attribute, value in sample.attributes.items():
            values.setdefault(attribute, Counter())[value] += 1
    return {name: dict(sorted(values[name].items())) for name in sorted(values)}
