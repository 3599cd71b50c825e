"""What a user is meant to see: one exception, one warning."""


class UserError(Exception):
    """A mistake that its user can mend: one line that names the value, what was allowed, and the fix.

    The command line prints it without a traceback and exits with code 2 (``--debug`` shows the traceback).
    """


class PluginWarning(UserWarning):
    """A plugin that is passed over, in one line that names it; the command line prints it as ``warning: …``."""


def in_one_line(error: BaseException) -> str:
    """An error without line breaks: its message, and its class where it was not made for a user."""
    said = " ".join(str(error).split())
    if isinstance(error, UserError):
        return said
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
