"""What decides, and what touches the world: one vendor, one module."""

__all__ = ["gates", "ledger", "routing", "transitions"]
