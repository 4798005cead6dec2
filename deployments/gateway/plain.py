"""How do arrays become what a database and JSON take? Undefined is null."""

import json
from typing import Any

import numpy as np

__all__ = ["lists", "plain"]


def plain(values: np.ndarray) -> list[Any]:
    """Numbers as a database takes them: undefined is null."""
    if np.isnan(values).any():
        values = np.where(np.isnan(values), None, values)  # type: ignore[call-overload]
    plain: list[Any] = values.tolist()
    return plain


def lists(score: np.ndarray) -> list[str | None]:
    return [None if np.isnan(row).any() else json.dumps(row.tolist()) for row in score]
