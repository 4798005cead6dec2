"""What does a table seem to be about? Pure decisions over the engine's profile, each with its evidence."""

__all__: list[str] = []
