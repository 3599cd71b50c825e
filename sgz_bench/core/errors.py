"""Messages for the user: one exception, one warning."""

_LONGEST = 2000  # characters of one message; a damaged file may hold a value of any length


class UserError(Exception):
    """A mistake that the user can fix: one line that names the value, the rule, and the fix.

    The command line prints it without a traceback and exits with code 2 (``--debug`` shows the traceback). Its text
    may quote damaged files, so line breaks and control characters are made visible.
    """

    def __str__(self) -> str:
        return printable(super().__str__())


class PluginWarning(UserWarning):
    """A plugin that is skipped: one line that names it; the command line prints it as ``warning: …``."""


def printable(text: str) -> str:
    """Return text as one line that any terminal can show: no line breaks, control characters or surrogates.

    Names and values come from files of others. The middle of an overlong text is left out.
    """
    if not text.isprintable():
        text = "".join(
            char if char.isprintable() else " " if char.isspace() else char.encode("unicode_escape").decode()
            for char in text
        )
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}"


def in_one_line(error: BaseException) -> str:
    """Return an error's message without line breaks, preceded by its class unless it is a :class:`UserError`."""
    message = " ".join(str(error).split())
    if isinstance(error, UserError):
        return message
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
