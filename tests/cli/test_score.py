"""``sgz-bench score`` on labels and predictions as tools write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from sgz_bench.__main__ import app

NAMES = ("1.png", "10.png", "2.png", "street.png")


def labels() -> dict[str, Any]:
    images = [{"id": 11 + index, "file_name": name, "width": 160, "height": 120} for index, name in enumerate(NAMES)]
    boxes = [[3 + 9 * index, 5, 40 + index, 30] for index in range(4)]
    return {
        "images": images,
        "annotations": [
            {
                "id": index,
                "image_id": 11 + index,
                "category_id": 1 + index % 2,
                "bbox": box,
                "iscrowd": None,
                "area": None,
            }
            for index, box in enumerate(boxes)
        ],
        "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "lamp"}],
    }


def perfect() -> list[dict[str, Any]]:
    """Predictions that equal the labels."""
    keys = ("image_id", "category_id", "bbox")
    return [{key: each[key] for key in keys} | {"score": 0.9} for each in labels()["annotations"]]


@pytest.fixture
def score(tmp_path: Path) -> Any:
    def call(truth: object, predictions: object, encoding: str = "utf-8") -> Result:
        for name, content in (("truth", truth), ("predictions", predictions)):
            (tmp_path / f"{name}.json").write_text(json.dumps(content), encoding=encoding)
        arguments = ["score", f"{tmp_path}/predictions.json", "--truth", f"{tmp_path}/truth.json"]
        return CliRunner().invoke(app, arguments)

    return call


def ap(result: Result) -> float:
    line = next(line for line in result.stdout.splitlines() if line.startswith("AP "))
    return float(line.split()[1])


def message(result: Result) -> str:
    assert result.exit_code == 2 or result.exception is not None
    text = str(result.exception)
    assert "\n" not in text
    return text


def changed(records: list[dict[str, Any]], **values: Any) -> list[dict[str, Any]]:
    return [
        each | {key: value(each) if callable(value) else value for key, value in values.items()} for each in records
    ]


def test_null_is_absent(score: Any) -> None:
    result = score(labels(), perfect())
    assert (result.exit_code, ap(result), result.stderr) == (0, 1.0, "")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks(score: Any, encoding: str) -> None:
    assert ap(score(labels(), perfect(), encoding)) == 1


@pytest.mark.parametrize("form", [str, float, lambda value: f"{value}.0"])
def test_ids_are_compared_by_value(score: Any, form: Any) -> None:
    predictions = changed(
        perfect(), image_id=lambda each: form(each["image_id"]), category_id=lambda each: form(each["category_id"])
    )
    result = score(labels(), predictions)
    assert (result.exit_code, ap(result), result.stderr) == (0, 1.0, "")


def test_file_names_decide_where_ids_contradict(score: Any) -> None:
    wrong = {11: 12, 12: 13, 13: 14, 14: 11}
    predictions = [
        each | {"image_id": wrong[each["image_id"]], "file_name": NAMES[each["image_id"] - 11]} for each in perfect()
    ]
    result = score(labels(), predictions)
    assert ap(result) == 1
    assert "image ids of 4 images differ from truth.json's, 1.png first (12); matched by file_name" in result.stderr


def test_stems_as_ultralytics_writes_them(score: Any) -> None:
    stems = {11: 1, 12: 10, 13: 2, 14: "street"}
    result = score(labels(), changed(perfect(), image_id=lambda each: stems[each["image_id"]]))
    assert ap(result) == 1
    assert "image ids are the stems of files" in result.stderr


def test_file_names_of_another_data_set_are_said(score: Any) -> None:
    result = score(labels(), changed(perfect(), file_name=lambda each: f"other/{each['image_id']}.jpg"))
    assert "no file_name, such as 'other/11.jpg', is one of truth.json's; matched by image_id" in result.stderr


@pytest.mark.parametrize("key", ["annotations", "predictions"])
def test_predictions_may_lie_in_a_mapping(score: Any, key: str) -> None:
    assert ap(score(labels(), {key: perfect()})) == 1


def test_predictions_of_detectron2_are_grouped_by_image(score: Any) -> None:
    assert ap(score(labels(), [{"image_id": each["image_id"], "instances": [each]} for each in perfect()])) == 1


def test_predictions_on_unlisted_images_are_counted(score: Any) -> None:
    result = score(labels(), [*perfect(), perfect()[0] | {"image_id": 99}])
    assert (result.exit_code, ap(result)) == (1, 1.0)
    assert "1 of 5 predictions on images that truth.json does not list, image 99 first; left out" in result.stderr


def test_a_bad_label_is_named_and_left_out(score: Any) -> None:
    truth = labels()
    truth["annotations"][3]["bbox"] = None
    result = score(truth, perfect())
    assert result.exit_code == 1
    assert "left out: truth.json, annotation 3: bbox None is not [x, y, width, height]" in result.stderr


def test_scores_in_quotes_and_percent(score: Any) -> None:
    result = score(labels(), changed(perfect(), score="95.5"))
    assert (result.exit_code, ap(result)) == (0, 1.0)
    assert "4 scores in quotes" in result.stderr
    assert "scores reach 95.5" in result.stderr


def corners(each: dict[str, Any]) -> list[float]:
    x, y, w, h = each["bbox"]
    return [x, y, x + w, y + h]


def far_labels() -> dict[str, Any]:
    """Labels in the right and lower parts of their images."""
    truth = labels()
    for each in truth["annotations"]:
        each["bbox"] = [100, 80, 40, 30]
    return truth


def test_corners_and_fractions_are_doubted(score: Any) -> None:
    keys = ("image_id", "category_id", "bbox")
    predictions = [{key: each[key] for key in keys} | {"score": 0.9} for each in far_labels()["annotations"]]
    assert score(far_labels(), predictions).stderr == ""
    assert (
        "doubtful: the predictions: 4 of 4 boxes reach far"
        in score(far_labels(), changed(predictions, bbox=corners)).stderr
    )
    fractions = changed(predictions, bbox=lambda each: [side / 160 for side in each["bbox"]])
    assert "the predictions: all 4 boxes are smaller than one pixel" in score(far_labels(), fractions).stderr
    truth = far_labels()
    truth["annotations"] = changed(truth["annotations"], bbox=lambda each: [side / 160 for side in each["bbox"]])
    assert "truth.json: all 4 boxes are smaller than one pixel" in score(truth, predictions).stderr


def test_images_need_no_file_name(score: Any) -> None:
    truth = labels()
    truth["images"] = [{"id": image["id"]} for image in truth["images"]]
    assert ap(score(truth, perfect())) == 1


def test_a_name_of_several_images_is_matched_by_id(score: Any) -> None:
    truth = labels()
    for image, name in zip(truth["images"], ("a/1.png", "b/1.png", "c/1.png", "a/2.png"), strict=True):
        image["file_name"] = name
    names = {11: "1.png", 12: "1.png", 13: "1.png", 14: "2.png"}
    result = score(truth, changed(perfect(), file_name=lambda each: names[each["image_id"]]))
    assert ap(result) == 1
    assert "1 file_name of predictions could be several images" in result.stderr


def test_repeats_are_dropped_from_labels_and_doubted_in_predictions(score: Any) -> None:
    truth = labels()
    truth["annotations"].append(truth["annotations"][0] | {"id": 9})
    assert ap(score(truth, perfect())) == 1
    result = score(truth, perfect() * 2)
    assert result.exit_code == 0
    assert "note: exact repeats of a label dropped: 1 of 5 labels, 1.png first" in result.stderr
    assert "doubtful: the predictions: 4 of 8 repeat the box and class of another" in result.stderr


def test_predictions_beyond_the_limit_are_counted(score: Any) -> None:
    many = [perfect()[0] | {"bbox": [1 + number / 9, 2, 30, 30], "score": 0.1} for number in range(103)]
    assert "note: 3 of 103 predictions are beyond the best 100 of their image and class" in score(labels(), many).stderr


@pytest.mark.parametrize(
    ("truth", "predictions", "said"),
    [
        ({"annotations": []}, None, "truth.json has no labelled box"),
        ({"annotations": changed(labels()["annotations"], iscrowd=1)}, None, "iscrowd is 1 in all annotations"),
        ({"categories": None}, None, "truth.json is not COCO detection JSON"),
        (None, [], "predictions.json has no predictions"),
        (
            None,
            [{"image_id": 99, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1}],
            "no prediction is on an image of",
        ),
        (None, {"x": 1}, "predictions.json is a mapping with the keys x, not a list of COCO results"),
        (None, labels(), "labels with images and categories, not predictions; give them as --truth"),
        (None, [{"image_id": 11, "category_id": 1, "keypoints": [1], "score": 1}], "keypoint results"),
        (None, [3], "prediction 1 is 3"),
        (
            None,
            [{"image_id": 11, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 1}],
            "category_id 3, which is none of",
        ),
        (None, [{"image_id": 11, "category_id": 0, "bbox": [1, 2, 3, 4], "score": 1}], "add 1 to each category_id"),
        (None, [{"image_id": 11, "category_id": 1, "bbox": None, "score": 1}], "prediction 1 has bbox None"),
        (
            None,
            [{"image_id": 11, "category_id": 1, "bbox": [1, 2, 3, 4], "score": None}],
            "prediction 1 has score None",
        ),
        (None, [{"image_id": 11, "category_id": 1, "bbox": [1, 2, 3, 4], "score": float("nan")}], "score nan"),
        (None, [{"image_id": 11, "category_id": 1, "bbox": [1, 2, -3, 4], "score": 1}], "prediction 1 has the box"),
    ],
)
def test_each_mistake_is_one_line_that_names_the_file(score: Any, truth: Any, predictions: Any, said: str) -> None:
    result = score(labels() | (truth or {}), perfect() if predictions is None else predictions)
    assert said in message(result)


def test_the_numberings_of_coco_are_told_apart(score: Any) -> None:
    holes = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
    official = [number for number in range(1, 91) if number not in holes]
    gapless = labels() | {"categories": [{"id": number, "name": f"c{number}"} for number in range(1, 81)]}
    gaps = labels() | {"categories": [{"id": number, "name": f"c{number}"} for number in official]}
    first = perfect()[0]
    assert "from 0, the labels have COCO's 91 ids" in message(score(gaps, [first | {"category_id": 0}]))
    assert "from 1, the labels have COCO's 91 ids" in message(score(gaps, [first | {"category_id": 12}]))
    assert "the predictions have COCO's 91 ids" in message(score(gapless, [first | {"category_id": 90}]))
