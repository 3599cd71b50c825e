"""Rows that are drawn from the predictions of other rows, without a model: gates, fused detections, oracles."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import write_atomic
from sgz_bench.core.text import pluralize
from sgz_bench.enhancer.composites import Both, Gate
from sgz_bench.tasks.label_space import Sample

from .decisions.oracle import choose_pictures
from .executors.job import RunJob
from .plan import Cell, Plan
from .store import LOG, cell_folder, log_line, read_lines, read_log

Values = Mapping[int, Mapping[str, float]]  # image id → statistics of the raw image


def combine(job: RunJob, statistics: Values, say: Callable[[str], None], plan: Plan | None = None) -> None:
    """Write the logs and files of all cells that are drawn from others; a cell fails with any of its sources.

    Args:
        job: a predicted study.
        statistics: statistics of the raw images, for gates.
        say: receives one line for each gate that is open for no image, or for all.
        plan: plan of the study, on the images that are predicted; that of the job if None.

    Raises:
        UserError: a file cannot be read or written.
    """
    plan, failed = plan or job.plan, job.failures.cells
    samples = [sample for sample in plan.dataset.samples if sample.id not in job.failures.unread]
    for cell in plan.cells:
        reasons = [failed[source.key] for source in cell.sources if source.key in failed]
        if reasons:
            failed[cell.key] = reasons[0]
        elif cell.sources and isinstance(cell.view.enhancer, Both):
            _write_log(job.run, cell, _fused(plan, job.run, cell, samples))
        elif cell.sources:
            _write_copies(plan, job.run, cell, samples, _choice(plan, job, cell, samples, statistics, say))


def _choice(
    plan: Plan,
    job: RunJob,
    cell: Cell,
    samples: Sequence[Sample],
    statistics: Values,
    say: Callable[[str], None],
) -> Sequence[int]:
    """Return, per image, the index of the source whose prediction a gate or an oracle takes."""
    if isinstance(gate := cell.view.enhancer, Gate):
        return _gated(gate, [statistics[sample.id] for sample in samples], say)
    truth = plan.task.truth(plan.space, set(job.failures.unread))
    scored = [plan.task.score(truth, read_log(cell_folder(job.run, each.key) / LOG)) for each in cell.sources]
    return [int(index) for index in choose_pictures(plan.task, [each.statistics for each in scored])]


def _gated(gate: Gate, values: Sequence[Mapping[str, float]], say: Callable[[str], None]) -> Sequence[int]:
    """Return 1 for the images that a gate enhances, else 0; say if it makes no difference between images."""
    measured = [each[gate.condition.statistic] for each in values]
    opens = [int(gate.condition.holds(value)) for value in measured]
    if measured and len(set(opens)) == 1:
        share, row = ("all", "the inner enhancer's") if opens[0] else ("none", "raw's")
        say(
            f"warning: {gate.spec} enhances {share} of the {pluralize(len(opens), 'image')}, whose"
            f" {gate.condition.statistic} is {min(measured):.3g} to {max(measured):.3g}; its row is {row}"
        )
    return opens


def _fused(plan: Plan, run: Path, cell: Cell, samples: Sequence[Sample]) -> dict[int, bytes]:
    records = [read_log(cell_folder(run, source.key) / LOG) for source in cell.sources]
    return {
        sample.id: log_line(sample.id, plan.task.fuse(sample, [each[sample.id] for each in records]))
        for sample in samples
    }


def _write_copies(plan: Plan, run: Path, cell: Cell, samples: Sequence[Sample], chosen: Sequence[int]) -> None:
    """Copy, for each image, the record and the files of the chosen source."""
    logs = [read_lines(cell_folder(run, source.key) / LOG) for source in cell.sources]
    lines: dict[int, bytes] = {}
    for sample, index in zip(samples, chosen, strict=True):
        line = logs[index][sample.id]
        if index == 0:
            record = plan.task.enhanced_record(json.loads(line))
            record.pop("image_id")
            line = log_line(sample.id, record)
        lines[sample.id] = line
        for name in plan.task.outputs(sample):
            _copy(cell_folder(run, cell.sources[index].key) / name, cell_folder(run, cell.key) / name)
    _write_log(run, cell, lines)


def _write_log(run: Path, cell: Cell, lines: Mapping[int, bytes]) -> None:
    _write(cell_folder(run, cell.key) / LOG, b"".join(lines.values()))


def _copy(source: Path, target: Path) -> None:
    """Copy a file whole or not at all.

    Raises:
        UserError: it cannot be read or written.
    """
    try:
        content = source.read_bytes()
    except OSError as error:
        raise UserError(f"{source} is missing ({error.strerror or error}); repeat the run's command") from error
    _write(target, content)


def _write(path: Path, content: bytes) -> None:
    """Write a file unless it has this content, as when a finished run's command is repeated."""
    if not (path.is_file() and path.read_bytes() == content):
        write_atomic(path, content)
