"""From a checked config to the cells of a run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sgz_bench.enhancer.images import to_tensor, to_uint8

from .config import DetectConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sgz_bench.enhancer.base import Enhancer
    from sgz_bench.tasks.darken import Darken
    from sgz_bench.tasks.detection.models.base import Detector
    from sgz_bench.tasks.types import DetectionDataset, Image, Sample

PROTOCOL = "frozen"


@dataclass(frozen=True)
class Cell:
    """The unit of work: one enhancer in front of one detector on one data set.

    Attributes:
        key: hash of all that can change the result; the name of the cell's folder.
        label: canonical spec, or ``bright`` for the well-lit upper bound.
        enhancer: what images pass through.
        darken: what they pass through before, if anything.
        twin: it takes the well-lit twins that the data set has, in place of its images.
    """

    key: str
    label: str
    enhancer: Enhancer
    darken: Darken | None
    twin: bool = False

    def path(self, sample: Sample) -> Path:
        """The file that the cell's images come from."""
        return sample.bright if self.twin and sample.bright is not None else sample.path

    def see(self, image: Image, key: str, device: str) -> Image:
        """The image as the model sees it: darkened, enhanced, 8 bits."""
        if self.darken is not None:
            image = self.darken(image, key)
        return to_uint8(self.enhancer(to_tensor(image).to(device)))


@dataclass(frozen=True)
class Plan:
    """Everything a run needs, loaded and checked before the first image.

    Attributes:
        config: as asked for.
        dataset: the samples, with class ids of the data set.
        dataset_fingerprint: sha256 over what was loaded.
        detector: the model.
        class_map: ``(model classes,)`` data set class or −1.
        classes: data set class ids that the model can find, ascending: the class list of the metrics.
        cells: ``bright`` first where there is one, then ``raw``, then the enhancers in the order given.
    """

    config: DetectConfig
    dataset: DetectionDataset
    dataset_fingerprint: str
    detector: Detector
    class_map: NDArray[np.int64]
    classes: tuple[int, ...]
    cells: tuple[Cell, ...]

    @property
    def class_names(self) -> list[str]:
        return [self.dataset.class_names[index] for index in self.classes]


def make_plan(config: DetectConfig, device: str) -> Plan:
    """Load data set, detector and enhancers.

    Raises:
        UserError: anything of the config that does not exist or does not fit.
    """
    from sgz_bench.enhancer import create_enhancer
    from sgz_bench.tasks.classes import map_classes, read_class_map
    from sgz_bench.tasks.darken import parse_darken
    from sgz_bench.tasks.detection.datasets import fingerprint, load_dataset
    from sgz_bench.tasks.detection.metrics import METRIC_VERSION
    from sgz_bench.tasks.detection.models import create_detector

    darken = parse_darken(config.darken, seed=config.seed) if config.darken else None
    enhancers = [create_enhancer(spec) for spec in config.enhancers]
    chosen = read_class_map(config.class_map) if config.class_map else None
    dataset = load_dataset(config.dataset, config.root, config.split, limit=config.limit)
    detector = create_detector(config.model, device)
    mapping = map_classes(detector.class_names, dataset.class_names, chosen)
    data_hash = fingerprint(dataset)

    def cell(label: str, enhancer: Enhancer, darkening: Darken | None, *, twin: bool = False) -> Cell:
        identity = [
            data_hash,
            twin,
            enhancer.fingerprint,
            [darkening.spec, darkening.version] if darkening else None,
            [detector.family, detector.version, detector.fingerprint, detector.settings],
            mapping.tolist(),
            [PROTOCOL, METRIC_VERSION],
        ]
        key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
        return Cell(key, label, enhancer.to(device), darkening, twin)

    # One enhancer under two specs, such as gamma and gamma(gamma=0.45), is one cell, called as it was first.
    named = {enhancer.fingerprint: enhancer for enhancer in reversed(enhancers)}
    cells = [cell(enhancer.spec, enhancer, darken) for enhancer in enhancers if named[enhancer.fingerprint] is enhancer]
    twins = all(sample.bright is not None for sample in dataset.samples)
    if darken or twins:
        cells.insert(0, cell("bright", create_enhancer("raw"), None, twin=twins))
    classes = tuple(sorted({int(index) for index in mapping if index >= 0}))
    return Plan(config, dataset, data_hash, detector, mapping, classes, tuple(cells))
