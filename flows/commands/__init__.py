"""What can be asked and done from a shell? A module a group of commands, each with its arguments."""

from flows.commands import asking, keeping, looking, scoring, trying

__all__ = ["GROUPS"]

GROUPS = (looking, asking, scoring, trying, keeping)
