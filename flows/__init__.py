"""What happens next? The loop, its stages, and what people start by hand."""

__all__ = ["lifecycle", "operations", "replay"]
