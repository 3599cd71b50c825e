"""Names that plugins import keep working after a move."""

from __future__ import annotations

import importlib

import pytest


@pytest.mark.parametrize(
    ("former", "present"),
    [
        *(
            (f"sgz_bench.tasks.types:{name}", f"sgz_bench.tasks.detection.types:{name}")
            for name in ("Detections", "Truth", "Sample", "DetectionDataset")
        ),
        ("sgz_bench.tasks.loading:choose", "sgz_bench.tasks.datasets:choose"),
        ("sgz_bench.tasks.loading:read_text", "sgz_bench.core.files:read_text"),
        ("sgz_bench.tasks.loading:read_yaml", "sgz_bench.core.files:read_yaml"),
        ("sgz_bench.tasks.segmentation.models.base:View", "sgz_bench.tasks.segmentation.models.base:InferenceConfig"),
    ],
)
def test_a_former_name_is_the_present_object(former: str, present: str) -> None:
    def load(target: str) -> object:
        module, _, attribute = target.partition(":")
        return getattr(importlib.import_module(module), attribute)

    assert load(former) is load(present)


def test_an_unknown_name_of_types_is_an_import_error() -> None:
    module = importlib.import_module("sgz_bench.tasks.types")
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = module.Nothing
