"""What goes wrong that a person can mend: the base of every error that is shown as one clear sentence."""

import traceback

__all__ = ["PerennialError", "told"]

_OURS = ("schemas", "tasks", "flows", "deployments")


class PerennialError(Exception):
    """An error that names the thing, its value, the rule and the next step. Command lines print it without a traceback."""


def told(error: Exception) -> str:
    """An error for the ledger and the logs: its type, and its text only where the text is ours.

    A library's message may quote the rows it was given; in its place stands where it was raised.
    """
    kind = type(error).__name__
    raised = list(traceback.walk_tb(error.__traceback__))
    if isinstance(error, PerennialError):
        return f"{kind}: {str(error)[:200]}"
    if not raised:
        return kind
    frame, line = raised[-1]
    module = str(frame.f_globals.get("__name__", ""))
    return f"{kind}: {str(error)[:200]}" if module.split(".")[0] in _OURS else f"{kind} in {module}:{line}"
