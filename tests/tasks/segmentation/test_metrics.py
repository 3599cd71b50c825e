"""Segmentation metrics against scikit-learn, segmentation-models-pytorch and loops over pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from sgz_bench.benchmarks.statistics import SeedMean, compare, permutation_p_values, resample_weights, slice_metrics
from sgz_bench.tasks.segmentation.metrics import (
    THRESHOLDS,
    ConfusionTable,
    confusion_matrix,
    image_iou,
    uncertain_counts,
)

Map = NDArray[np.uint8]
VOID = 255
K = 5
NAMES = ("road", "sky", "car", "tree", "train")


def make_maps(seed: int, images: int = 8) -> tuple[list[Map], list[Map], list[Map]]:
    """Truth and two systems' answers; class 4 is in neither, class 3 is only predicted."""
    rng = np.random.default_rng(seed)
    truth, raw, other = [], [], []
    for _ in range(images):
        labels = rng.integers(0, 3, (13, 17)).astype(np.uint8)
        labels[rng.random(labels.shape) < 0.1] = VOID
        truth.append(labels)
        for system, error in ((raw, 0.3), (other, 0.4)):
            answer = np.where(labels == VOID, 1, labels).astype(np.uint8)
            wrong = rng.random(labels.shape) < error
            answer[wrong] = rng.integers(0, 4, int(wrong.sum()))
            answer[rng.random(labels.shape) < 0.05] = VOID
            system.append(answer)
    return truth, raw, other


def table(truth: list[Map], answers: list[Map]) -> ConfusionTable:
    counts = [confusion_matrix(a, b, K) for a, b in zip(truth, answers, strict=True)]
    return ConfusionTable(np.arange(1, len(truth) + 1), np.array(counts))


def whole(cell: ConfusionTable) -> dict[str, float]:
    scores = cell.scores(np.ones((1, len(cell.image_ids)), dtype=int))
    return {name: float(values[0]) for name, values in scores.overall.items()}


def test_all_metrics_agree_with_scikit_learn_over_all_pixels() -> None:
    from sklearn.metrics import accuracy_score, jaccard_score, recall_score
    from sklearn.metrics import confusion_matrix as sk_confusion

    truth, answers, _ = make_maps(0)
    cell = table(truth, answers)
    y, z = np.concatenate([t.ravel() for t in truth]), np.concatenate([a.ravel() for a in answers])
    y, z = y[y != VOID], z[y != VOID]
    labels = [*range(K), VOID]
    assert np.array_equal(cell.counts.sum(axis=0), sk_confusion(y, z, labels=labels)[:K])

    scores = cell.scores(np.ones((1, len(truth)), dtype=int))
    present = [0, 1, 2, 3]  # in truth or prediction
    iou = jaccard_score(y, z, labels=present, average=None)
    assert scores.per_class["IoU"][0, present] == pytest.approx(iou, abs=1e-12)
    assert np.isnan(scores.per_class["IoU"][0, 4])
    recall = recall_score(y, z, labels=[0, 1, 2], average=None)
    assert scores.per_class["accuracy"][0, :3] == pytest.approx(recall, abs=1e-12)
    assert np.isnan(scores.per_class["accuracy"][0, 3:]).all()
    share = np.bincount(y, minlength=4)[:4] / len(y)
    assert whole(cell) == pytest.approx(
        {
            "mIoU": iou.mean(),
            "pixel_accuracy": accuracy_score(y, z),
            "mean_accuracy": recall.mean(),
            "fwIoU": (share * iou).sum(),
        },
        abs=1e-12,
    )


def test_class_iou_agrees_with_smp_where_its_definition_is_the_same() -> None:
    import segmentation_models_pytorch as smp
    import torch

    # SMP knows no "no class" and no undefined class, so neither occurs here; ignored pixels are -1 to it.
    truth, answers, _ = make_maps(1)
    answers = [np.where(answer == VOID, 0, answer).astype(np.uint8) for answer in answers]
    y = torch.tensor(np.stack(truth).astype(np.int64))
    y[y == VOID] = -1
    z = torch.tensor(np.stack(answers).astype(np.int64))
    parts = smp.metrics.get_stats(z, y, mode="multiclass", ignore_index=-1, num_classes=4)
    tp, fp, fn, tn = (part.sum(dim=0).double() for part in parts)
    iou = smp.metrics.iou_score(tp, fp, fn, tn, reduction=None)
    ours = table(truth, answers).scores(np.ones((1, len(truth)), dtype=int)).per_class["IoU"][0, :4]
    assert ours == pytest.approx(iou.numpy(), abs=1e-12)


def test_the_metric_is_of_the_set_and_not_a_mean_over_images() -> None:
    truth = [np.zeros((1, 4), np.uint8), np.array([[0, 1, 1, 1]], np.uint8)]
    answers = [np.array([[0, 0, 0, 1]], np.uint8), np.array([[0, 1, 1, 1]], np.uint8)]
    # class 0: 4 hits of 5 true and 4 predicted; class 1: 3 hits of 3 true and 4 predicted
    assert whole(table(truth, answers))["mIoU"] == pytest.approx((4 / 5 + 3 / 4) / 2, abs=1e-15)


@pytest.mark.parametrize("seed", range(5))
def test_pixels_are_counted_as_bincount_counts_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 256, (61, 83)).astype(np.uint8) % (K + 3)
    answer = rng.choice(np.array([0, 1, 2, 3, 4, 5, 200, VOID], dtype=np.uint8), truth.shape)
    scored = truth < K
    flat = truth[scored].astype(np.int64) * (K + 1) + np.minimum(answer[scored], K)
    wanted = np.bincount(flat, minlength=K * (K + 1)).reshape(K, K + 1)
    assert wanted[:, K].all()  # "no class" is among the answers
    assert np.array_equal(confusion_matrix(truth, answer, K), wanted)
    assert np.array_equal(confusion_matrix(truth[:, ::-1], answer[:, ::-1], K), wanted)


def test_maps_of_two_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="their sizes must be equal"):
        confusion_matrix(np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8), K)


def test_a_large_map_is_counted_in_several_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    rng = np.random.default_rng(0)
    truth, answer = (rng.choice([*range(K), 255], (1031, 1033)).astype(np.uint8) for _ in range(2))
    scored = truth < K
    said = np.minimum(answer[scored], K).astype(np.int64)
    wanted = np.bincount((K + 1) * truth[scored].astype(np.int64) + said, minlength=K * (K + 1)).reshape(K, K + 1)
    assert np.array_equal(confusion_matrix(truth, answer, K), wanted)


def test_label_maps_of_other_types_are_refused() -> None:
    with pytest.raises(ValueError, match="label maps must be uint8, not uint8 and int64"):
        confusion_matrix(np.zeros((2, 3), np.uint8), np.full((2, 3), -7), K)  # type: ignore[arg-type]


def test_without_truth_every_metric_is_undefined() -> None:
    nothing = table([np.full((4, 4), VOID, np.uint8)], [np.zeros((4, 4), np.uint8)])
    assert all(np.isnan(value) for value in whole(nothing).values())


def test_intervals_are_what_recomputing_from_resampled_and_shortened_lists_gives(
    student: Callable[..., tuple[float, float, float]],
) -> None:
    truth, raw, other = make_maps(2)
    found = compare(table(truth, raw), {"x": table(truth, other)}, {}, NAMES, seed=3, replicates=100)
    lists = np.random.default_rng([3, 0]).integers(len(truth), size=(100, len(truth)))

    def metrics(answers: list[Map], chosen: NDArray[np.int64]) -> tuple[float, float]:
        cell = table([truth[i] for i in chosen], [answers[i] for i in chosen])
        iou = cell.scores(np.ones((1, len(chosen)), dtype=int)).per_class["IoU"][0]
        return whole(cell)["mIoU"], float(iou[2])

    everything = np.arange(len(truth))
    without = [np.delete(everything, image) for image in everything]
    for position, delta in ((0, found["x"].delta["mIoU"]), (1, found["x"].delta_per_class["car"]["IoU"])):
        (observed,), resampled, shortened = (
            [metrics(other, chosen)[position] - metrics(raw, chosen)[position] for chosen in part]
            for part in ([everything], lists, without)
        )
        with_car = None if position == 0 else sum(bool((labels == 2).any()) for labels in truth)
        low, high, p = student(observed, resampled, shortened, with_car)
        assert [delta["low"], delta["high"]] == pytest.approx([low, high], abs=1e-12)
        assert delta["p"] == (pytest.approx(p) if position == 0 else None)
    assert found["x"].delta_per_class["train"]["IoU"]["value"] is None


def test_p_is_that_of_scoring_every_exchange_of_images() -> None:
    truth, raw, other = make_maps(4, images=5)
    swaps = ((np.arange(32)[:, None] >> np.arange(5)) & 1).astype(bool)
    p = permutation_p_values(table(truth, raw), table(truth, other), swaps)

    def difference(swap: NDArray[np.bool_]) -> float:
        first = [b if s else a for a, b, s in zip(raw, other, swap, strict=True)]
        second = [a if s else b for a, b, s in zip(raw, other, swap, strict=True)]
        return abs(whole(table(truth, second))["mIoU"] - whole(table(truth, first))["mIoU"])

    observed = difference(np.zeros(5, dtype=bool))
    assert p["mIoU"] == (1 + sum(difference(swap) >= observed - 1e-12 for swap in swaps)) / 33


def test_slices_are_the_metrics_of_their_images_alone() -> None:
    truth, raw, _ = make_maps(5, images=4)
    found = slice_metrics(table(truth, raw), {"condition": ["fog", "night", None, "night"]})
    night = table([truth[1], truth[3]], [raw[1], raw[3]])
    assert found["condition"]["night"]["mIoU"] == pytest.approx(whole(night)["mIoU"], abs=1e-12)
    assert found["condition"]["night"]["images"] == 2
    assert found["condition"]["night"]["pixels"] == sum(int((truth[i] != VOID).sum()) for i in (1, 3))


def test_gain_of_an_image_is_the_mean_iou_of_its_own_classes() -> None:
    truth = np.array([[0, 0, 1, VOID]], np.uint8)
    answer = np.array([[0, 3, 1, 1]], np.uint8)
    # class 0: 1 of 2; class 1: 1 of 1, as the void pixel does not count; class 3 is not in the truth
    assert image_iou(table([truth], [answer])) == pytest.approx([0.75], abs=1e-15)


def test_the_mean_over_seeds_is_the_mean_of_each_metric() -> None:
    truth, raw, other = make_maps(6)
    both = SeedMean((table(truth, raw), table(truth, other)))
    weights = resample_weights(len(truth), 5, seed=0)
    one, two = (member.scores(weights).overall["mIoU"] for member in both.members)
    assert both.scores(weights).overall["mIoU"] == pytest.approx((one + two) / 2, abs=1e-15)
    assert set(permutation_p_values(both, both, np.ones((3, len(truth)), dtype=bool)).values()) == {1.0}


def test_uiou_agrees_with_counting_pixels_at_every_threshold() -> None:
    rng = np.random.default_rng(7)
    truth, answer = (rng.integers(0, 3, (9, 11)).astype(np.uint8) for _ in range(2))
    truth[0, :3], answer[1, :2] = VOID, VOID
    invalid = rng.random(truth.shape) < 0.3
    confidence = rng.uniform(1 / 3, 1, truth.shape).astype(np.float32)
    counts = uncertain_counts(truth, invalid, answer, confidence, 3, 1 / 3)
    for t in range(THRESHOLDS):
        theta = 1 / 3 + t / THRESHOLDS * (1 - 1 / 3)
        sure = confidence.astype(np.float64) >= theta
        for c in range(3):
            true = (truth == c) & (truth != VOID)
            tp, fn = (true & (answer == c) & sure).sum(), (true & (answer != c) & sure).sum()
            fp = ((truth != c) & (truth != VOID) & (answer == c) & sure).sum()
            ti, fi = (true & ~sure & invalid).sum(), (true & ~sure & ~invalid).sum()
            assert counts[t, :, c].tolist() == [tp + ti, tp + ti + fp + fn + fi]


def test_uiou_of_a_model_that_is_always_sure_is_iou() -> None:
    truth, raw, _ = make_maps(8)
    sure = np.ones(truth[0].shape, dtype=np.float32)
    invalid = np.zeros(truth[0].shape, dtype=bool)
    uncertain = [uncertain_counts(t, invalid, a, sure, K, 1 / K) for t, a in zip(truth, raw, strict=True)]
    cell = ConfusionTable(np.arange(len(truth)), table(truth, raw).counts, np.array(uncertain))
    scores = whole(cell)
    assert scores["AUIoU"] == pytest.approx(scores["mIoU"], abs=1e-12)


def test_a_table_survives_its_file() -> None:
    truth, raw, _ = make_maps(9)
    cell = table(truth, raw)
    data = cell.to_bytes()
    back = ConfusionTable.from_bytes(data)
    assert np.array_equal(back.counts, cell.counts)
    assert np.array_equal(back.image_ids, cell.image_ids)
    assert back.uncertain is None
    assert back.to_bytes() == data
