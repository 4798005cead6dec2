"""What can be asked and done from a shell? A module a group of commands, each with its arguments."""

from flows.commands import asking, keeping, looking, trying

__all__ = ["GROUPS"]

GROUPS = (looking, asking, trying, keeping)
