"""What a training of an enhancer is, checked: one YAML in ``configs/train``, settings of the command line on top."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
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
from sgz_bench.core.registry import suggest

from .guidance import Kind, Objective

PACKAGE = "sgz_bench.configs"
_SCI_TERMS = {"fidelity", "smoothness"}


class Views(BaseModel):
    """What a step sees of a picture.

    Attributes:
        crop: side of the square that is cut out, or that the whole picture is resized to, pixels.
        whole: resize the whole picture, as upstream, in place of cutting.
        scale: the picture is scaled by a factor between these before it is cut.
        ev: stops that the better-lit view is darkened by, drawn evenly; None: the picture is taken as it is.
        full_well, read_noise: electrons, drawn evenly between the bounds; a camera's noise.
        tint: largest share that each channel's gain is changed by, of the light.
        uneven: stops that the light falls off by across a view at most, smoothly, as under street lamps; drawn evenly.
        bright: share of the crops that stay as they are, so that the method learns to leave well-lit images alone.
        brightest: the least mean, in [0, 1], of pictures that are taken.
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
    def _ascends(cls, bounds: tuple[float, float] | None) -> tuple[float, float] | None:
        if bounds is not None and not 0 <= bounds[0] <= bounds[1]:
            raise ValueError("write two bounds from 0 up, the lower one first")
        return bounds


class Weights(BaseModel):
    """Weight of each term of the loss; 0 leaves it out.

    Attributes:
        tv, spatial, color, exposure: of the same names in :mod:`.losses`; of curves.
        semantic: the guidance.
        identity: change of the better-lit view when it is enhanced itself.
        neutrality: colour cast on the same view made grey.
        fidelity, smoothness: of SCI's illumination, and of that alone.
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
    def _given(self, dump: SerializerFunctionWrapHandler) -> dict[str, float]:
        """SCI's terms are left out where they are not given, so that recipes without them keep their fingerprint."""
        return {name: weight for name, weight in dump(self).items() if weight or name not in _SCI_TERMS}


class GuidanceRecipe(BaseModel):
    """Which frozen network judges.

    Attributes:
        kind: ``none``, ``upstream``, ``segmentation`` or ``features``.
        model: for ``segmentation`` a model spec as ``sgz-bench segment`` takes it; for ``features`` an Ultralytics
            ``.pt`` or the name of an SMP encoder; for ``upstream`` nothing, or a ``resnet50`` state dict.
        objective, confidence: of ``segmentation``.
        batch_statistics: of ``upstream``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Kind = "none"
    model: str = ""
    objective: Objective = "focal"
    confidence: float = Field(0.7, ge=0, le=1)
    batch_statistics: bool = False


class Recipe(BaseModel):
    """A training.

    Attributes:
        network: ``sgz`` (also Zero-DCE++'s network), ``zero-dce``, or ``sci``.
        scale: the factor map is estimated on an image so many times smaller.
        steps: optimizer steps; None follows from ``epochs``.
        epochs: as many draws as so many passes over the pictures; which are drawn is by chance.
        batch: crops a step and process.
        lr, weight_decay, clip: of Adam and of the gradient's norm.
        decoupled: decay weights as AdamW does; upstream's Adam adds it to the gradient.
        schedule: of the learning rate.
        ema: decay of the averaged weights, which are the result; 0 takes the last ones.
        losses, views, guidance: see there.
        patch, exposure_level, diagonal: of spatial consistency and exposure.
        precision: ``no``, ``bf16`` or ``fp16``.
        init: ``he`` keeps the signal's size from layer to layer (He et al. 2015; linear before 1×1 convolutions) and
            starts near no change; a number is a standard deviation, Zero-DCE's way; None is PyTorch's own way, as
            SGZ's and Zero-DCE++'s, and upstream's for SCI.
        seed: of everything.
        threads: of a CPU; their number decides the last bits.
        validate_every, sheet_every, save_every: steps between them.
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
    losses: Weights = Weights()
    views: Views = Views()
    guidance: GuidanceRecipe = GuidanceRecipe()
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
    def _fits(self) -> Recipe:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give one of steps and epochs")
        if self.losses.semantic and self.guidance.kind == "none":
            raise ValueError("losses.semantic needs a guidance.kind")
        if not any(self.losses.model_dump().values()):
            raise ValueError("give one of losses a weight")
        given = {name for name, weight in self.losses.model_dump().items() if weight}
        strange = given - _SCI_TERMS if self.network == "sci" else given & _SCI_TERMS
        if strange:
            raise ValueError(f"losses.{min(strange)} does not go with network {self.network}; set it to 0")
        if self.network == "sci" and (self.scale != 1 or self.init is not None):
            raise ValueError("network sci has no scale and no init of its own; leave both out")
        if self.patch > self.views.crop:
            raise ValueError(f"patch {self.patch} is larger than views.crop {self.views.crop}")
        if self.views.crop % self.scale:
            raise ValueError(f"views.crop {self.views.crop} does not divide by scale {self.scale}")
        return self

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) over all settings."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def load_recipe(source: str, settings: Sequence[str] = ()) -> Recipe:
    """A recipe by its name or from a YAML file, with ``a.b=c`` settings on top.

    Raises:
        UserError: no such recipe, or a setting that does not exist or fit.
    """
    return recipe_of(read_recipe(source), settings, source)


def read_recipe(source: str) -> dict[str, Any]:
    """The content of a recipe's YAML.

    Raises:
        UserError: no such recipe, or not YAML.
    """
    path = Path(source).expanduser()
    shipped = files(PACKAGE).joinpath("train")
    try:
        if path.suffix in {".yaml", ".yml"}:
            text = path.read_text(encoding="utf-8")
        else:
            known = sorted(each.name.removesuffix(".yaml") for each in shipped.iterdir() if each.name.endswith(".yaml"))
            if source not in known:
                raise UserError(f"unknown recipe {source!r}{suggest(source, known)}; or give a YAML file")
            text = shipped.joinpath(f"{source}.yaml").read_text(encoding="utf-8")
        loaded = yaml.safe_load(text)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}); give a recipe's name or YAML") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(loaded, dict):
        raise UserError(f"{path} holds no settings; see the recipes in configs/train")
    return loaded


def recipe_of(content: Mapping[str, Any], settings: Sequence[str], source: str) -> Recipe:
    """Check a recipe's content with settings on top.

    Raises:
        UserError: names the first setting that does not exist or fit.
    """
    merged: dict[str, Any] = json.loads(json.dumps(content))
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UserError(f"--set {setting!r}: write KEY=VALUE, such as losses.tv=100")
        place = merged
        *above, last = key.strip().split(".")
        for part in above:
            inner = place.setdefault(part, {})
            if not isinstance(inner, dict):
                raise UserError(f"--set {setting!r}: {part} has no settings of its own")
            place = inner
        try:
            place[last] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise UserError(f"--set {setting!r}: {value!r} is no value of YAML") from error
        if key.strip() in {"steps", "epochs"}:  # one replaces the other
            merged.pop("epochs" if last == "steps" else "steps", None)
    try:
        return Recipe(**merged)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        said = "there is no such setting" if first["type"] == "extra_forbidden" else first["msg"]
        raise UserError(f"recipe {source}: {where or 'settings'}: {said}") from error
