"""Checkpoints of trainings: kept while they are needed, used only where they fit, and read without executing them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from sgz_bench.tasks import training_state
from sgz_bench.tasks.training_state import CHECKPOINT, LOG, TrainingState, remove_checkpoint

CONDITIONS = {"recipe": {"lr": 0.1}, "seed": 3, "classes": ("a", "b")}


def _state(folder: Path, notes: list[str] | None = None, **changes: Any) -> TrainingState:
    return TrainingState(folder, CONDITIONS | changes, (notes if notes is not None else []).append)


def test_a_checkpoint_returns_what_was_saved_and_the_log_goes_on_without_duplicates(tmp_path: Path) -> None:
    first = _state(tmp_path)
    assert first.load() is None
    first.log({"epoch": 1, "loss": 0.5})
    first.save({"network": {"weight": torch.arange(3)}, "order": [4, 2], "none": None})
    first.log({"epoch": 2, "loss": 0.25})  # of an epoch that will be repeated
    again = _state(tmp_path)
    content = again.load()
    assert content is not None
    assert content["network"]["weight"].tolist() == [0, 1, 2]
    assert (content["order"], content["none"]) == ([4, 2], None)
    again.log({"epoch": 2, "loss": 0.25})
    again.log({"epoch": 3, "loss": 1 / 3}, last=True)
    assert (tmp_path / LOG).read_text() == "epoch,loss\n1,0.5\n2,0.25\n3,0.3333333\n"


@pytest.mark.parametrize("changes", [{"recipe": {"lr": 0.2}}, {"seed": 4}, {"classes": ("b", "a")}, {"start": "x"}])
def test_a_checkpoint_of_another_training_is_not_used(tmp_path: Path, changes: dict[str, Any]) -> None:
    _state(tmp_path).save({"step": 1})
    notes: list[str] = []
    assert _state(tmp_path, notes, **changes).load() is None
    (key,) = changes
    assert notes == [f"{tmp_path / CHECKPOINT} is of a training that differs in {key}; the training starts over"]


def test_any_damaged_byte_is_noticed(tmp_path: Path) -> None:
    _state(tmp_path).save({"weight": torch.zeros(50)})
    path = tmp_path / CHECKPOINT
    whole = path.read_bytes()
    assert torch.load(path, weights_only=True)["state"]["weight"].shape == (50,)  # as people may open it
    damaged = [whole[:-1], whole[: len(whole) // 2], b"", b"text", whole + b"x"]
    damaged += [whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :] for place in range(0, len(whole), 97)]
    for content in damaged:
        path.write_bytes(content)
        notes: list[str] = []
        assert _state(tmp_path, notes).load() is None
        assert len(notes) == 1
        assert f"{path} is damaged" in notes[0]


def test_a_checkpoint_with_code_in_it_is_not_executed(tmp_path: Path) -> None:
    import hashlib
    import pickle

    class Code:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "executed",))

    content = pickle.dumps({"state": Code(), "rows": [], "conditions": "{}"}, protocol=2)
    (tmp_path / CHECKPOINT).write_bytes(content + hashlib.sha256(content).digest())
    notes: list[str] = []
    assert _state(tmp_path, notes).load() is None
    assert len(notes) == 1
    assert not (tmp_path / "executed").exists()


def test_checkpoints_are_rare_where_they_cost_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(training_state, "monotonic", lambda: now)
    state = _state(tmp_path)
    assert not state.due
    now = 30.0
    assert state.due

    def slow(_path: Path, _data: bytes) -> None:
        nonlocal now
        now += 5

    monkeypatch.setattr(training_state, "write_atomic", slow)
    state.save({})
    now += 99
    assert not state.due
    now += 1
    assert state.due


def test_a_checkpoint_is_removed_once(tmp_path: Path) -> None:
    _state(tmp_path).save({})
    remove_checkpoint(tmp_path)
    assert list(tmp_path.iterdir()) == []
    remove_checkpoint(tmp_path)
    remove_checkpoint(tmp_path / "missing")
