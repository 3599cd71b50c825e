"""Training of SMP networks on labelled images, the same bytes for the same seed on a CPU."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
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
from ..types import Image
from .augment import Augmentation, augment
from .models.smp import build_network
from .types import VOID, Labels

Pair = tuple[Image, Labels]


class SegmentationRecipe(Augmentation):
    """How a network is trained; with the seed, the data and the network it decides the weights.

    Attributes:
        epochs: how often each image is seen.
        batch: crops a step.
        lr: peak learning rate of AdamW: linear warm-up, then a cosine to 1 %.
        encoder_lr: factor of it for the encoder; below 1 where that is pretrained.
        weight_decay: of weights with more than one dimension.
        warmup: share of the steps.
        ema: of the averaged weights, which are the ones that are kept.
        balance: exponent of the classes' median-frequency weights (Eigen & Fergus 2015): 0 none, 1 in full.
        dice: weight of a soft Dice loss beside the cross-entropy.
        bf16: compute in bfloat16 where autocast does so.
        float16: keep the weights in half the space.
        threads: of a CPU; their number decides the last bits.
        init: checkpoint to start from (safetensors); tensors whose name and shape fit are taken, so that an encoder
            alone (``encoder.*``), or a network of other classes, will do.
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
) -> TrainedModel:
    """Train a network and write the average of its weights to ``stem.safetensors``, its plan to ``stem.yaml``.

    Nothing is chosen by any data but ``pairs``: the weights are those of the last step.

    Args:
        pairs: RGB ``(H, W, 3)`` uint8 as the model will see it and ``(H, W)`` class ids or VOID; read one at a time.
        plan: ``arch``, ``encoder``, ``options``, ``classes``, ``mean`` and ``std``, as the SMP adapter reads them.
        recipe: everything else that decides the weights.
        seed: of initialisation, order, augmentation and dropout; the process's own random state is left alone.
        stem: where to write, without suffix; the files appear whole or not at all.
        provenance: kept in the YAML.
        device: of the network.
        progress: called after each step.

    Raises:
        UserError: no images, labels that do not fit them or the classes, an ``init`` that gives nothing, or a loss
            that is no longer finite.
    """
    if not len(pairs):
        raise UserError("there are no images to train on; check --dataset, --split and --limit")
    own_randomness = torch.random.fork_rng(devices=[device] if device.startswith("cuda") else [])
    with own_randomness, cpu_threads(recipe.threads):
        torch.manual_seed(seed)
        network = build_network(plan).to(device).to(memory_format=torch.channels_last)
        taken = _start_from(network, recipe.init) if recipe.init else (0, len(network.state_dict()))
        losses, average = _run(network, pairs, plan, recipe, np.random.default_rng(seed), device, progress)
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
) -> tuple[list[float], nn.Module]:
    """The loss of each step, and the averaged network."""
    average = deepcopy(network).eval()
    optimizer = _optimizer(network, recipe)
    criterion = _Loss(len(plan["classes"]), pairs, recipe).to(device)
    mean, std = (torch.tensor(plan[key], device=device).view(1, 3, 1, 1) for key in ("mean", "std"))
    steps = max(round(recipe.epochs * len(pairs) / recipe.batch), 1)
    warmup = round(steps * recipe.warmup)
    order = _order(len(pairs), rng)
    losses: list[float] = []
    network.train()
    for step in range(steps):
        images, labels = _batch([_checked(pairs, next(order), plan) for _ in range(recipe.batch)], recipe, rng)
        images = ((images.to(device) - mean) / std).contiguous(memory_format=torch.channels_last)
        for group in optimizer.param_groups:
            group["lr"] = group["factor"] * recipe.lr * warmup_cosine(step, steps, warmup, ramp=warmup + 1)
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=recipe.bf16):
            logits = network(images)
        loss = criterion(logits.float(), labels.to(device))
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]):
            raise UserError(f"the loss is {losses[-1]} at step {step + 1} of {steps}; lower the learning rate (lr)")
        update_average(average, network, ema_decay(recipe.ema, step, 200))
        if progress is not None:
            progress(step + 1, steps, losses[-1])
    return losses, average


class _Loss(nn.Module):
    """Cross-entropy over the labelled pixels, weighted by class on request, with a soft Dice loss on request."""

    weight: Tensor

    def __init__(self, classes: int, pairs: Sequence[Pair], recipe: SegmentationRecipe) -> None:
        super().__init__()
        import segmentation_models_pytorch as smp

        weight = _class_weights(classes, pairs, recipe.balance) if recipe.balance else torch.ones(classes)
        self.register_buffer("weight", weight)
        self.dice_weight = recipe.dice
        self.dice = smp.losses.DiceLoss(mode="multiclass", ignore_index=VOID) if recipe.dice else None

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Logits ``(B, K, H, W)``, labels ``(B, H, W)`` int64; 0 where no pixel is labelled."""
        total = self.weight[labels[labels != VOID]].sum()
        loss = cross_entropy(logits, labels, self.weight, ignore_index=VOID, reduction="sum") / total.clamp(min=1e-6)
        return loss if self.dice is None else loss + self.dice_weight * self.dice(logits, labels)


def _class_weights(classes: int, pairs: Sequence[Pair], exponent: float) -> Tensor:
    """(median frequency / frequency) ** exponent; classes that never occur get 1."""
    counts = np.zeros(256, dtype=np.int64)
    for _, labels in pairs:
        counts += np.bincount(labels.ravel(), minlength=256)
    there = counts[:classes].astype(np.float64)
    median = np.median(there[there > 0]) if there.any() else 1.0
    return torch.from_numpy(np.where(there > 0, (median / np.maximum(there, 1)) ** exponent, 1.0)).float()


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


def _order(count: int, rng: np.random.Generator) -> Iterator[int]:
    """Every image once in random order, again and again."""
    while True:
        yield from rng.permutation(count).tolist()


def _checked(pairs: Sequence[Pair], index: int, plan: Mapping[str, Any]) -> Pair:
    image, labels = pairs[index]
    if image.shape[:2] != labels.shape:
        raise UserError(f"image {index + 1} is {image.shape[:2]} and its labels are {labels.shape}; they must agree")
    classes = len(plan["classes"])
    strange = labels[(labels >= classes) & (labels != VOID)]
    if strange.size:
        raise UserError(f"image {index + 1} has label {strange[0]}; there are {classes} classes (0–{classes - 1}, 255)")
    return image, labels


def _batch(pairs: Sequence[Pair], recipe: SegmentationRecipe, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Images ``(B, 3, h, w)`` float32 in [0, 1] and labels ``(B, h, w)`` int64."""
    crops = [augment(image, labels, recipe, rng) for image, labels in pairs]
    images = torch.from_numpy(np.stack([image for image, _ in crops])).permute(0, 3, 1, 2)
    return images, torch.from_numpy(np.stack([labels for _, labels in crops])).long()


def _start_from(network: nn.Module, init: Path) -> tuple[int, int]:
    """Load what fits; (tensors taken, tensors of the network)."""
    try:
        given = load_file(require_file(str(init), "checkpoint"))
    except SafetensorError as error:
        raise UserError(f"{init} is no safetensors file ({error}); give the weights as safetensors") from error
    own = network.state_dict()
    fitting = {key: value for key, value in given.items() if key in own and value.shape == own[key].shape}
    if not fitting:
        raise UserError(f"{init} gives no tensor that fits, such as {next(iter(own))}; give one of the same encoder")
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
