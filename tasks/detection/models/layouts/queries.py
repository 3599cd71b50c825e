"""DETR-like queries: class logits ``(1, Q, C)`` and boxes ``(1, Q, 4)`` as centre and size in fractions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .base import (
    FRACTIONS,
    IMAGENET_MEAN,
    IMAGENET_STD,
    Array,
    Candidates,
    Layout,
    Output,
    Preprocessing,
    Reading,
    activated,
    are_probabilities,
)

_MOST_QUERIES = 1000


class Detr(Layout):
    """DETR and its successors in Hugging Face's exports and their own.

    DETR, Conditional DETR's softmax relatives and YOLOS have a last column for no object; Deformable DETR, RT-DETR,
    D-FINE and RF-DETR have a sigmoid per class, and a query may report several classes. DETR and RF-DETR expect
    ImageNet's normalisation, RT-DETR and D-FINE plain fractions; all stretch here.
    """

    name, summary = "detr", "logits (1, Q, classes) and boxes (1, Q, 4) as centre and size in fractions"

    def read(self, outputs: Sequence[Output], size: tuple[int, int], *, strict: bool) -> Reading | None:
        threes = [(i, each) for i, each in enumerate(outputs) if each.array.ndim == 3 and each.array.shape[0] == 1]
        boxes = [(i, each) for i, each in threes if each.array.shape[2] == 4]
        boxes.sort(key=lambda each: not any(word in each[1].name for word in ("box", "dets")))
        if not boxes:
            return None
        slot, output = boxes[0]
        count = output.array.shape[1]
        logits = [(i, each) for i, each in threes if i != slot and each.array.shape[1] == count]
        named = [(i, each) for i, each in logits if any(word in each.name for word in ("logit", "labels", "class"))]
        plain = [(i, each) for i, each in logits if "hidden" not in each.name and "score" not in each.name]
        if strict and not named and (count > _MOST_QUERIES or len(plain) != 1 or are_probabilities(plain[0][1].array)):
            return None
        logits = named or plain
        if not logits or not output.array.min() >= 0 or output.array.max() > FRACTIONS:
            return None
        index, scores = logits[0]
        columns = scores.array.shape[2]
        softmax = columns == 92
        plain_input = not softmax and columns != 91 and output.name != "dets"
        taken = Preprocessing("stretch")
        if not plain_input:
            taken = Preprocessing("stretch", mean=IMAGENET_MEAN, std=IMAGENET_STD)
        return Reading(
            {"boxes": slot, "logits": index},
            taken,
            classes=columns,
            boxes="cxcywh",
            unit="fractions",
            activation="none" if are_probabilities(scores.array) else "softmax" if softmax else "sigmoid",
            background="last" if softmax else "either",
            nms=False,
            why=f"{scores.name} {scores.array.shape[1:]} and {output.name} {output.array.shape[1:]}",
        )

    def decode(self, arrays: dict[str, Array], size: tuple[int, int], reading: Reading) -> Candidates:
        scores = activated(arrays["logits"][0], reading.activation)
        if reading.background != "last":
            return Candidates(arrays["boxes"][0], scores)
        best = scores[:, :-1].argmax(axis=1)  # one class per query
        return Candidates(arrays["boxes"][0], scores[np.arange(len(best)), best], best.astype(np.int64))
