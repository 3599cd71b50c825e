"""Messages for the user: one exception, one warning."""


class UserError(Exception):
    """A mistake that the user can fix: one line that names the value, the rule, and the fix.

    The command line prints it without a traceback and exits with code 2 (``--debug`` shows the traceback).
    """


class PluginWarning(UserWarning):
    """A plugin that is skipped: one line that names it; the command line prints it as ``warning: …``."""


def in_one_line(error: BaseException) -> str:
    """Return an error's message without line breaks, preceded by its class unless it is a :class:`UserError`."""
    message = " ".join(str(error).split())
    if isinstance(error, UserError):
        return message
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
