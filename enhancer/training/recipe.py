"""Training recipes: a YAML file of ``configs/train`` or of the user, validated, with command-line settings on top."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from sgz_bench.core.errors import UserError
from sgz_bench.core.faults import first_fault
from sgz_bench.core.files import parse_setting, parse_yaml, read_yaml
from sgz_bench.core.registry import suggest

from .guidance import Kind, Objective

PACKAGE = "sgz_bench.configs"
_SCI_TERMS = {"fidelity", "smoothness"}


class CropConfig(BaseModel):
    """Crops and their darkened views. All ranges are sampled uniformly.

    Attributes:
        crop: side of the square crop, or of the resized picture, in pixels.
        whole: resize the whole picture, as upstream does, instead of cropping.
        scale: range of the factor that scales a picture before the crop.
        ev: range of the underexposure of the dark view, in stops; None: the picture is used as it is.
        full_well, read_noise: ranges of the sensor's parameters, in electrons.
        tint: largest relative change of each channel's gain.
        uneven: largest smooth falloff of the light across a view, in stops, as under street lamps.
        bright: share of the crops that are not darkened, so that the method learns to keep well-lit images.
        brightest: smallest mean level, in [0, 1], of the pictures that are used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    crop: int = Field(256, ge=32, le=2048)
    whole: bool = False
    scale: tuple[float, float] = (0.75, 1.5)
    ev: tuple[float, float] | None = (0.0, 6.0)
    full_well: tuple[float, float] = (2000.0, 8000.0)
    read_noise: tuple[float, float] = (2.0, 5.0)
    tint: float = Field(0.2, ge=0, le=0.9)
    uneven: float = Field(0.0, ge=0, le=16)
    bright: float = Field(0.0, ge=0, le=1)
    brightest: float = Field(0.0, ge=0, le=1)

    @field_validator("scale", "ev", "full_well", "read_noise")
    @classmethod
    def _check_bounds(cls, bounds: tuple[float, float] | None) -> tuple[float, float] | None:
        if bounds is not None and not 0 <= bounds[0] <= bounds[1]:
            raise ValueError("write two bounds that are at least 0, the lower one first")
        return bounds


class LossWeights(BaseModel):
    """Weights of the loss terms; a term of weight 0 is not computed.

    Attributes:
        tv, spatial, color, exposure: terms of these names in :mod:`.losses`, for curve networks.
        semantic: loss of the guidance network.
        identity: change of the better-lit view under enhancement.
        neutrality: colour cast of the enhanced better-lit view after its conversion to grey.
        fidelity, smoothness: terms of SCI's illumination; only for network ``sci``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    tv: float = Field(0.0, ge=0)
    spatial: float = Field(0.0, ge=0)
    color: float = Field(0.0, ge=0)
    exposure: float = Field(0.0, ge=0)
    semantic: float = Field(0.0, ge=0)
    identity: float = Field(0.0, ge=0)
    neutrality: float = Field(0.0, ge=0)
    fidelity: float = Field(0.0, ge=0)
    smoothness: float = Field(0.0, ge=0)

    @model_serializer(mode="wrap")
    def _omit_unused_sci_terms(self, dump: SerializerFunctionWrapHandler) -> dict[str, float]:
        """Leave out SCI's terms if they are 0: recipes without them keep the fingerprint they had before SCI."""
        return {name: weight for name, weight in dump(self).items() if weight or name not in _SCI_TERMS}


class GuidanceConfig(BaseModel):
    """The frozen guidance network and its loss.

    Attributes:
        kind: ``none``, ``upstream``, ``segmentation`` or ``features``.
        model: for ``segmentation``, a model spec as for ``sgz-bench segment``; for ``features``, an Ultralytics
            ``.pt`` file or the name of an SMP encoder; for ``upstream``, empty or a ``resnet50`` state dict.
        objective, confidence: see :class:`.guidance.SegmentationGuidance`.
        batch_statistics: see :class:`.guidance.UpstreamGuidance`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Kind = "none"
    model: str = ""
    objective: Objective = "focal"
    confidence: float = Field(0.7, ge=0, le=1)
    batch_statistics: bool = False


class EnhancerRecipe(BaseModel):
    """Settings of one training.

    Field names and their order are part of the fingerprint that shipped weights carry; do not change them.

    Attributes:
        network: ``sgz`` (also Zero-DCE++'s network), ``zero-dce``, or ``sci``.
        scale: the factor map is estimated on an image this many times smaller.
        steps: optimizer steps; None: computed from ``epochs``.
        epochs: number of pictures to sample, in passes over the data; pictures are sampled with replacement.
        batch: crops per step and process.
        lr, weight_decay: parameters of Adam.
        clip: largest norm of the gradient.
        decoupled: decay weights as AdamW does; False adds the decay to the gradient, as upstream's Adam does.
        schedule: of the learning rate.
        ema: decay of the averaged weights, which are the result; 0 uses the last weights.
        losses, views, guidance: see :class:`LossWeights`, :class:`CropConfig` and :class:`GuidanceConfig`.
        patch, diagonal: of :func:`.losses.spatial_consistency`.
        exposure_level: of :func:`.losses.exposure`.
        precision: mixed precision: ``no``, ``bf16`` or ``fp16``.
        init: ``he`` preserves the signal's variance from layer to layer (He et al. 2015; gain of a linear layer before
            1×1 convolutions) and starts near the identity; a number is a standard deviation, as in Zero-DCE; None is
            PyTorch's default, as in SGZ and Zero-DCE++, and for ``sci`` upstream's initialisation.
        seed: of all random draws.
        threads: CPU threads; their number decides the last bits of the result.
        validate_every, sheet_every, save_every: intervals in steps.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    network: Literal["sgz", "zero-dce", "sci"] = "sgz"
    scale: int = Field(1, ge=1, le=64)
    steps: int | None = Field(default=None, ge=1)
    epochs: int | None = Field(default=None, ge=1)
    batch: int = Field(4, ge=1)
    lr: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    decoupled: bool = True
    clip: float = Field(0.1, gt=0)
    schedule: Literal["constant", "cosine", "one-cycle"] = "cosine"
    ema: float = Field(0.0, ge=0, lt=1)
    losses: LossWeights = LossWeights()
    views: CropConfig = CropConfig()
    guidance: GuidanceConfig = GuidanceConfig()
    patch: int = Field(4, ge=1)
    exposure_level: float = Field(0.6, ge=0, le=1)
    diagonal: float = Field(0.5, ge=0)
    precision: Literal["no", "bf16", "fp16"] = "no"
    init: Annotated[float, Field(ge=0)] | Literal["he"] | None = None
    seed: int = Field(0, ge=0, lt=2**63)
    threads: int = Field(1, ge=1)
    validate_every: int = Field(100, ge=1)
    sheet_every: int = Field(500, ge=1)
    save_every: int = Field(100, ge=1)

    @model_validator(mode="after")
    def _check_consistency(self) -> EnhancerRecipe:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("set either steps or epochs")
        if self.losses.semantic and self.guidance.kind == "none":
            raise ValueError("losses.semantic needs a guidance.kind")
        if not any(self.losses.model_dump().values()):
            raise ValueError("give at least one of losses a weight")
        given = {name for name, weight in self.losses.model_dump().items() if weight}
        unsuitable = given - _SCI_TERMS if self.network == "sci" else given & _SCI_TERMS
        if unsuitable:
            raise ValueError(f"losses.{min(unsuitable)} does not apply to network {self.network}; set it to 0")
        if self.network == "sci" and (self.scale != 1 or self.init is not None):
            raise ValueError("network sci has neither scale nor init; leave both out")
        if self.patch > self.views.crop:
            raise ValueError(f"patch {self.patch} is larger than views.crop {self.views.crop}")
        if self.views.crop % self.scale:
            raise ValueError(f"views.crop {self.views.crop} is not a multiple of scale {self.scale}")
        return self

    @property
    def fingerprint(self) -> str:
        """Return the sha256 (hex) of all settings."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def load_recipe(source: str, settings: Sequence[str] = ()) -> EnhancerRecipe:
    """Load a recipe by its name or from a YAML file, with ``a.b=c`` settings on top.

    Raises:
        UserError: unknown recipe, unknown setting, or a value that is not allowed.
    """
    return recipe_of(read_recipe(source), settings, source)


def read_recipe(source: str) -> dict[str, Any]:
    """Read the content of a recipe's YAML.

    Raises:
        UserError: unknown recipe, or a file that cannot be read or is not YAML.
    """
    path = Path(source).expanduser()
    if path.suffix in {".yaml", ".yml"}:
        loaded = read_yaml(path)
    else:
        folder = files(PACKAGE).joinpath("train")
        known = sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))
        if source not in known:
            raise UserError(f"unknown recipe {source!r}{suggest(source, known, 'give a YAML file')}")
        loaded = parse_yaml(folder.joinpath(f"{source}.yaml").read_text(encoding="utf-8"), f"recipe {source}")
    if not isinstance(loaded, dict):
        raise UserError(f"{path} holds no settings; see the recipes in configs/train")
    return loaded


def recipe_of(content: Mapping[str, Any], settings: Sequence[str], source: str) -> EnhancerRecipe:
    """Validate a recipe's content with settings on top.

    Raises:
        UserError: names the first setting that is unknown or has a value that is not allowed.
    """
    merged: dict[str, Any] = json.loads(json.dumps(content))
    for setting in settings:
        key, value = parse_setting(setting, "losses.tv=100")
        target = merged
        *sections, last = key.split(".")
        for section in sections:
            inner = target.setdefault(section, {})
            if not isinstance(inner, dict):
                raise UserError(f"--set {setting!r}: {section} has no settings of its own; drop {last!r}")
            target = inner
        target[last] = parse_yaml(value, f"--set {setting!r}: {value!r}")
        if key in {"steps", "epochs"}:  # one replaces the other
            merged.pop("epochs" if key == "steps" else "steps", None)
    try:
        return EnhancerRecipe(**merged)
    except ValidationError as error:
        raise UserError(f"recipe {source}: {first_fault(error, EnhancerRecipe)}") from error
