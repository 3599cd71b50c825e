"""Entry point of ``sgz-bench``; imports the command line late, so that Ctrl-C during imports is one line too."""

from __future__ import annotations

import sys
from typing import Any


def main() -> None:
    """Run the command line; exit with code 130 when interrupted."""
    try:
        from sgz_bench.cli.app import start

        start()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def __getattr__(name: str) -> Any:
    """Return the command line's Typer app.

    Raises:
        AttributeError: any other name.
    """
    if name == "app":
        from sgz_bench.cli.app import app

        return app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if __name__ == "__main__":
    main()
