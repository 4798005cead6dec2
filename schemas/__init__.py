"""What is everything called, and what shape has it? No orchestrator, tracker or report is imported here."""

__all__ = ["framing", "plans", "problem", "recipe", "rows", "settings", "source", "stage", "verdict"]
