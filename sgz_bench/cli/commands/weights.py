"""``sgz-bench weights``: the enhancers' weight files, their terms, and where they are."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True, help="The enhancers' weight files: which there are, their terms, where they are."
)

_ENHANCER = Annotated[str, typer.Argument(help="Such as zero-dce.")]
_TAG = Annotated[str, typer.Argument(help="Such as official; default: the first that list shows.")]


@app.command("list")
def listing() -> None:
    """Print every known file: hash, licence, training data, and where it is on this machine."""
    from sgz_bench.enhancer.weights import known_weights

    for tags in known_weights().values():
        for entry in tags.values():
            place = entry.path()
            typer.echo(f"{entry.enhancer}(weights={entry.tag})")
            typer.echo(f"    {entry.paper}; trained on {entry.trained_on}")
            typer.echo(f"    {entry.licence or 'no licence stated'}; {entry.size:,} bytes, sha256 {entry.sha256}")
            typer.echo(f"    {place if place is not None else 'not here: ' + entry.how_to_get}")


@app.command("fetch")
def fetch(enhancer: _ENHANCER, tag: _TAG = "") -> None:
    """Download one file into the cache, checked by its hash; other commands do so only with --download."""
    from sgz_bench.enhancer.downloads import fetch_weights, named_weights

    entry = named_weights(enhancer, tag)
    path = fetch_weights(entry)
    typer.echo(f"{path}   terms: {entry.licence or 'none stated'}")


@app.command("path")
def path(enhancer: _ENHANCER, tag: _TAG = "") -> None:
    """Print where a file is on this machine."""
    from sgz_bench.enhancer.downloads import named_weights
    from sgz_bench.enhancer.weights import find_weights

    typer.echo(find_weights(enhancer, named_weights(enhancer, tag).tag))
