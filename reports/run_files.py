"""Shapes of a run's JSON files, checked when a report reads them."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, NotRequired, TypeVar

from annotated_types import Ge, Le, Len
from pydantic import AfterValidator, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from sgz_bench.core.faults import first_fault

T = TypeVar("T")


def _inside(path: str) -> str:
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ValueError(f"{path!r} is outside the run's folder")
    return path


_Path = Annotated[str, AfterValidator(_inside)]


class Curves(TypedDict):
    """``curves.json`` of a cell: precision over recall at IoU 0.5."""

    recall: list[float]
    precision: dict[str, list[float | None]]


class GalleryEntry(TypedDict):
    """One pair of pictures."""

    enhancer: str
    image_id: int
    gain: float
    raw: _Path
    enhanced: _Path
    raw_labels: NotRequired[_Path]
    enhanced_labels: NotRequired[_Path]
    truth: NotRequired[_Path]


class Gallery(TypedDict):
    """``gallery/index.json``."""

    images: list[GalleryEntry]
    common: NotRequired[list[GalleryEntry]]


class _Image(TypedDict):
    id: int
    width: int
    height: int
    file_name: NotRequired[str]
    key: NotRequired[str]


class _Annotation(TypedDict):
    image_id: int
    category_id: int
    bbox: Annotated[list[float], Len(4, 4)]  # x, y, width, height


class _Category(TypedDict):
    id: int
    name: str


class Truth(TypedDict):
    """``truth.json``: COCO ground truth, or the images and classes of a segmentation."""

    images: list[_Image]
    classes: NotRequired[list[str]]
    class_ids: NotRequired[list[Annotated[int, Ge(0), Le(255)]]]
    annotations: NotRequired[list[_Annotation]]
    categories: NotRequired[list[_Category]]


class Prediction(TypedDict):
    """A record of ``predictions.json``."""

    image_id: int
    category_id: int
    bbox: Annotated[list[float], Len(4, 4)]
    score: float


class BrightnessRange(TypedDict):
    """Brightnesses at which a gain or a loss is shown."""

    where: Literal["below", "above", "between", "everywhere"]
    low: float
    high: float


class BrightnessCurve(TypedDict):
    """Differences of one enhancer over brightness."""

    points: list[Annotated[list[float | None], Len(4, 4)]]  # brightness, difference, low, high
    pays: BrightnessRange | None
    costs: BrightnessRange | None


class Brightness(TypedDict):
    """``brightness`` of ``decision.json``."""

    metric: str
    statistic: str
    images: int
    window: int  # images of one point
    reason: NotRequired[str]  # why there is no curve
    enhancers: dict[str, BrightnessCurve]


def check_shape(content: Any, kind: type[T]) -> T:
    """Return a file's content unchanged if it has the shape of ``kind``.

    Raises:
        ValueError: the first part that differs, in one line.
    """
    try:
        TypeAdapter(kind).validate_python(content, strict=True)
    except ValidationError as error:
        raise ValueError(first_fault(error)) from error
    checked: T = content
    return checked
