"""Decision: what the first screen of a report says about a finished run, computed when the run ends."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import to_json, write_atomic

from ..decisions import brightness, choice, operating, oracle, planning, ranks
from ..decisions.evidence import Evidence
from ..decisions.kept import FILE, read_decision
from ..image_statistics import read_image_statistics
from ..plan import Plan
from ..results import ResultRow

_VERSION = 2  # raised when a part changes its numbers or its form

# Parts by their keys in the file.
PARTS: Mapping[str, Callable[[Evidence, Plan], Any]] = {
    "choice": lambda evidence, plan: choice.summary(evidence, seed=plan.config.seed),
    "ranks": lambda evidence, _: ranks.summary(evidence),
    "brightness": lambda evidence, _: brightness.summary(evidence, read_image_statistics(evidence.run)),
    "operating": lambda evidence, plan: operating.summary(
        evidence, plan.config.conf, replicates=plan.config.replicates
    ),
    "planning": lambda evidence, _: planning.summary(evidence),
    "oracle": lambda evidence, _: oracle.summary(evidence),
}


def write_decision(plan: Plan, run: Path, rows: Sequence[ResultRow], device: str) -> None:
    """Write ``decision.json``, unless it is that of these results; a run without a scored raw row has none.

    A part that cannot be computed, such as a choice on one image, is left out, and ``reasons`` says why.
    """
    del device
    if not any(row.enhancer == "raw" and row.status == "ok" for row in rows):
        (run / FILE).unlink(missing_ok=True)
        return
    settings = f"{_VERSION} {plan.config.operating_point}"
    identity = hashlib.sha256((run / "results.jsonl").read_bytes() + settings.encode()).hexdigest()
    with suppress(UserError):  # damaged: computed again
        if read_decision(run).get("of") == identity:
            return
    evidence = Evidence.read(run)
    parts: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    for name, summary in PARTS.items():
        try:
            parts[name] = summary(evidence, plan)
        except UserError as error:
            reasons[name] = str(error)
    write_atomic(run / FILE, to_json({"of": identity, "reasons": reasons} | parts))
