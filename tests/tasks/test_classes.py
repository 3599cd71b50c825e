"""Which class of a model stands for which class of a data set."""

from __future__ import annotations

from pathlib import Path

import pytest

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.classes import (
    CAMVID_CLASSES,
    CITYSCAPES_CLASSES,
    COCO_CLASSES,
    EXDARK_CLASSES,
    VOC_CLASSES,
    map_classes,
    read_class_map,
    segmentation_class_map,
)


def test_exdark_classes_come_from_the_published_coco_indices() -> None:
    mapping = map_classes(COCO_CLASSES, EXDARK_CLASSES)
    published = [1, 8, 39, 5, 2, 15, 56, 41, 16, 3, 0, 60]  # of the 12 classes in their order
    assert [mapping[index] for index in published] == list(range(12))
    assert (mapping >= 0).sum() == 12


def test_equal_lists_map_to_themselves() -> None:
    assert map_classes(COCO_CLASSES, COCO_CLASSES).tolist() == list(range(80))


def test_a_class_map_may_join_model_classes_and_leave_classes_out(tmp_path: Path) -> None:
    file = tmp_path / "map.yaml"
    file.write_text("vehicle: [car, bus]\nhuman: person\n")
    mapping = map_classes(["person", "car", "bus", "dog"], ["human", "vehicle", "animal"], read_class_map(file))
    assert mapping.tolist() == [0, 1, 1, -1]


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"vehicle": ["car"]}, "which the data set lacks"),
        ({"human": ["persn"]}, "did you mean 'person'"),
        ({"human": ["person"], "animal": ["person"]}, "to two classes"),
        (None, "share no class"),
    ],
)
def test_a_class_map_that_does_not_fit_is_one_clear_error(chosen: dict[str, list[str]] | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        map_classes(["person", "car"], ["human", "animal"], chosen)


def test_a_class_that_is_there_by_name_is_not_given_to_a_synonym() -> None:
    mapping = map_classes(["person", "car"], ["person", "People", "car"])
    assert mapping.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("model", "dataset", "mapping"),
    [
        (["motorcycle", "motor"], ["Motorbike"], [0, -1]),  # LVIS has electric motors beside motorcycles
        (["person", "pedestrian"], ["People"], [0, -1]),
        (["pedestrian", "people", "car"], ["person", "car"], [0, 0, 1]),  # VisDrone's two together
        (["person", "car"], ["pedestrian", "people", "car"], [0, 2]),
    ],
)
def test_the_first_synonym_that_the_model_has_is_taken(
    model: list[str], dataset: list[str], mapping: list[int]
) -> None:
    assert map_classes(model, dataset).tolist() == mapping


def test_in_label_maps_persons_are_no_pedestrians_because_riders_are_persons_too() -> None:
    mapping = segmentation_class_map(VOC_CLASSES, CAMVID_CLASSES)
    assert {VOC_CLASSES[index] for index in range(20) if mapping[index] >= 0} == {"car"}
    assert segmentation_class_map(["Pedestrian", "sofa"], ["pedestrian", "couch"]).tolist() == [0, 1]


def test_a_class_map_that_is_given_goes_before_the_built_in_one() -> None:
    mapping = segmentation_class_map(CITYSCAPES_CLASSES, CAMVID_CLASSES, {"Road": ["road", "sidewalk"]})
    assert mapping.tolist() == [3, 3] + [-1] * 17
