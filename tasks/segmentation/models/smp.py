"""segmentation-models-pytorch: local checkpoints, and hub models from the local cache."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import read_json, read_yaml
from sgz_bench.core.parameters import integer
from sgz_bench.core.registry import suggest

from ...classes import CITYSCAPES_CLASSES, read_class_list
from ...models import file_fingerprint, network_fingerprint, require_file
from .base import IMAGENET, InferenceConfig, Normalisation, Segmenter, takes_inference_config


class SmpSegmenter(Segmenter):
    """A segmentation-models-pytorch model.

    Args:
        source: a ``.safetensors`` file beside a ``.yaml`` with its stem (as ``sgz-bench finetune`` writes them); an
            architecture such as ``fpn``, with ``encoder``, ``weights`` and ``classes``; or a hub name such as
            ``smp-hub/segformer-b0-1024x1024-city-160k``, read from the local cache, never downloaded. Inputs are
            normalised by the YAML or the hub model's own preprocessing; for an architecture by ImageNet's mean and
            standard deviation. A hub model's resizing is not applied, because it squeezes images into a square.
        encoder: of an architecture, by SMP's name.
        weights: of an architecture: a state dict (``.safetensors``, ``.pt``, ``.pth``), or ``random``.
        classes: ``cityscapes``, ``camvid``, or a text or YAML file with one class name per line; Cityscapes' 19 by
            default for a hub model.
        seed: of random weights.
        device: torch device.
        inference: ``size``, ``window``, ``overlap`` and ``flip`` of :class:`.base.InferenceConfig`.

    Raises:
        UserError: unknown architecture or encoder, weights that do not fit, or a hub model that is not in the cache.
    """

    family = "smp"

    @takes_inference_config
    def __init__(
        self,
        source: str,
        encoder: str = "",
        weights: str = "",
        classes: str = "",
        *,
        seed: int = 0,
        device: str = "cpu",
        **inference: object,
    ) -> None:
        view = InferenceConfig.checked(self.family, **inference)
        settings: dict[str, str | int] = {}
        mean, std = IMAGENET
        if Path(source).suffix == ".safetensors":
            plan = read_plan(require_file(source, "model file").with_suffix(".yaml"))
            network, names = build_network(plan), tuple(plan["classes"])
            mean, std = plan["mean"], plan["std"]
            load_state(network, Path(source))
            fingerprint = file_fingerprint(Path(source), Path(source).with_suffix(".yaml"))
        elif Path(source).is_file():
            raise UserError(f"smp:{source} is not a .safetensors file; give one with its .yaml beside it")
        elif "/" in source:
            network, fingerprint, (mean, std) = _from_cache(source)
            names = read_class_list(classes) if classes else CITYSCAPES_CLASSES
            settings = {"classes": Path(classes).name} if classes else {}
        else:
            if not (encoder and weights and classes):
                raise UserError(f"smp:{source} needs encoder=NAME, weights=FILE or random, and classes=cityscapes")
            names = read_class_list(classes)
            seed = integer(self.family, "seed", seed, 0, 2**63 - 1)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                network = build_network({"arch": source, "encoder": encoder, "classes": names})
            settings = {"encoder": encoder, "weights": Path(weights).name, "classes": Path(classes).name}
            if weights == "random":
                settings["seed"] = seed
            else:
                load_state(network, require_file(weights, "weights"))
            fingerprint = network_fingerprint(f"{source} {encoder}", network)
        network.eval().requires_grad_(False)
        self._check(source, network, names)
        super().__init__(
            source,
            names,
            fingerprint,
            view=view,
            mean=mean,
            std=std,
            stride=_stride(network),
            device=device,
            settings=settings,
        )
        self.network = network.to(device)

    def logits(self, batch: Tensor) -> Tensor:
        output = self.network(batch)
        return output if isinstance(output, Tensor) else torch.as_tensor(output[0])

    @staticmethod
    @torch.inference_mode()
    def _check(source: str, network: nn.Module, names: Sequence[str]) -> None:
        side = 2 * _stride(network)
        output = network(torch.zeros(1, 3, side, side))
        channels = (output if isinstance(output, Tensor) else output[0]).shape[1]
        if channels != len(names):
            raise UserError(f"smp:{source} has {channels} classes, but {len(names)} names; give the right classes=")


def read_plan(path: Path) -> dict[str, Any]:
    """Read the YAML beside a model's weights: ``arch``, ``encoder``, ``options``, ``classes``, ``mean``, ``std``.

    Raises:
        UserError: the file is missing, damaged or incomplete.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing; put it beside the weights")
    plan = read_yaml(path)
    try:
        plan["classes"] = [str(name) for name in plan["classes"]]
        for key in ("mean", "std"):
            plan[key] = [float(value) for value in plan[key]]
            if len(plan[key]) != 3:
                raise ValueError(f"{key} must be three numbers")
        plan["arch"], plan["encoder"] = str(plan["arch"]), str(plan["encoder"])
    except (KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{path} does not describe a model ({reason}); it needs arch, encoder, classes, mean, std"
        ) from error
    return dict(plan)


def build_network(plan: Mapping[str, Any]) -> nn.Module:
    """Build a network with random weights; nothing is downloaded.

    Args:
        plan: ``arch``, ``encoder``, ``classes``, and ``options`` for ``smp.create_model``.

    Raises:
        UserError: SMP does not know the architecture, the encoder or an option.
    """
    import segmentation_models_pytorch as smp

    arch, encoder = str(plan["arch"]), str(plan["encoder"])
    known = list(smp.MODEL_ARCHITECTURES_MAPPING)
    if arch.lower() not in known:
        raise UserError(f"unknown SMP architecture {arch!r}{suggest(arch, known)}")
    try:
        network: nn.Module = smp.create_model(
            arch,
            encoder_name=encoder,
            encoder_weights=None,
            classes=len(plan["classes"]),
            **(plan.get("options") or {}),
        )
    except Exception as error:  # two libraries provide encoders, each with its own errors
        encoders = smp.encoders.get_encoder_names()
        if isinstance(error, KeyError) and encoder not in encoders:
            raise UserError(f"unknown SMP encoder {encoder!r}{suggest(encoder, encoders)}") from error
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"smp:{arch}(encoder={encoder}) cannot be built: {reason}") from error
    return network


def build_encoder(name: str) -> nn.Module:
    """Build an encoder with ImageNet weights from the local cache.

    Raises:
        UserError: unknown encoder, or its weights are not in the cache.
    """
    import segmentation_models_pytorch as smp

    try:
        with _offline():
            encoder: nn.Module = smp.encoders.get_encoder(name, weights="imagenet")
    except Exception as error:
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"encoder {name!r} is not available ({reason}); nothing is downloaded automatically") from error
    return encoder


@contextmanager
def _offline() -> Iterator[None]:
    """Restrict Hugging Face to its local cache, without access to the hub."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True  # the environment variable is read only once, at import
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def load_state(network: nn.Module, path: Path, *, without: str | None = None) -> None:
    """Load a complete state dict without executing code.

    Args:
        network: network that gets the weights.
        path: ``.safetensors``, or a file of ``torch.save``.
        without: prefix of tensors to skip.

    Raises:
        UserError: the file is no state dict of this network.
    """
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
            state = state.get("state_dict", state)
        state = {
            key: value.float() if value.is_floating_point() else value
            for key, value in state.items()
            if without is None or not key.startswith(without)
        }
        missing, unknown = nn.Module.load_state_dict(network, state, strict=False)  # SMP's override accepts wrong sizes
        missing = [key for key in missing if not key.endswith("num_batches_tracked")]
        if missing or unknown:
            raise ValueError(f"{len(missing)} tensors are missing, {len(unknown)} are unknown")
    except (Exception, SafetensorError) as error:  # damage raises any of a dozen classes
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise UserError(f"{path} does not fit this network ({reason}); give its own state dict") from error


def _from_cache(name: str) -> tuple[nn.Module, str, Normalisation]:
    """Load a hub model from the local cache; return it with its fingerprint and normalisation.

    Raises:
        UserError: it is not in the cache, or no SMP model.
    """
    import segmentation_models_pytorch as smp
    from huggingface_hub import constants, snapshot_download

    try:
        folder = Path(snapshot_download(name, local_files_only=True))
    except Exception as error:  # not cached, partly cached, or no valid hub name
        raise UserError(
            f"{name} is not in the Hugging Face cache ({constants.HF_HUB_CACHE}), and nothing is downloaded "
            f"automatically; fetch it with `hf download {name}`, or give a file: smp:PATH.safetensors"
        ) from error
    try:
        with _offline(), redirect_stdout(StringIO()):  # SMP prints progress
            network: nn.Module = smp.from_pretrained(str(folder), encoder_weights=None)
        preprocessing = folder / "albumentations_config_eval.json"
        normalisation = _normalisation(preprocessing) if preprocessing.is_file() else IMAGENET
        hashed = [*sorted(folder.glob("*.safetensors")), *sorted(folder.glob("*config*.json"))]
        return network, file_fingerprint(*hashed), normalisation
    except Exception as error:  # damage raises any of a dozen classes
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise UserError(f"{name} in {folder} is not a readable SMP model ({reason}); download it again") from error


def _normalisation(path: Path) -> Normalisation:
    """Return mean and standard deviation of RGB in [0, 1] from the Albumentations pipeline beside an SMP model.

    Its ``Normalize`` computes ``(image − mean · m) / (std · m)`` of values in [0, 255], m its ``max_pixel_value``.

    Raises:
        ValueError: the pipeline has no such step, or the step depends on the image.
    """
    for step in read_json(path)["transform"]["transforms"]:
        if step["__class_fullname__"].rpartition(".")[2] == "Normalize":
            if step.get("normalization", "standard") != "standard":
                raise ValueError(f"{path.name}: normalization {step['normalization']} is unknown")
            mean, std = ([value * step["max_pixel_value"] / 255 for value in step[key]] for key in ("mean", "std"))
            return mean, std
    raise ValueError(f"{path.name} does not normalise")


def _stride(network: nn.Module) -> int:
    if not getattr(network, "requires_divisible_input_shape", True):
        return 1
    return int(getattr(getattr(network, "encoder", None), "output_stride", 32))
