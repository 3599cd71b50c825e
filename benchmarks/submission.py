"""A run's label maps as the servers of ACDC, Dark Zurich and Cityscapes take them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image as Pillow

from sgz_bench.enhancer.errors import UserError
from sgz_bench.tasks.classes import CITYSCAPES_CLASSES

from .results import ResultRow, read_rows
from .store import cell_folder, read_json, write_atomic

Ids = Literal["label", "train"]


def write_submission(run: Path, enhancer: str, out: Path, ids: Ids = "label") -> int:
    """Write one PNG an image, named as the image, all in one folder: what the servers want zipped.

    Args:
        run: a finished segmentation run on a data set with Cityscapes' classes.
        enhancer: whose row; under the protocol ``finetune`` the first seed is taken.
        out: folder that does not exist yet, or is empty.
        ids: ``label``: Cityscapes' labelIds, 0 where the model gave no class; ``train``: trainIds, 255 there.

    Returns:
        The number of files.

    Raises:
        UserError: no such run or row, other classes, or a label map that is missing.
    """
    row = _row(run, enhancer)
    table = np.arange(256, dtype=np.uint8)
    if ids == "label":
        from sgz_bench.tasks.segmentation.datasets.cityscapes import LABEL_IDS

        table = np.zeros(256, dtype=np.uint8)
        for value, class_id in LABEL_IDS.items():
            if class_id < len(CITYSCAPES_CLASSES):
                table[class_id] = value
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is not an empty folder; choose another --out")
    folder = cell_folder(run, row.cells[0]) / "labels"
    images = read_json(run / "truth.json")["images"]
    for image in images:
        path = folder / f"{image['key']}.png"
        try:
            with Pillow.open(path) as opened:
                labels = np.array(opened, dtype=np.uint8)
        except OSError as error:
            raise UserError(f"{path} is missing or damaged ({error}); repeat the run's command") from error
        buffer = io.BytesIO()
        Pillow.fromarray(table[labels]).save(buffer, format="PNG")
        write_atomic(out / f"{Path(image['file_name']).stem}.png", buffer.getvalue())
    return len(images)


def _row(run: Path, enhancer: str) -> ResultRow:
    rows = read_rows(run)
    found = [row for row in rows if enhancer in {row.enhancer, row.enhancer.partition("(")[0]} and row.status == "ok"]
    if not found:
        raise UserError(f"{run} has no row of {enhancer}; it has {', '.join(row.enhancer for row in rows)}")
    row = found[0]
    if row.task != "segmentation":
        raise UserError(f"{run} is a {row.task} run; only segmentation has label maps to submit")
    strange = sorted(set(row.classes) - set(CITYSCAPES_CLASSES))
    if strange:
        raise UserError(f"{run} has the class {strange[0]!r}, which is none of Cityscapes' 19; servers take those only")
    return row
