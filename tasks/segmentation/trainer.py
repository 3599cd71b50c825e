"""Training of SMP networks on labelled images; the same seed gives the same bytes on a CPU, interrupted or not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sgz_bench.core.device import cpu_threads
from sgz_bench.core.errors import UserError
from sgz_bench.core.files import write_atomic
from sgz_bench.core.training import ema_decay, update_average, warmup_cosine

from ..models import require_file
from ..training import Progress, TrainedModel
from ..training_state import TrainingState
from ..types import Image
from .augment import Augmentation, augment
from .models.smp import build_network
from .state import Order, StepState
from .types import VOID, Labels

Pair = tuple[Image, Labels]


class SegmentationRecipe(Augmentation):
    """Training settings of a network; with the seed, the data and the network they determine the weights.

    Attributes:
        epochs: passes over the images.
        batch: crops per step.
        lr: peak learning rate of AdamW: linear warm-up, then a cosine to 1 %.
        encoder_lr: factor of ``lr`` for the encoder; below 1 for a pretrained one.
        weight_decay: of weights with more than one dimension.
        warmup: share of the steps.
        ema: decay of the averaged weights, which are the result.
        balance: exponent of the classes' median-frequency weights (Eigen & Fergus 2015): 0 none, 1 full.
        dice: weight of a soft Dice loss, added to the cross-entropy.
        bf16: compute in bfloat16 under autocast.
        float16: store the weights in float16.
        threads: CPU threads; their number affects the last bits.
        init: checkpoint to start from (safetensors). Tensors with fitting name and shape are taken, so an encoder alone
            (``encoder.*``) or a network for other classes is enough.
    """

    epochs: int = Field(40, ge=1)
    batch: int = Field(8, ge=1)
    lr: float = Field(1e-3, gt=0, le=1)
    encoder_lr: float = Field(1.0, ge=0, le=1)
    weight_decay: float = Field(0.01, ge=0, le=1)
    warmup: float = Field(0.05, ge=0, le=0.5)
    ema: float = Field(0.998, ge=0, lt=1)
    balance: float = Field(0.0, ge=0, le=1)
    dice: float = Field(0.0, ge=0, le=10)
    bf16: bool = False
    float16: bool = False
    threads: int = Field(1, ge=1)
    init: Path | None = None


def train_segmenter(
    pairs: Sequence[Pair],
    plan: Mapping[str, Any],
    recipe: SegmentationRecipe,
    seed: int,
    stem: Path,
    *,
    provenance: Mapping[str, Any] | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    state: TrainingState | None = None,
) -> TrainedModel:
    """Train a network and write the average of its weights to ``stem.safetensors``, its plan to ``stem.yaml``.

    Only ``pairs`` affects the weights, which are those of the last step.

    Args:
        pairs: RGB ``(H, W, 3)`` uint8 images as the model sees them, with ``(H, W)`` class ids or VOID; read singly.
        plan: ``arch``, ``encoder``, ``options``, ``classes``, ``mean`` and ``std``, as the SMP adapter reads them.
        recipe: all other settings that affect the weights.
        seed: of initialisation, order, augmentation and dropout; the process's own random state is unchanged.
        stem: output path without suffix; files are written atomically.
        provenance: stored in the YAML.
        device: of the network.
        progress: called after each step.
        state: log of the training, and the checkpoint that it resumes from; None: neither is written.

    Raises:
        UserError: no images, labels that do not fit the images or the classes, an ``init`` without a fitting tensor, or
            a loss that is not finite.
    """
    if not len(pairs):
        raise UserError("no images to train on; check --dataset, --split and --limit")
    own_randomness = torch.random.fork_rng(devices=[device] if device.startswith("cuda") else [])
    with own_randomness, cpu_threads(recipe.threads):
        torch.manual_seed(seed)
        network = build_network(plan).to(device).to(memory_format=torch.channels_last)
        taken = _start_from(network, recipe.init) if recipe.init else (0, len(network.state_dict()))
        losses, average = _run(network, pairs, plan, recipe, np.random.default_rng(seed), device, progress, state)
    kept = dict(plan) | {"provenance": dict(provenance or {})}
    path = _write(average, kept, stem, half=recipe.float16)
    return TrainedModel(path, float(np.mean(losses[-max(len(losses) // 10, 1) :])), taken)


def _run(
    network: nn.Module,
    pairs: Sequence[Pair],
    plan: Mapping[str, Any],
    recipe: SegmentationRecipe,
    rng: np.random.Generator,
    device: str,
    progress: Progress | None,
    state: TrainingState | None,
) -> tuple[list[float], nn.Module]:
    """Return the loss of each step, and the averaged network."""
    run = StepState(network, deepcopy(network).eval(), _optimizer(network, recipe), Order(len(pairs), rng), rng, device)
    criterion = _Loss(len(plan["classes"]), pairs, recipe).to(device)
    mean, std = (torch.tensor(plan[key], device=device).view(1, 3, 1, 1) for key in ("mean", "std"))
    steps = max(round(recipe.epochs * len(pairs) / recipe.batch), 1)
    warmup = round(steps * recipe.warmup)
    losses = run.losses
    network.train()
    saved = state.load() if state is not None else None
    if state is not None and saved is not None:
        run.load(saved)
        state.say(f"resumes after step {len(losses)} of {steps}")
    logged = len(losses)
    for step in range(len(losses), steps):
        chosen = [_checked(pairs, run.order.next(), plan) for _ in range(recipe.batch)]
        images, labels = _batch(chosen, recipe, rng)
        images = ((images.to(device) - mean) / std).contiguous(memory_format=torch.channels_last)
        for group in run.optimizer.param_groups:
            group["lr"] = group["factor"] * recipe.lr * warmup_cosine(step, steps, warmup, ramp=warmup + 1)
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=recipe.bf16):
            logits = network(images)
        loss = criterion(logits.float(), labels.to(device))
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        run.optimizer.step()
        run.optimizer.zero_grad()
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]):
            raise UserError(f"the loss is {losses[-1]} at step {step + 1} of {steps}; lower the learning rate (lr)")
        update_average(run.average, network, ema_decay(recipe.ema, step, 200))
        if progress is not None:
            progress(step + 1, steps, losses[-1])
        epoch, last = (step + 1) * recipe.batch // len(pairs), step + 1 == steps
        if state is not None and (last or epoch > step * recipe.batch // len(pairs)):
            row = {"epoch": epoch, "step": step + 1, "loss": float(np.mean(losses[logged:]))}
            state.log(row, last=last)
            logged = len(losses)
            if state.due and not last:
                state.save(run.content())
    return losses, run.average


class _Loss(nn.Module):
    """Cross-entropy over the labelled pixels, optionally weighted by class and with a soft Dice loss."""

    weight: Tensor

    def __init__(self, classes: int, pairs: Sequence[Pair], recipe: SegmentationRecipe) -> None:
        super().__init__()
        import segmentation_models_pytorch as smp

        weight = _class_weights(classes, pairs, recipe.balance) if recipe.balance else torch.ones(classes)
        self.register_buffer("weight", weight)
        self.dice_weight = recipe.dice
        self.dice = smp.losses.DiceLoss(mode="multiclass", ignore_index=VOID) if recipe.dice else None

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of logits ``(B, K, H, W)`` and labels ``(B, H, W)`` int64; 0 without labelled pixels."""
        total = self.weight[labels[labels != VOID]].sum()
        loss = cross_entropy(logits, labels, self.weight, ignore_index=VOID, reduction="sum") / total.clamp(min=1e-6)
        return loss if self.dice is None else loss + self.dice_weight * self.dice(logits, labels)


def _class_weights(classes: int, pairs: Sequence[Pair], exponent: float) -> Tensor:
    """Return (median frequency / frequency) ** exponent; 1 for classes that never occur."""
    counts = np.zeros(256, dtype=np.int64)
    for _, labels in pairs:
        counts += np.bincount(labels.ravel(), minlength=256)
    frequency = counts[:classes].astype(np.float64)
    median = np.median(frequency[frequency > 0]) if frequency.any() else 1.0
    return torch.from_numpy(np.where(frequency > 0, (median / np.maximum(frequency, 1)) ** exponent, 1.0)).float()


def _optimizer(network: nn.Module, recipe: SegmentationRecipe) -> torch.optim.Optimizer:
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        groups.setdefault((name.startswith("encoder."), parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        {
            "params": parameters,
            "weight_decay": recipe.weight_decay if matrix else 0.0,
            "factor": recipe.encoder_lr if encoder else 1.0,
        }
        for (encoder, matrix), parameters in groups.items()
    )


def _checked(pairs: Sequence[Pair], index: int, plan: Mapping[str, Any]) -> Pair:
    image, labels = pairs[index]
    if image.shape[:2] != labels.shape:
        raise UserError(f"image {index + 1} is {image.shape[:2]} and its labels are {labels.shape}; they must be equal")
    classes = len(plan["classes"])
    unknown = labels[(labels >= classes) & (labels != VOID)]
    if unknown.size:
        raise UserError(f"image {index + 1} has label {unknown[0]}; labels are 0–{classes - 1} and 255")
    return image, labels


def _batch(pairs: Sequence[Pair], recipe: SegmentationRecipe, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return augmented images ``(B, 3, h, w)`` float32 in [0, 1] and labels ``(B, h, w)`` int64."""
    crops = [augment(image, labels, recipe, rng) for image, labels in pairs]
    images = torch.from_numpy(np.stack([image for image, _ in crops])).permute(0, 3, 1, 2)
    return images, torch.from_numpy(np.stack([labels for _, labels in crops])).long()


def _start_from(network: nn.Module, init: Path) -> tuple[int, int]:
    """Load fitting tensors; return (tensors taken, tensors of the network)."""
    try:
        given = load_file(require_file(str(init), "checkpoint"))
    except SafetensorError as error:
        raise UserError(f"{init} is not a safetensors file ({error}); give the weights as safetensors") from error
    own = network.state_dict()
    fitting = {key: value for key, value in given.items() if key in own and value.shape == own[key].shape}
    if not fitting:
        raise UserError(f"{init} has no fitting tensor, such as {next(iter(own))}; give one of the same encoder")
    network.load_state_dict(own | {key: value.to(own[key].dtype) for key, value in fitting.items()})
    return len(fitting), len(own)


def _write(network: nn.Module, plan: Mapping[str, Any], stem: Path, *, half: bool) -> Path:
    state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    if half:
        state = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    path = stem.with_name(f"{stem.name}.safetensors")
    text = yaml.safe_dump(dict(plan), sort_keys=False, allow_unicode=True)
    write_atomic(stem.with_name(f"{stem.name}.yaml"), text)
    write_atomic(path, save(state))
    return path
