"""Pairs of images and label maps by name: patterns with ``{stem}``, lists of images, and what is left over."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import IMAGE_SUFFIXES
from sgz_bench.core.text import composed, pluralize

from ...image_files import scan_images
from ...types import Problem
from .base import Entry

_TRIED = 50  # names that a suggestion is looked for
_LABEL_STUDIO = re.compile(r"task-\d+-annotation-")


@dataclass(frozen=True)
class Pattern:
    """Folder and names of the files of one kind.

    Attributes:
        folder: in which, and below which, the files lie.
        prefix, suffix: of a file name, before and behind the stem; without the image suffix.
        text: the pattern as written in a YAML, for messages; empty for none.
    """

    folder: Path
    prefix: str
    suffix: str
    text: str

    @classmethod
    def of(cls, base: Path, text: str, split: str) -> Pattern:
        """Parse ``folder/{split}`` or ``folder/{split}/{stem}_mask.png``.

        Raises:
            UserError: ``{stem}`` is not in the last part, or twice.
        """
        path = text.replace("{split}", split)
        if "{stem}" not in path:
            return cls(base / path, "", "", text)
        folder, _, name = path.rpartition("/")
        if "{stem}" in folder or name.count("{stem}") > 1:
            raise UserError(f"{text!r}: {{stem}} stands once, in the file name, such as masks/{{split}}/{{stem}}_L.png")
        before, _, after = name.partition("{stem}")
        suffix = (
            after[: -len(PurePath(after).suffix)] if PurePath(f"x{after}").suffix.lower() in IMAGE_SUFFIXES else after
        )
        return cls(base / folder, before, suffix, text)

    @property
    def plain(self) -> bool:
        """True if all files of the folder fit."""
        return not self.prefix and not self.suffix

    def stem(self, key: str) -> str | None:
        """Return the stem of a file, with its subfolders, NFC; None for a name that does not fit."""
        folder, slash, name = composed(key).rpartition("/")
        if not (name.startswith(self.prefix) and name.endswith(self.suffix)):
            return None
        stem = name[len(self.prefix) : len(name) - len(self.suffix)]
        return f"{folder}{slash}{stem}" if stem else None

    def path(self, stem: str) -> Path:
        """Return the expected path of a stem."""
        folder, _, name = stem.rpartition("/")
        return self.folder / folder / f"{self.prefix}{name}{self.suffix}.png"


@dataclass(frozen=True)
class Pairs:
    """Entries of a split, with what does not fit."""

    entries: list[Entry]
    problems: list[Problem]
    notes: list[str]
    stems: set[str]


def pair(images: Pattern, masks: Pattern, wanted: set[str] | None = None, split: str = "") -> Pairs:
    """Pair the images and label maps of two folders, which may be one.

    Args:
        images, masks: patterns.
        wanted: names of the images to take, NFC, without folders; None for all.
        split: prefix of the keys and attribute, for a list over several splits; empty for none.

    Raises:
        UserError: most images have no label map.
    """
    image_files, mask_files = scan_images(images.folder), scan_images(masks.folder)
    together = images.folder.resolve() == masks.folder.resolve()
    maps: dict[str, Path] = {}
    for key, path in mask_files.images:
        stem = masks.stem(key)
        if stem is not None and (stem not in maps or path.suffix.lower() == ".png"):
            maps[stem] = path
    entries, missing, other, stems = [], [], [], set()
    for key, path in image_files.images:
        stem = images.stem(key)
        if together and not masks.plain and masks.stem(key) is not None:
            continue
        if stem is None:
            other.append(key)
            continue
        if wanted is not None and PurePath(stem).name not in wanted:
            continue
        stems.add(stem)
        if stem not in maps:
            missing.append((stem, path))
        name = key if images.plain else stem
        attributes = {"split": split} if split else {}
        entries.append(
            Entry(f"{split}/{name}" if split else name, path, maps.get(stem, masks.path(stem)), attributes=attributes)
        )
    if len(missing) * 2 > len(entries):
        raise _mismatch(missing, len(entries), images, masks, mask_files.images)
    problems = [*image_files.problems, *([] if together else mask_files.problems)]
    notes = [*image_files.notes, *([] if together else mask_files.notes)]
    if other:
        notes.append(f"passed over: {pluralize(len(other), 'image')} that do not fit `{images.text}`, {other[0]} first")
    if wanted is None and not together:
        spare = {path for _, path in mask_files.images} - {entry.labels for entry in entries}
        beside, orphans = _left_over(sorted(spare), {PurePath(stem).name for stem in stems})
        problems += [Problem(str(path), f"has no image in {images.folder}; not used") for path in orphans]
        if beside:
            count = pluralize(len(beside), "file")
            notes.append(f"passed over: {count} beside the label maps, {beside[0].name} first")
    return Pairs(entries, problems, notes, {PurePath(stem).name for stem in stems})


def _left_over(paths: Sequence[Path], names: set[str]) -> tuple[list[Path], list[Path]]:
    """Split files of the mask folder into further files of an image (``a_color.png`` of ``a``) and those of none."""
    beside: list[Path] = []
    orphans: list[Path] = []
    for path in paths:
        name = composed(path.stem)
        heads = (name[: match.start()] for match in re.finditer(r"[_.\-]", name))
        known = name in names or any(head in names for head in heads)
        (beside if known else orphans).append(path)
    return beside, orphans


def _mismatch(
    missing: Sequence[tuple[str, Path]], total: int, images: Pattern, masks: Pattern, files: Sequence[tuple[str, Path]]
) -> UserError:
    """Return the error for images without label maps: what was expected, what is there, and what to write."""
    expected = masks.path(missing[0][0])
    start = f"{len(missing)} of {total} images have no label map: expected {expected} for {missing[0][1].name}"
    keys = [key for key, _ in files]
    if not keys:
        return UserError(f"{start}; {masks.folder} has no image file at all")
    there = ", ".join(path.name for _, path in files[:3])
    start = f"{start}, found {there}"
    if any(_LABEL_STUDIO.match(PurePath(key).name) for key in keys):
        return UserError(
            f"{start}: Label Studio exports one mask per label and annotation; merge those of an image into one map of "
            "ids under the image's name, or export as COCO and convert"
        )
    if not masks.text:  # a layout without YAML
        return UserError(f"{start}; restore the label maps, or describe the folders in a YAML")
    suggested = _suggestion([stem for stem, _ in missing], keys)
    if suggested is None:
        return UserError(f"{start}; name them alike, or write `masks: FOLDER/{{stem}}SUFFIX.png`")
    (own, prefix, suffix), count = suggested
    folder = {"images": images, "masks": masks}
    lines = {name: f"{pattern.text.partition('{stem}')[0].rstrip('/')}" for name, pattern in folder.items()}
    fix = f"`masks: {lines['masks']}/{prefix}{{stem}}{suffix}.png`"
    if own:
        fix = f"`images: {lines['images']}/{{stem}}{own}{missing[0][1].suffix}` and {fix}"
    return UserError(f"{start}; write {fix}, which fits {count} of them")


def _suggestion(stems: Sequence[str], keys: Sequence[str]) -> tuple[tuple[str, str, str], int] | None:
    """Return the most frequent (image suffix, mask prefix, mask suffix) by which names fit, and the number it fits."""
    names = sorted({composed(PurePath(key).name) for key in keys})
    tried = [PurePath(stem).name for stem in stems[:_TRIED]]
    counts = Counter(guess for stem in tried for guess in set(_guesses(stem, names)))
    if not counts:
        return None
    known = set(names)
    best, _ = max(counts.items(), key=lambda item: (item[1], -len("".join(item[0]))))
    own, prefix, suffix = best
    fitting = sum(
        f"{prefix}{PurePath(stem).name.removesuffix(own)}{suffix}" in known
        for stem in stems
        if PurePath(stem).name.endswith(own)
    )
    return (best, fitting) if fitting * 2 > len(stems) else None


def _guesses(stem: str, names: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    for name in names:
        before, hit, after = name.partition(stem)
        if hit:
            yield "", before, after
    for match in re.finditer(r"[_.\-]", stem):
        head = stem[: match.start()]
        for name in names:
            if name.startswith(head) and name != head and not name[len(head)].isalnum():
                yield stem[match.start() :], "", name[len(head) :]
