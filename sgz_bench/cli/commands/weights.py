"""``sgz-bench weights``: list, download and locate the enhancers' weight files."""

from __future__ import annotations

from typing import Annotated

import typer

from ..group import Commands

app = typer.Typer(cls=Commands, no_args_is_help=True, help="List, download and locate the enhancers' weight files.")

_ENHANCER = Annotated[str, typer.Argument(help="Enhancer, such as zero-dce.")]
_TAG = Annotated[str, typer.Argument(help="Tag, such as official; by default the first one of `weights list`.")]


@app.command("list")
def listing() -> None:
    """Print every known file: paper, training data, licence, hash, and path on this machine."""
    from sgz_bench.enhancer.weights import known_weights

    for tags in known_weights().values():
        for entry in tags.values():
            path = entry.path()
            typer.echo(f"{entry.enhancer}(weights={entry.tag})")
            typer.echo(f"    {entry.paper}; trained on {entry.trained_on}")
            typer.echo(f"    {entry.licence or 'no licence stated'}; {entry.size:,} bytes, sha256 {entry.sha256}")
            typer.echo(f"    {path if path is not None else 'not on this machine: ' + entry.how_to_get}")


@app.command("fetch")
def fetch(enhancer: _ENHANCER, tag: _TAG = "") -> None:
    """Download one file into the cache and check its hash; other commands download only with --download."""
    from sgz_bench.enhancer.downloads import fetch_weights, named_weights

    entry = named_weights(enhancer, tag)
    path = fetch_weights(entry)
    typer.echo(f"{path}   terms: {entry.licence or 'none stated'}")


@app.command("path")
def path(enhancer: _ENHANCER, tag: _TAG = "") -> None:
    """Print the path of a file on this machine."""
    from sgz_bench.enhancer.downloads import named_weights
    from sgz_bench.enhancer.weights import find_weights

    typer.echo(find_weights(enhancer, named_weights(enhancer, tag).tag))
