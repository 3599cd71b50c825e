"""The one exception that a user is meant to see."""


class UserError(Exception):
    """A mistake that its user can mend: one line that names the value, what was allowed, and the fix.

    The command line prints it without a traceback and exits with code 2 (``--debug`` shows the traceback).
    """
