"""Training loop of an enhancer, on accelerate: a resumed training is bit-identical on a CPU."""

from __future__ import annotations

import math
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, current_thread, main_thread
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from sgz_bench.core.device import cpu_threads
from sgz_bench.core.errors import UserError
from sgz_bench.core.images import to_uint8, write_image
from sgz_bench.core.training import ema_decay, update_average, warmup_cosine

from .model import create_model
from .objective import objective, validate
from .recipe import EnhancerRecipe
from .state import Log, load_state, save_state, save_weights
from .views import Batches, Pictures

if TYPE_CHECKING:
    from accelerate import Accelerator

OnStep = Callable[[int, int, Mapping[str, float]], None]  # steps done, total steps, loss terms
_SHEET = 6  # sample pictures per sheet


@dataclass(frozen=True)
class TrainingResult:
    """Result of a finished training.

    Attributes:
        weights: path of the weight file.
        step: number of steps.
        validation: final loss terms on held-out pictures.
        problems: skipped picture → reason.
    """

    weights: Path
    step: int
    validation: dict[str, float]
    problems: dict[str, str]


def train(
    recipe: EnhancerRecipe,
    pictures: Pictures,
    guidance: nn.Module | None,
    out: Path,
    *,
    device: str = "cpu",
    provenance: Mapping[str, Any] | None = None,
    on_step: OnStep = lambda _done, _total, _terms: None,
) -> TrainingResult:
    """Train an enhancer, or resume the training in ``out``; writes ``out/model.safetensors`` at the end.

    Args:
        recipe: settings.
        pictures: training and held-out pictures.
        guidance: guidance network; None without a semantic term.
        out: folder of state, log, sheets and weights.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        provenance: extra metadata of the weight file; ``sgz-bench doctor weights`` shows its ``licence``.
        on_step: called after every step with steps done, total steps and the loss terms.

    Raises:
        UserError: ``out`` holds another training or cannot be written, no picture can be decoded, or the loss is not
            finite.
        KeyboardInterrupt: interrupted by a signal. The saved state is that of the last step; after a second signal it
            is the last one saved before.
    """
    with cpu_threads(recipe.threads), _finishing_steps() as stop:
        return _train(recipe, pictures, guidance, out, device, provenance or {}, on_step, stop)


@contextmanager
def _finishing_steps() -> Iterator[Event]:
    """Yield an event that the first Ctrl-C or SIGTERM sets: training stops after the current step.

    A second signal stops at once.
    """
    stop = Event()
    if current_thread() is not main_thread():  # Python delivers signals to the main thread alone
        yield stop
        return

    def stop_after_step(number: int, _frame: object) -> None:
        stop.set()
        print("stopping after this step; a second signal stops at once", file=sys.stderr)
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.signal(number, stop_after_step) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def _train(
    recipe: EnhancerRecipe,
    pictures: Pictures,
    guidance: nn.Module | None,
    out: Path,
    device: str,
    provenance: Mapping[str, Any],
    on_step: OnStep,
    stop: Event,
) -> TrainingResult:
    from accelerate import Accelerator

    if device.startswith("cuda") and "RANK" not in os.environ:
        torch.cuda.set_device(device)
    accelerator = Accelerator(mixed_precision=recipe.precision, cpu=device == "cpu")
    origin = dict(provenance) | {"processes": accelerator.num_processes}
    steps = _steps(recipe, pictures, accelerator.num_processes)
    model = create_model(recipe)
    optimizer = _optimizer(model, recipe)
    average = create_model(recipe).requires_grad_(False).eval()
    average.load_state_dict(model.state_dict())
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {out} cannot be created ({error.strerror or error}); choose another folder") from error
    step = load_state(out / "state.safetensors", recipe, origin, model, average, optimizer)
    model, optimizer = accelerator.prepare(model, optimizer)
    average.to(accelerator.device)
    guidance = guidance.to(accelerator.device) if guidance is not None else None
    batches = Batches(pictures.train, recipe.views, recipe.batch, recipe.seed)
    checks = Batches(pictures.held_out, recipe.views, 16, recipe.seed)
    dark, better = checks(2**31)
    held_out = dark.to(accelerator.device), better.to(accelerator.device)
    logger = Log(out, step) if accelerator.is_main_process else None

    while step < steps:
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr * _rate(recipe, step, steps)
        dark, better = (view.to(accelerator.device) for view in batches(step, accelerator.process_index))
        with accelerator.autocast():
            terms = objective(model, recipe, guidance, dark, better)
        total = torch.stack([term.float() for term in terms.values()]).sum()
        accelerator.backward(total)
        accelerator.clip_grad_norm_(model.parameters(), recipe.clip)
        optimizer.step()
        optimizer.zero_grad()
        values = {name: float(term.detach()) for name, term in terms.items()}
        if not math.isfinite(sum(values.values())):
            raise UserError(f"the loss is not finite at step {step + 1} ({values}); use a lower lr")
        plain = accelerator.unwrap_model(model)
        update_average(average, plain, ema_decay(recipe.ema, step, 100), copy_buffers=True)
        step += 1
        if logger is not None:
            on_step(step, steps, values)
            due = step == steps or step % recipe.validate_every == 0
            validation = validate(average, recipe, guidance, held_out) if due else {}
            logger.add(step, values, validation)
            if step % recipe.sheet_every == 0 or step == steps:
                _sheet(average, held_out[0][:_SHEET], out / "sheets" / f"{step:06d}.jpg")
        stopped = step < steps and _any_process_stopped(accelerator, stop)
        if logger is not None and (step % recipe.save_every == 0 or step == steps or stopped):
            save_state(out / "state.safetensors", recipe, origin, step, plain, average, optimizer)
        if stopped:
            accelerator.wait_for_everyone()  # launchers kill the others once one process exits: wait for the state
            raise KeyboardInterrupt
    accelerator.wait_for_everyone()
    weights = out / "model.safetensors"
    if accelerator.is_main_process:
        save_weights(weights, average.network, recipe, step, origin)
    problems = pictures.problems | checks.problems | batches.problems
    return TrainingResult(weights, step, validate(average, recipe, guidance, held_out), problems)


def _any_process_stopped(accelerator: Accelerator, stop: Event) -> bool:
    """Tell all processes at the same step whether any of them received a signal.

    Signals arrive at different moments, and a process that leaves alone keeps the others waiting for its gradients.
    """
    if accelerator.num_processes == 1:
        return stop.is_set()
    stopped = torch.tensor(float(stop.is_set()), device=accelerator.device)
    return bool(accelerator.reduce(stopped, "sum") > 0)


def _steps(recipe: EnhancerRecipe, pictures: Pictures, processes: int) -> int:
    if recipe.steps is not None:
        return recipe.steps
    return math.ceil((recipe.epochs or 1) * len(pictures.train) / (recipe.batch * processes))


def _optimizer(model: nn.Module, recipe: EnhancerRecipe) -> torch.optim.Optimizer:
    kind = torch.optim.AdamW if recipe.decoupled else torch.optim.Adam
    return kind(model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)


def _rate(recipe: EnhancerRecipe, step: int, steps: int) -> float:
    """Return the factor of the learning rate at a step."""
    if recipe.schedule == "constant":
        return 1.0
    rising = round(0.3 * steps) if recipe.schedule == "one-cycle" else min(50, steps // 10)
    return warmup_cosine(step, steps, rising)


def _sheet(model: nn.Module, dark: Tensor, path: Path) -> None:
    """Write sample views above their enhanced versions."""
    with torch.no_grad():
        enhanced = model(dark)[0].clamp(0, 1)
    rows = [torch.cat(list(each), dim=2) for each in (dark, enhanced)]
    write_image(path, to_uint8(torch.cat(rows, dim=1)[None].cpu()))
