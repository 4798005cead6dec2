"""How far is each figure of a verdict from its limit, and on which side?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Margin", "margins_of"]

Side = Literal["clear", "unclear", "beyond"]

# Under which name a gate says its figure, and under which its limit, and whether more of it is better.
_FIGURES = ("gain", "value")
_LIMITS = (("floor", True), ("at_least", True), ("at_most", False))


@dataclass(frozen=True)
class Margin:
    """One figure with the limit that it is held against. `low` and `high` are the ends of its interval; None: it has none."""

    name: str
    value: float
    limit: float
    higher_is_better: bool
    low: float | None = None
    high: float | None = None

    @property
    def ends(self) -> tuple[float, float, float]:
        """Low, middle and high as distances from the limit: positive is on the good side.

        >>> Margin("loss", 0.2, 0.5, False, 0.1, 0.3).ends
        (0.2, 0.3, 0.4)
        """
        values = (
            self.value if self.low is None else self.low,
            self.value,
            self.value if self.high is None else self.high,
        )
        if self.higher_is_better:
            low, middle, high = (round(value - self.limit, 12) for value in values)
        else:
            high, middle, low = (round(self.limit - value, 12) for value in values)
        return low, middle, high

    @property
    def side(self) -> Side:
        low, _, high = self.ends
        return "clear" if low > 0 else "beyond" if high < 0 else "unclear"


def margins_of(statistics: Mapping[str, Any], moved: Iterable[Sequence[Any]] = ()) -> list[Margin]:
    """Those figures of a verdict's evidence that come with a limit, in their order, and then what `moved`, as (name, distance,
    limit, ...). What has no limit, or is no number, cannot be placed and is left out."""
    gates: dict[str, dict[str, Any]] = {}
    for key, value in statistics.items():
        gate, _, figure = key.rpartition(".")
        gates.setdefault(gate, {})[figure] = value
    found = [one for gate, said in gates.items() if (one := _margin(gate, said))]
    return found + [Margin(str(name), value, limit, False) for name, value, limit, *_ in moved]


def _margin(gate: str, said: Mapping[str, Any]) -> Margin | None:
    figure = next((name for name in _FIGURES if _number(said.get(name))), None)
    limit = next(((name, better) for name, better in _LIMITS if _number(said.get(name))), None)
    if figure and limit:
        low, high = (said[end] if _number(said.get(end)) else None for end in ("low", "high"))
        return Margin(gate or figure, said[figure], said[limit[0]], limit[1], low, high)
    if _number(said.get("live")) and _number(said.get("held_out")):
        # Decay says the lower end alone: it is the one that has to be above what was accepted.
        return Margin("live loss, against when it was accepted", said["live"], said["held_out"], False, said.get("low"))
    if _number(said.get("error")) and _number(said.get("tolerance")):
        return Margin(gate, said["error"], said["tolerance"], False)
    return None


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
