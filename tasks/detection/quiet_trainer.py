"""Ultralytics' trainer, quiet and resumable with the same bits.

Ultralytics' own resume differs from an uninterrupted training: it stores float16, and neither the random states, the
accumulated gradients, the order of the images nor the mosaic buffer.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from sgz_bench.core.errors import UserError

from ..training import Progress
from ..training_state import TrainingState, restore_torch_random, torch_random
from ..ultralytics import detection_trainer


def quiet_trainer() -> Any:
    """Return Ultralytics' trainer without validation, third-party callbacks, intermediate checkpoints and downloads."""
    base: Any = detection_trainer()

    class Quiet(base):  # type: ignore[misc]
        """The trainer. Ultralytics lets classes report to its platform if their name contains the base's."""

        batch_size: int

        def __init__(
            self,
            overrides: dict[str, Any],
            data: dict[str, Any],
            start: tuple[Any, Any],
            progress: Progress | None,
            state: TrainingState | None,
        ) -> None:
            self.given, self.start, self.progress, self.state = data, start, progress, state
            self.final_loss, self.taken = float("nan"), (0, 0)
            self.batches = 0  # of this epoch
            self.last_step = -1  # batch of the last step of the optimizer
            self.offset = 0
            self.saved: dict[str, Any] | None = None
            super().__init__(overrides=overrides)

        @property
        def accumulate(self) -> int:
            """Batches per step of the optimizer, plus those since step -1, from which a resumed loop counts."""
            return self.nominal_accumulate + self.offset

        @accumulate.setter
        def accumulate(self, count: int) -> None:
            self.nominal_accumulate = count

        @property
        def batch_index(self) -> int:
            """Index of the present batch, counted over all epochs."""
            return int(self.epoch * len(self.train_loader) + self.batches)

        def get_dataset(self) -> dict[str, Any]:
            return self.given

        def setup_model(self) -> None:
            weights, plan = self.start
            try:
                self.model = self.get_model(cfg=plan, weights=weights, verbose=False)
            except Exception as error:  # every layer has its own errors
                raise UserError(f"{plan} is not a detector's architecture ({' '.join(str(error).split())})") from error
            given = weights.state_dict() if weights is not None else {}
            own = self.model.state_dict()
            fitting = sum(key in own and value.shape == own[key].shape for key, value in given.items())
            self.taken = (fitting, len(own))

        def get_dataloader(self, dataset_path: str, batch_size: int = 16, rank: int = 0, mode: str = "train") -> Any:
            if mode == "val":  # requested, never read
                return self.train_loader
            return super().get_dataloader(dataset_path, batch_size, rank, mode)

        def run_callbacks(self, event: str) -> None:
            if event == "on_train_epoch_start":
                self.batches = 0
                if self.saved is not None:
                    self.continue_from(self.saved)
                    self.saved = None
            elif event == "on_train_batch_end":
                self.batches += 1
                if self.progress is not None:
                    per_image = float(self.loss.detach()) / self.batch_size
                    self.progress(self.batch_index, len(self.train_loader) * self.epochs, per_image)
            elif event == "on_fit_epoch_end" and self.state is not None:
                self.end_epoch(self.state)

        def end_epoch(self, state: TrainingState) -> None:
            parts = {name: float(value) for name, value in self.tloss.items()}
            last = self.epoch + 1 == self.epochs
            state.log({"epoch": self.epoch + 1, "step": self.batch_index, "loss": self.final_loss, **parts}, last=last)
            if state.due and not last:
                state.save(self.content())

        def content(self) -> dict[str, Any]:
            """Return the content of a checkpoint, after an epoch."""
            gradients = {name: each.grad for name, each in self.model.named_parameters() if each.grad is not None}
            return {
                "epoch": self.epoch + 1,
                "batch": self.batch_size,  # Ultralytics halves it when a GPU's memory is full
                "network": self.model.state_dict(),
                "average": self.ema.ema.state_dict(),
                "updates": self.ema.updates,
                "optimizer": self.optimizer.state_dict(),
                "gradients": gradients,  # accumulated since the last step
                "last_step": self.last_step,
                "buffer": list(self.train_loader.dataset.buffer),
                "random": _random_states(str(self.device)),
            }

        def resume_training(self, _ckpt: object) -> None:
            """Load what decides the setup of the loop, which calls this at its end."""
            saved = self.state.load() if self.state is not None else None
            if self.state is None or saved is None:
                return
            self.saved = saved
            if saved["batch"] != self.batch_size:
                self.args.batch = self.batch_size = saved["batch"]
                self._build_train_pipeline()
            self.model.load_state_dict(saved["network"])
            self.ema.ema.load_state_dict(saved["average"])
            self.ema.updates = saved["updates"]
            self.optimizer.load_state_dict(saved["optimizer"])
            self.start_epoch = saved["epoch"]
            criterion = self.model.init_criterion()
            if hasattr(criterion, "update"):  # weights that change with the epoch
                for _ in range(self.start_epoch):
                    criterion.update()
                self.model.criterion = criterion
            self.state.say(f"resumes after epoch {self.start_epoch} of {self.epochs}")

        def continue_from(self, saved: Mapping[str, Any]) -> None:
            """Load what the start of the loop would change: gradients, images and random states."""
            for name, each in self.model.named_parameters():
                if name in saved["gradients"]:
                    each.grad = saved["gradients"][name].to(self.device)
            self.last_step, self.offset = saved["last_step"], saved["last_step"] + 1
            for index in saved["buffer"]:
                self.train_loader.dataset.load_image(index)  # appends it to the mosaic buffer
            closing = max(self.epochs - self.args.close_mosaic, 0) if self.args.close_mosaic else self.epochs
            _replay_order(self.train_loader, self.start_epoch, closing)
            _restore_random_states(saved["random"], str(self.device))

        def optimizer_step(self) -> None:
            super().optimizer_step()
            self.last_step, self.offset = self.batch_index, 0

        def validate(self) -> tuple[dict[str, float], float]:
            return {}, 0.0

        def _handle_nan_recovery(self, epoch: int) -> bool:
            self.final_loss = sum(float(part) for part in self.tloss.values())
            if not np.isfinite(self.final_loss):
                raise UserError(f"the loss is not finite in epoch {epoch + 1}; lower the learning rate (lr0)")
            return False

        def save_metrics(self, metrics: Mapping[str, Any]) -> None:
            pass

        def save_model(self) -> bool:
            return True

        def final_eval(self) -> None:
            pass

    return Quiet


def _replay_order(loader: Any, epochs: int, closing: int) -> None:
    """Bring the order of the images to where it is after some epochs.

    Args:
        loader: Ultralytics' loader, which shuffles with a generator of its own and loads in this process.
        epochs: epochs that are done.
        closing: epoch before which the loader is reset, as mosaics end there.
    """
    parts = [epochs] if epochs <= closing else [closing, epochs - closing] if closing else [epochs]
    for part in parts:
        loader.iterator = loader._get_iterator()
        for _ in range(part * len(loader)):
            loader.iterator._next_index()
    if epochs > closing:
        loader.reset = lambda: None  # the resumed loop would reset it once more


def _random_states(device: str) -> dict[str, Any]:
    """Return the states of the process's random generators, Python's, NumPy's and PyTorch's, as plain values."""
    version, numbers, gauss = random.getstate()
    name, keys, *others = np.random.get_state()  # noqa: NPY002
    words = torch.from_numpy(np.asarray(keys).astype(np.int64))
    return {
        "python": (version, list(numbers), gauss),
        "numpy": (str(name), words, *others),
        "torch": torch_random(device),
    }


def _restore_random_states(states: Mapping[str, Any], device: str) -> None:
    """Restore the states that :func:`_random_states` returned."""
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers), gauss))
    name, words, *others = states["numpy"]
    np.random.set_state((name, words.numpy().astype(np.uint32), *others))  # noqa: NPY002
    restore_torch_random(states["torch"], device)
