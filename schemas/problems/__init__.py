"""One file a problem. Dropping one in is all it takes; a leading underscore hides a file."""

__all__: list[str] = []
