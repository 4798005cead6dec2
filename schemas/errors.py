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
    frames = traceback.extract_tb(error.__traceback__)
    raised = list(traceback.walk_tb(error.__traceback__))
    module = raised[-1][0].f_globals.get("__name__", "") if raised else ""
    if isinstance(error, PerennialError) or module.split(".")[0] in _OURS:
        return f"{kind}: {str(error)[:200]}"
    return f"{kind} in {module}:{frames[-1].lineno}" if frames else kind
