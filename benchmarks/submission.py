"""Label maps of a run in the format of the ACDC, Dark Zurich and Cityscapes servers."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image as Pillow

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import write_atomic
from sgz_bench.tasks.classes import CITYSCAPES_CLASSES

from .results import ResultRow, read_rows
from .store import cell_folder, read_run_json

Ids = Literal["label", "train"]


def write_submission(run: Path, enhancer: str, out: Path, ids: Ids = "label") -> int:
    """Write one PNG per image, named like the image, all in one folder to be zipped for the server.

    Args:
        run: a finished segmentation run on a data set with Cityscapes' classes.
        enhancer: spec or name of the row; under the protocol ``finetune`` its first training seed.
        out: new or empty folder.
        ids: ``label``: Cityscapes' labelIds, 0 for pixels without a scored class; ``train``: trainIds, 255 for them.

    Returns:
        Number of files.

    Raises:
        UserError: there is no such run or row, its classes are not Cityscapes', a label map is missing, or two images
            have the same name.
    """
    from sgz_bench.tasks.segmentation.datasets.cityscapes import LABEL_IDS

    row, truth = _row(run, enhancer), read_run_json(run / "truth.json")
    label_ids = {train: value for value, train in LABEL_IDS.items() if train < len(CITYSCAPES_CLASSES)}
    table = np.full(256, 0 if ids == "label" else 255, dtype=np.uint8)
    for name, class_id in zip(truth["classes"], truth["class_ids"], strict=True):
        train = CITYSCAPES_CLASSES.index(name)
        table[class_id] = label_ids[train] if ids == "label" else train
    names = [Path(image["file_name"]).stem for image in truth["images"]]
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise UserError(f"two images are called {twice[0]}, but servers take one folder of unique names; rename one")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is not an empty folder; choose another --out")
    folder = cell_folder(run, row.cells[0]) / "labels"
    for image, name in zip(truth["images"], names, strict=True):
        path = folder / f"{image['key']}.png"
        try:
            with Pillow.open(path) as opened:
                labels = np.array(opened, dtype=np.uint8)
        except OSError as error:
            raise UserError(f"{path} is missing or damaged ({error}); repeat the run's command") from error
        buffer = io.BytesIO()
        Pillow.fromarray(table[labels]).save(buffer, format="PNG")
        write_atomic(out / f"{name}.png", buffer.getvalue())
    return len(names)


def _row(run: Path, enhancer: str) -> ResultRow:
    """Return the scored segmentation row of an enhancer, by its spec or, if unique, by its name.

    Raises:
        UserError: there is no such row or several, or its task or classes do not fit.
    """
    rows = read_rows(run)
    named = [row for row in rows if enhancer in {row.enhancer, row.enhancer.partition("(")[0]} and row.status == "ok"]
    if not named:
        raise UserError(f"{run} has no row of {enhancer}; it has {', '.join(row.enhancer for row in rows)}")
    exact = [row for row in named if row.enhancer == enhancer] or named
    if len(exact) > 1:
        raise UserError(
            f"{run} has several rows of {enhancer}: {', '.join(row.enhancer for row in exact)}; name one of them"
        )
    row = exact[0]
    if row.task != "segmentation":
        raise UserError(f"{run} is a {row.task} run; only segmentation has label maps to submit")
    others = sorted(set(row.classes) - set(CITYSCAPES_CLASSES))
    if others:
        raise UserError(
            f"{run} has the class {others[0]!r}, but servers take only Cityscapes' 19; choose them with --classes"
        )
    return row
