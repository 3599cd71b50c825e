"""Recognition of JSON files that are not COCO labels or COCO results, so that the error names what they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import read_json

_EXPORT = "export it as COCO JSON from the tool that wrote it"
_SPLIT = "choose the instances file of a split that has labels"


def read_content(path: Path, fix: str) -> Any:
    """Read a JSON file; name a compressed or empty one.

    Raises:
        UserError: the file is missing, empty, compressed or damaged.
    """
    try:
        head = b"?"
        if path.is_file():  # what is read from a pipe is gone
            with path.open("rb") as file:
                head = file.read(4)
    except OSError:
        head = b"?"
    if not head:
        raise UserError(f"{path} is empty (0 bytes); {fix}")
    for magic, kind, tool in ((b"\x1f\x8b", "gzip", "gunzip"), (b"PK\x03\x04", "zip", "unzip")):
        if head.startswith(magic):
            raise UserError(f"{path} is {kind}-compressed; unpack it first, for example with {tool}")
    try:
        return read_json(path, fix)
    except UserError as error:
        if head.lstrip().startswith(b"{") and "Extra data" in str(error):
            raise UserError(f"{path} holds several JSON objects, one after another; write them as one list") from error
        raise


def what_labels_are(content: Any) -> str:
    """Return what content that should be COCO labels is instead, and the fix; empty if it looks like COCO labels.

    Keys were taken from the tools' own files.
    """
    if isinstance(content, list):
        return _what_list(content)
    if not isinstance(content, Mapping):
        return f"a {_kind(content)}; it needs images, annotations, categories"
    foreign = _foreign(content)
    if foreign:
        return foreign
    missing = [name for name in ("images", "annotations", "categories") if content.get(name) is None]
    if missing == ["annotations"]:
        return f"a list of images without labels, as for test splits whose labels are withheld; {_SPLIT}"
    if missing:
        return f"JSON without {' and '.join(missing)}; it needs images, annotations, categories"
    for name in ("images", "annotations", "categories"):
        if not isinstance(content[name], list):
            return f"JSON whose {name} are a {_kind(content[name])}, not a list"
    labels = [each for each in content["annotations"][:20] if isinstance(each, Mapping)]
    if labels and not any("bbox" in each or "segmentation" in each for each in labels):
        if any("segments_info" in each for each in labels):
            return f"panoptic labels; {_SPLIT}"
        if any("caption" in each for each in labels):
            return f"image captions; {_SPLIT}"
        if any("keypoints" in each for each in labels):
            return "keypoints without boxes; add a bbox to each annotation"
    return ""


def what_results_are(content: Any) -> str:
    """Return what content that should be a list of COCO results is instead, and the fix; empty if it may be one."""
    if isinstance(content, Mapping):
        if {"images", "annotations", "categories"} <= content.keys() and not _has_scores(content["annotations"]):
            return "labels with images and categories, not predictions; give them as --truth"
        return _foreign(content)
    if isinstance(content, list) and content and isinstance(content[0], Mapping):
        first = content[0]
        if "bbox" not in first and "segmentation" not in first:
            if "keypoints" in first:
                return "keypoint results without boxes; predict boxes, or add a bbox to each result"
            if "caption" in first:
                return "captions, not boxes"
            if "segments_info" in first:
                return "panoptic results, not boxes"
            if {"boxes", "bboxes"} & first.keys() and "scores" in first:
                return "arrays of boxes per image; write one object with image_id, category_id, bbox, score per box"
            return "" if "image_id" in first else _what_list(content)
    return ""


def _has_scores(annotations: Any) -> bool:
    """Return True for predictions in the place of annotations, as tools with a COCO export of predictions write."""
    return isinstance(annotations, list) and any(
        isinstance(each, Mapping) and each.get("score") is not None for each in annotations
    )


def _what_list(content: list[Any]) -> str:
    first = content[0] if content else None
    if not isinstance(first, Mapping):
        return f"a list of {_kind(first) if content else 'nothing'}; it needs images, annotations, categories"
    if "score" in first and "image_id" in first:
        return "a list of predictions, not labels; give the file of labels"
    if "image" in first and "annotations" in first and "data" not in first:
        return f"CreateML JSON; {_EXPORT}"
    if "labels" in first and "name" in first:
        return "Scalabel (BDD100K) JSON; load it with --dataset bdd100k, or export it as COCO JSON"
    if "data" in first or "completions" in first:
        return "Label Studio's own JSON; export from Label Studio as COCO"
    if "Label" in first or "data_row" in first:
        return f"Labelbox JSON; {_EXPORT}"
    if "image_id" in first and "bbox" in first:
        return "a list of annotations alone; it needs images, annotations, categories"
    return "a list; it needs images, annotations, categories"


_FOREIGN = (  # keys that all must be present, the format, the fix
    (
        {"shapes", "imagePath"},
        "LabelMe JSON of one image",
        "convert the folder to COCO JSON, for example by labelme2coco",
    ),
    ({"_via_img_metadata"}, "a VGG Image Annotator (VIA) project", "export it from VIA as COCO"),
    ({"frames", "config"}, "Scalabel (BDD100K) JSON", "load it with --dataset bdd100k, or export it as COCO JSON"),
    ({"features", "type"}, "GeoJSON", _EXPORT),
    ({"samples", "media_type"}, "FiftyOne's own JSON", "export from FiftyOne as COCODetectionDataset"),
    ({"objects", "size"}, "Supervisely JSON of one image", _EXPORT),
    ({"classes", "tags"}, "the list of classes of a Supervisely project", _EXPORT),
    ({"items", "categories"}, "Datumaro JSON", "export it as COCO: `datum convert -f coco_instances`"),
    ({"openlabel"}, "OpenLABEL JSON", _EXPORT),
    ({"item", "annotations", "version"}, "Darwin (V7) JSON", _EXPORT),
    ({"objects", "imgHeight"}, "Cityscapes polygons of one image", "load Cityscapes as a segmentation data set"),
)


def _foreign(content: Mapping[str, Any]) -> str:
    if {"images", "annotations"} <= content.keys():
        return ""
    for keys, name, fix in _FOREIGN:
        if keys <= content.keys():
            return f"{name}; {fix}"
    values = list(content.values())
    if values and all(isinstance(each, Mapping) and {"filename", "regions"} <= each.keys() for each in values[:5]):
        return "VGG Image Annotator (VIA) JSON; export it from VIA as COCO"
    return ""


def _kind(value: Any) -> str:
    names = {dict: "mapping", list: "list", str: "text", bool: "flag", int: "number", float: "number"}
    return names.get(type(value), "null")
