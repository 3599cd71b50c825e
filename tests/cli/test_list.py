"""What can be chosen is listed in plain words."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from sgz_bench.__main__ import app
from sgz_bench.core.errors import UserError
from sgz_bench.enhancer import Enhancer
from sgz_bench.enhancer.catalog import ENHANCERS


def listed(kind: str) -> str:
    return CliRunner().invoke(app, ["list", kind], catch_exceptions=False).output


@pytest.mark.parametrize("kind", ["enhancers", "datasets", "models", "metrics"])
def test_no_markup_is_printed(kind: str) -> None:
    text = listed(kind)
    assert text.count("\n") > 5
    assert "`" not in text
    assert ":func:" not in text


def test_markup_of_a_plugins_docstring_becomes_the_names_that_it_stands_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(Enhancer):
        """A :class:`~my_package.base.Curve`, as :mod:`.tone` and :py:func:`torch.clamp` make; ``k`` is `a factor`."""

    monkeypatch.setattr(ENHANCERS, "loaded", lambda: {"mine": Mine})
    assert listed("enhancers").split("    ")[-1].strip() == ("A Curve, as tone and torch.clamp make; k is a factor.")


def test_an_unknown_kind_gets_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown kind of names 'enhancer'; did you mean 'enhancers'"):
        CliRunner().invoke(app, ["list", "enhancer"], catch_exceptions=False)
