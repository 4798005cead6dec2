"""What goes wrong that a person can mend: the base of every error that is shown as one clear sentence."""

__all__ = ["PerennialError"]


class PerennialError(Exception):
    """An error that names the thing, its value, the rule and the next step. Command lines print it without a traceback."""
