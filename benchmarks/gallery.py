"""The images that each enhancer gained and lost most on, as the model saw them, kept with the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sgz_bench.enhancer.images import read_image, write_image
from sgz_bench.tasks.detection.metrics import CellMatches, net_true_positives

from .plan import Cell, Plan
from .results import ResultRow
from .store import cell_folder, to_json, write_atomic

_EACH_WAY = 3
_QUALITY = 90


def write_gallery(plan: Plan, run: Path, rows: list[ResultRow], device: str) -> None:
    """Write ``gallery/index.json`` and the JPEGs it names.

    An image's gain is its true minus its false positives at score ≥ 0.25 and IoU 0.5, enhanced minus raw; equal
    gains go by image id. Best gains come first, then the worst losses.
    """
    scored = {row.key for row in rows if row.status == "ok"}
    cells = {cell.label: cell for cell in plan.cells if cell.key in scored}
    raw = cells.pop("raw", None)
    cells.pop("bright", None)
    if raw is None:
        return
    samples = {sample.id: sample for sample in plan.dataset.samples}
    before = _matches(run, raw)
    reference = net_true_positives(before.coco)
    entries: list[dict[str, Any]] = []
    for cell in cells.values():
        gains = net_true_positives(_matches(run, cell).coco) - reference
        pairs = list(zip(gains.tolist(), before.coco.image_ids.tolist(), strict=True))
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
            entries.append({"enhancer": cell.label, "key": cell.key, "image_id": image_id, "gain": float(gain)} | names)
    write_atomic(run / "gallery" / "index.json", to_json({"images": entries}))


def _matches(run: Path, cell: Cell) -> CellMatches:
    return CellMatches.from_bytes((cell_folder(run, cell.key) / "matches.npz").read_bytes())
