"""Base of all vision models: class names, settings, fingerprint; and their creation from specs."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from sgz_bench.core.errors import UserError, in_one_line
from sgz_bench.core.files import file_sha256, refuse_stand_in
from sgz_bench.core.registry import Registry, refuse_unknown
from sgz_bench.core.specs import Spec, Value, parse_spec

from .custom_models import custom_model, names_class

if TYPE_CHECKING:
    from torch import nn

    from .types import Image


class Model(ABC):
    """Base of all detectors and segmenters.

    Attributes:
        family: the name before the colon of a model spec.
        version: raised when the same weights and settings give another prediction.
        source: file or model name after the colon.
        class_names: names by class id.
        settings: effective inference settings, part of every result row.
        fingerprint: sha256 (hex) of the weights.
        batch: largest number of images of one size per call. It may change a prediction's last bits, so a value above
            1 belongs in the settings.
        packages: packages it computes with, besides PyTorch and its family's own.
        origin: ``FILE.py:Class`` or ``package.module:Class`` of a class that is no family; empty for families.
        notes: what the user should know about the file, one line each: thresholds inside it, a guessed layout.
    """

    family: ClassVar[str]
    version: ClassVar[int] = 1
    batch: int = 1
    packages: tuple[str, ...] = ()
    origin: str = ""
    notes: tuple[str, ...] = ()

    def __init__(
        self, source: str, class_names: Sequence[str], fingerprint: str, settings: Mapping[str, Value | None]
    ) -> None:
        self.source = source
        self.class_names = tuple(class_names)
        self.fingerprint = fingerprint
        self.settings = dict(settings)

    @abstractmethod
    def predict(self, images: Sequence[Image]) -> Sequence[Any]:
        """Return one answer per RGB ``(H, W, 3)`` uint8 image, in the form of the task."""

    @property
    def spec(self) -> str:
        """Canonical text, with the file's name instead of its path."""
        set_values = {key: value for key, value in self.settings.items() if value is not None}
        name = Path(self.origin).name if self.origin else f"{self.family}:{Path(self.source).name}"
        return str(Spec.of(name, set_values))

    @property
    def label(self) -> str:
        """Name in messages: the path of a custom class, else the spec."""
        return self.origin or self.spec


def file_fingerprint(*paths: Path) -> str:
    """Return the sha256 (hex) of one file's bytes, or over the hashes of several files.

    Raises:
        UserError: a file cannot be read.
    """
    hashes = [file_sha256(path) for path in paths]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256(bytes.fromhex("".join(hashes))).hexdigest()


def require_file(path: str, kind: str) -> Path:
    """Return the path of an existing file.

    Raises:
        UserError: no such file, or a pointer of Git LFS or a web page in its place.
    """
    if Path(path).is_dir():
        raise UserError(f"{path} is a folder, not a {kind}; give the path of the file in it")
    if not Path(path).is_file():
        raise UserError(f"no {kind} at {path}; give the path of an existing file (nothing is downloaded automatically)")
    with contextlib.suppress(OSError), Path(path).open("rb") as file:  # reading it later names the fault
        refuse_stand_in(Path(path), file.read(64))
    return Path(path)


def network_fingerprint(name: str, network: nn.Module) -> str:
    """Return the sha256 (hex) over the builder's name and the weights.

    The name is included because a network's sizes are not part of its weights.
    """
    digest = hashlib.sha256(name.encode())
    for key, tensor in sorted(network.state_dict().items()):
        digest.update(key.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def torchvision_weights(weights: str, url: str, source: str) -> Path:
    """Return the file of a state dict: the given path, or for ``default`` torchvision's own in torch's cache.

    Raises:
        UserError: no such file; nothing is downloaded.
    """
    import torch

    if weights != "default":
        if not Path(weights).is_file():
            raise UserError(f"no weights at {weights}; give a state dict's path, default or random")
        return Path(weights)
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not path.is_file():
        raise UserError(
            f"torchvision's weights for {source} are not in its cache; download {url} and give its path as weights=FILE"
        )
    return path


M = TypeVar("M", bound=Model)


def create_model(
    families: Registry[type[M]],
    shipped: Mapping[str, tuple[str, str]],
    suffixes: Mapping[str, str | Callable[[str, str], str]],
    spec: str,
    device: str,
) -> M:
    """Build a model from ``FAMILY:SOURCE(key=value,…)``, ``FILE.py:Class(…)`` or ``package.module:Class(…)``.

    Args:
        families: model classes by name.
        shipped: models shipped with the package: name → family and file below ``tasks``.
        suffixes: file suffix → family, or function of path and device that returns it, for specs without a family;
            other names are torchvision's.
        spec: family, source and settings.
        device: torch device.

    Raises:
        UserError: unknown family, model or parameter, or an unsuitable file.
    """
    parsed = parse_spec(spec)
    if "://" in parsed.name:
        raise UserError(f"{parsed.name} is an address; download the file and give its path")
    family, colon, source = parsed.name.partition(":")
    guessed = False
    if parsed.name in shipped:
        family, file = shipped[parsed.name]
        source = str(files("sgz_bench.tasks").joinpath(file))
    elif family not in families and names_class(parsed.name):
        return cast(M, custom_model(families, spec, device))
    elif not colon or (family not in families and Path(parsed.name).is_file()):
        family, source = _infer_family(parsed.name, list(families), suffixes, device), parsed.name
        guessed = callable(suffixes.get(Path(source).suffix.lower()))
    cls = families.load(family)
    known = [name for name in inspect.signature(cls).parameters if name not in {"source", "device"}]
    refuse_unknown(f"a model of family {family}", parsed.kwargs, known)
    try:
        build: Callable[..., M] = cls
        model = build(source, device=device, **parsed.kwargs)
    except UserError:
        raise
    except families.faults(family) as error:
        raise UserError(f"{spec}: {in_one_line(error)}") from error
    if guessed:
        model.notes = (f"read as {family}:{Path(source).name}", *model.notes)
    return model


def _infer_family(
    name: str, families: list[str], suffixes: Mapping[str, str | Callable[[str, str], str]], device: str
) -> str:
    suffix = Path(name).suffix.lower()
    if suffix in suffixes:
        family = suffixes[suffix]
        return family if isinstance(family, str) else family(name, device)
    if "/" in name and not Path(name).exists():
        raise UserError(f"there is no {name}; check the path (nothing is downloaded automatically)")
    if suffix or "/" in name:
        known = ", ".join(families)
        raise UserError(f"cannot tell the family of the model {name!r}; write FAMILY:{name}, FAMILY one of {known}")
    return "torchvision"
