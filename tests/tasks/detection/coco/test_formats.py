"""Recognition of JSON files that are no COCO results, and notes on predictions."""

from __future__ import annotations

import json
from pathlib import Path

from sgz_bench.tasks.detection.coco.formats import what_results_are
from sgz_bench.tasks.detection.coco.labels import read_labels
from sgz_bench.tasks.detection.coco.predictions import read_predictions


def test_predictions_beside_images_and_categories_are_results() -> None:
    content = {"images": [], "categories": [], "annotations": [{"image_id": 1, "score": 0.5}]}
    assert what_results_are(content) == ""
    content["annotations"] = [{"image_id": 1}]
    assert "give them as --truth" in what_results_are(content)


def test_half_a_file_of_predictions_and_equal_scores_are_told(tmp_path: Path) -> None:
    box = {"category_id": 1, "bbox": [1, 2, 3, 4]}
    truth = {
        "images": [{"id": number, "file_name": f"{number}.jpg"} for number in (7, 8, 9)],
        "categories": [{"id": 1, "name": "car"}],
        "annotations": [{"image_id": number, **box} for number in (7, 8)],
    }
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    labels = read_labels(tmp_path / "truth.json", files=False)
    for images, notes in (([7, 8], []), ([7, 9], ["1 of 2 labelled images has no prediction, 8.jpg first"])):
        path = tmp_path / "predictions.json"
        path.write_text(json.dumps([{"image_id": each, "score": each / 10, **box} for each in images]))
        assert [note for note in read_predictions(path, labels).notes if "labelled" in note] == notes
        path.write_text(json.dumps([{"image_id": 7, "score": 1, **box}] * 21))
        assert "all scores are 1, so AP depends on" in read_predictions(path, labels).notes[0]
