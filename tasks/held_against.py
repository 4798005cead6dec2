"""How far does each of the problem's own windows lie from what it is held against? From counts alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from tasks.profiles import Column, Counts, Profile, apart, lacking, merged
from tasks.stats import thinned

__all__ = ["Held", "Reference", "Window", "window_from_json", "window_to_json"]

_LEAST_OWN = 3  # windows that scores of the champion outside its training rows are pooled from


@dataclass(frozen=True)
class Window:
    """One window's counts; and of one that was judged, by name the limits in force and the low limits that it exceeded."""

    start: datetime
    counts: Counts
    over: Mapping[str, float] = field(default_factory=dict)
    near: Mapping[str, float] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return max((int(counts.sum()) for counts in self.counts.values()), default=0)


@dataclass(frozen=True)
class Reference:
    """What the champion was trained on, frozen: bins and counts of all of it, counts of its blocks (each as long as a
    window), and how much each feature moves the champion's score, as a share of what two rows differ by."""

    columns: Profile
    blocks: Sequence[Window] = ()
    effects: Mapping[str, float] = field(default_factory=dict)


def window_to_json(window: Window) -> dict[str, Any]:
    counts = {name: counts.tolist() for name, counts in window.counts.items()}
    return {"counts": counts, "over": dict(window.over), "near": dict(window.near)}


def window_from_json(start: str, stored: Mapping[str, Any]) -> Window:
    counts = {name: np.asarray(counts, dtype=int) for name, counts in stored["counts"].items()}
    return Window(datetime.fromisoformat(start), counts, stored.get("over", {}), stored.get("near", {}))


class Held:
    """Distances by name, held against `pool`: of `now` a number each, of the windows `past` and `blocks` an array each.

    Features are held against the reference, a block of it against the rest. Scores, and scores in slices, of rows that the
    champion was not trained on are held against other such rows: on its training rows it is a model that knows them, and
    those blocks are held against each other. Where fewer than three windows are outside the training rows, scores are left out.
    """

    def __init__(
        self, columns: Profile, pool: Counts, past: Sequence[Window], blocks: Sequence[Window], now: Window
    ) -> None:
        quiet = [window for window in past if not window.over]
        fresh = merged(window.counts for window in quiet) if len(quiet) >= _LEAST_OWN else {}
        seen = merged(block.counts for block in blocks)
        self.columns = {n: c for n, c in columns.items() if c.kind == "feature" or (_scored(c) and n in fresh)}
        self._rows = {name: int(counts.sum()) for name, counts in now.counts.items()}
        own = [not window.over for window in past]
        self.now = {
            name: float(value[0]) for name, value in self._compared([now], pool, fresh, [False], [False]).items()
        }
        self.past = self._compared(past, pool, fresh, [False] * len(past), own)
        for place, window in enumerate(past):
            for name, limit in window.over.items():
                if name in self.past:
                    self.past[name][place] = min(self.past[name][place], limit)
        within = [True] * len(blocks)
        self.blocks = self._compared(blocks, pool, seen, within, within)

    def _compared(
        self, windows: Sequence[Window], pool: Counts, scores: Counts, of_pool: list[bool], of_scores: list[bool]
    ) -> dict[str, np.ndarray]:
        """Each window against the whole; where a window is a part of the whole, against the rest of it."""
        found = {}
        drawn = [self._drawn(window) for window in windows]
        for name, column in self.columns.items():
            whole, within = (scores, of_scores) if _scored(column) else (pool, of_pool)
            nothing = np.zeros(len(column.bins) + 2, dtype=int)
            shape = (len(windows), len(nothing))
            counts = np.array([one.get(name, nothing) for one in drawn]).reshape(shape)
            parts = np.array([w.counts.get(name, nothing) * own for w, own in zip(windows, within, strict=True)])
            rest = whole.get(name, nothing) - parts.reshape(shape)
            found[name] = apart(column, rest, counts)
            if column.kind == "feature":
                found[f"missing {name}"] = lacking(rest, counts)
        return found

    def _drawn(self, window: Window) -> dict[str, np.ndarray]:
        """As many rows as `now` has: fewer rows lie further out by chance alone. Drawn the same each time."""
        rng = np.random.default_rng(int(window.start.timestamp()) & 0xFFFFFFFF)
        return {
            name: thinned(counts, self._rows.get(name) or int(counts.sum()), rng)
            for name, counts in sorted(window.counts.items())
        }


def _scored(column: Column) -> bool:
    return column.kind in ("score", "slice")
