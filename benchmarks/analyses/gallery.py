"""Gallery of a run: the images with each enhancer's largest gains and losses, as the model saw them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sgz_bench.core.files import to_json, write_atomic
from sgz_bench.core.images import write_image
from sgz_bench.tasks.label_space import Sample

from ..plan import Cell, Plan
from ..results import ResultRow, is_bound
from ..store import cell_folder

_EACH_WAY = 3  # gains, and losses
_QUALITY = 90  # JPEG


def write_gallery(plan: Plan, run: Path, rows: Sequence[ResultRow], device: str) -> None:
    """Write ``gallery/index.json`` and the JPEGs it names.

    Gains come from ``Task.gains``; equal gains are ordered by image id. Best gains come first, then the worst losses.
    Of several training seeds the first is shown. The image with the largest sum of absolute gains is ``common``: it is
    kept for every enhancer.
    """
    scored = {row.enhancer for row in rows if row.status == "ok"}
    cells = {group[0].label: group[0] for group in plan.rows if group[0].label in scored}
    raw = cells.pop("raw", None)
    cells = {label: cell for label, cell in cells.items() if not is_bound(label)}
    if raw is None:
        return
    samples = {sample.id: sample for sample in plan.dataset.samples}
    before = plan.task.statistics(cell_folder(run, raw.key))
    gains = {
        label: plan.task.gains(before, plan.task.statistics(cell_folder(run, cell.key)))
        for label, cell in cells.items()
    }

    def entry(cell: Cell, sample: Sample, gain: float) -> dict[str, Any] | None:
        names = {"raw": f"raw/{sample.id}.jpg", "enhanced": f"{cell.key}/{sample.id}.jpg"}
        for source, name in ((raw, names["raw"]), (cell, names["enhanced"])):
            path = run / "gallery" / name
            if not path.exists():
                try:
                    picture = source.view.read(sample, device)
                except (Exception, SystemExit):  # the row stays scored; the image is left out
                    return None
                write_image(path, picture, quality=_QUALITY)
        return {"enhancer": cell.label, "key": cell.key, "image_id": sample.id, "gain": gain} | names

    entries: list[dict[str, Any]] = []
    for label, cell in cells.items():
        pairs = list(zip(gains[label].tolist(), before.image_ids.tolist(), strict=True))
        best = [pair for pair in sorted(pairs, key=lambda pair: (-pair[0], pair[1]))[:_EACH_WAY] if pair[0] > 0]
        worst = [pair for pair in sorted(pairs)[:_EACH_WAY] if pair[0] < 0]
        for gain, image_id in best + worst:
            sample = samples[image_id]
            fields = entry(cell, sample, gain)
            if fields is None:
                continue
            names: dict[str, Any] = {}
            folders = {"raw": cell_folder(run, raw.key), "enhanced": cell_folder(run, cell.key)}
            for field, content in plan.task.pictures(plan.space, sample, folders).items():
                owner = {"truth": "truth", "raw_labels": "raw"}.get(field, cell.key)
                names[field] = f"{owner}/{image_id}.png"
                write_atomic(run / "gallery" / names[field], content)
            entries.append(fields | names)
    common: list[dict[str, Any]] = []
    if cells and len(before.image_ids):
        changes = np.array(list(gains.values()))
        index = int(np.abs(changes).sum(axis=0).argmax())
        sample = samples[int(before.image_ids[index])]
        for cell, gain in zip(cells.values(), changes[:, index].tolist(), strict=True):
            fields = entry(cell, sample, gain)
            common += [fields] if fields else []
    write_atomic(run / "gallery" / "index.json", to_json({"images": entries, "common": common}))
