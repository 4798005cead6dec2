"""Where and when does it run?"""

__all__ = ["deploy", "servers"]
