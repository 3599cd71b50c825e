"""Group of subcommands: interruptions and help texts."""

from __future__ import annotations

import shutil
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

_FRAMED = 80  # columns; framed help cuts long words in a narrower terminal, plain help does not


class Commands(TyperGroup):
    """Subcommands in which Ctrl-C is one line and exit code 130, also during imports."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(130) from None

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        if isinstance(command, TyperCommand) and shutil.get_terminal_size().columns < _FRAMED:
            command.rich_markup_mode = None
        return command
