"""Recognition of JSON files that are no COCO results."""

from __future__ import annotations

from sgz_bench.tasks.detection.coco.formats import what_results_are


def test_predictions_beside_images_and_categories_are_results() -> None:
    content = {"images": [], "categories": [], "annotations": [{"image_id": 1, "score": 0.5}]}
    assert what_results_are(content) == ""
    content["annotations"] = [{"image_id": 1}]
    assert "give them as --truth" in what_results_are(content)
