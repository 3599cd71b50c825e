"""The images that each enhancer gained and lost most on, as the model saw them, kept with the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sgz_bench.enhancer.images import read_image, write_image

from .plan import Plan
from .results import ResultRow
from .store import cell_folder, to_json, write_atomic

_EACH_WAY = 3
_QUALITY = 90


def write_gallery(plan: Plan, run: Path, rows: list[ResultRow], device: str) -> None:
    """Write ``gallery/index.json`` and the JPEGs it names.

    Gains are the task's (:meth:`.task.Task.gains`), equal ones go by image id. Best gains come first, then the worst
    losses. Of several training seeds the first is shown.
    """
    scored = {row.enhancer for row in rows if row.status == "ok"}
    cells = {group[0].label: group[0] for group in plan.rows if group[0].label in scored}
    raw = cells.pop("raw", None)
    cells.pop("bright", None)
    if raw is None:
        return
    samples = {sample.id: sample for sample in plan.dataset.samples}
    before = plan.task.statistics(cell_folder(run, raw.key))
    entries: list[dict[str, Any]] = []
    for cell in cells.values():
        gains = plan.task.gains(before, plan.task.statistics(cell_folder(run, cell.key)))
        pairs = list(zip(gains.tolist(), before.image_ids.tolist(), strict=True))
        best = [pair for pair in sorted(pairs, key=lambda pair: (-pair[0], pair[1]))[:_EACH_WAY] if pair[0] > 0]
        worst = [pair for pair in sorted(pairs)[:_EACH_WAY] if pair[0] < 0]
        for gain, image_id in best + worst:
            sample = samples[image_id]
            names = {"raw": f"raw/{image_id}.jpg", "enhanced": f"{cell.key}/{image_id}.jpg"}
            for seen_by, name in ((raw, names["raw"]), (cell, names["enhanced"])):
                path = run / "gallery" / name
                if not path.exists():
                    write_image(
                        path, seen_by.see(read_image(seen_by.path(sample)), sample.key, device), quality=_QUALITY
                    )
            folders = {"raw": cell_folder(run, raw.key), "enhanced": cell_folder(run, cell.key)}
            for field, content in plan.task.pictures(plan, sample, folders).items():
                owner = {"truth": "truth", "raw_labels": "raw"}.get(field, cell.key)
                names[field] = f"{owner}/{image_id}.png"
                write_atomic(run / "gallery" / names[field], content)
            entries.append({"enhancer": cell.label, "key": cell.key, "image_id": image_id, "gain": gain} | names)
    write_atomic(run / "gallery" / "index.json", to_json({"images": entries}))
