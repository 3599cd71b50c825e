"""Registry of all enhancers, and their construction from spec strings."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sgz_bench.core.errors import UserError, in_one_line
from sgz_bench.core.registry import Registry, refuse_unknown
from sgz_bench.core.specs import POSITIONAL, Spec, parse_spec

if TYPE_CHECKING:
    from .base import Enhancer

ENHANCERS: Registry[type[Enhancer]] = Registry(
    "enhancer",
    {
        "raw": "sgz_bench.enhancer.classical.tone:Raw",
        "folder": "sgz_bench.enhancer.folder:Folder",
        "gamma": "sgz_bench.enhancer.classical.tone:Gamma",
        "autogamma": "sgz_bench.enhancer.classical.tone:AutoGamma",
        "he": "sgz_bench.enhancer.classical.histogram:HistogramEqualization",
        "clahe": "sgz_bench.enhancer.classical.histogram:Clahe",
        "dhe": "sgz_bench.enhancer.classical.dhe:Dhe",
        "msr": "sgz_bench.enhancer.classical.retinex:Msr",
        "msrcr": "sgz_bench.enhancer.classical.retinex:Msrcr",
        "lime": "sgz_bench.enhancer.classical.lime:Lime",
        "dual": "sgz_bench.enhancer.classical.lime:Dual",
        "bimef": "sgz_bench.enhancer.classical.bimef:Bimef",
        "constant-curve": "sgz_bench.enhancer.sgz.enhancer:ConstantCurve",
        "sgz": "sgz_bench.enhancer.sgz.enhancer:Sgz",
        "zero-dce": "sgz_bench.enhancer.learned.zero_dce:ZeroDce",
        "zero-dce-pp": "sgz_bench.enhancer.learned.zero_dce:ZeroDcePlus",
        "sci": "sgz_bench.enhancer.learned.sci:Sci",
        "iat": "sgz_bench.enhancer.learned.iat:Iat",
        "pairlie": "sgz_bench.enhancer.learned.pairlie:PairLie",
        "ruas": "sgz_bench.enhancer.learned.ruas:Ruas",
        "retinexnet": "sgz_bench.enhancer.learned.retinexnet:RetinexNet",
        "enlightengan": "sgz_bench.enhancer.learned.enlightengan:EnlightenGan",
        "retinexformer": "sgz_bench.enhancer.learned.retinexformer:Retinexformer",
        "kind": "sgz_bench.enhancer.learned.kind:Kind",
        "cidnet": "sgz_bench.enhancer.learned.cidnet:CidNet",
    },
    group="sgz_bench.enhancers",
    base="sgz_bench.enhancer.base:Enhancer",
)

# Specs around another enhancer; see :mod:`.composites`.
COMPOSITES: Registry[type[Enhancer]] = Registry(
    "enhancer",
    {name: f"sgz_bench.enhancer.composites:{name.capitalize()}" for name in POSITIONAL},
)


def list_enhancers() -> list[str]:
    """Return the names that :func:`create_enhancer` knows."""
    return list(ENHANCERS)


def create_enhancer(spec: str) -> Enhancer:
    """Create an enhancer from a spec string such as ``"clahe(clip=2.0)"``, in eval mode, on the CPU.

    Besides the names of :func:`list_enhancers`, a spec may be ``folder:DIR`` for images enhanced elsewhere, or
    ``package.module:Class`` or ``FILE.py:Class`` for a custom class, or go around another: ``gate(sgz,luma<40)``.

    Raises:
        UserError: unknown name or parameter, a value out of range, wrong weights, or a module or class that is not
            available.
    """
    from .base import Enhancer

    parsed = parse_spec(spec)
    if parsed.name.startswith("folder:"):
        parsed = Spec.of("folder", {"images": parsed.name.removeprefix("folder:"), **parsed.kwargs})
    cls, content = (COMPOSITES if parsed.name in COMPOSITES else ENHANCERS).find(parsed.name)
    if cls.enhance is Enhancer.enhance:
        raise UserError(f"the enhancer {parsed.name!r} has no method enhance(image); add one")
    if not isinstance(getattr(cls, "name", None), str):
        raise UserError(
            f"the class of the enhancer {parsed.name!r} sets no name; give it name = {cls.__name__.lower()!r}"
        )
    parameters = [] if cls.__init__ is Enhancer.__init__ else list(inspect.signature(cls).parameters.values())
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        refuse_unknown(
            parsed.name,
            parsed.kwargs,
            [parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_POSITIONAL],
        )
    for parameter in parameters:
        if parameter.annotation in {int, float, "int", "float"} and isinstance(parsed.kwargs.get(parameter.name), str):
            raise UserError(f"{spec}: {parameter.name} must be a number, not {parsed.kwargs[parameter.name]!r}")
    try:
        enhancer = cls(**parsed.kwargs)
        if not isinstance(vars(enhancer).get("params"), Mapping):
            call = "super().__init__() in its __init__, or in __post_init__ of a dataclass"
            raise UserError(f"the class of the enhancer {parsed.name!r} does not call {call}")
    except UserError:
        raise
    except ENHANCERS.faults(parsed.name) as error:
        raise UserError(f"{spec}: {in_one_line(error)}") from error
    # Parameters that a class did not pass to Enhancer.__init__ are part of its spec and fingerprint too.
    defaults = {
        parameter.name: parameter.default for parameter in parameters if parameter.default is not parameter.empty
    }
    enhancer.params = {**defaults, **parsed.kwargs, **enhancer.params}
    if content:
        enhancer.origin, enhancer.content = parsed.name, content
    return enhancer.eval()
