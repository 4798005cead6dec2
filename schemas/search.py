"""Which parameters of a recipe are searched, between which ends, and how?"""

import math
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field, model_validator

from schemas.frozen import Frozen
from schemas.recipe import Recipe

__all__ = ["Choice", "End", "Range", "Search", "default_search"]

End = Literal["low", "high"]
Value = bool | int | float | str | None

_DIGITS = 4  # of a value that is no whole number: more are not read, and move no loss


class Range(Frozen):
    """A number between two ends, both of them included."""

    kind: Literal["range"] = "range"
    low: float
    high: float
    log: bool = Field(default=False, description="As likely between 1 and 10 as between 10 and 100.")
    step: float | None = Field(default=None, gt=0, description="Only low, low + step and so on; None: all between.")
    integer: bool = Field(default=False, description="Whole numbers alone.")
    limits: tuple[End, ...] = Field(
        default=(),
        description="Ends beyond which the parameter has no value: a search that stops there is not held back.",
    )

    @model_validator(mode="after")
    def _is_sound(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"a range goes up from low to high, not from {self.low:g} to {self.high:g}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError(
                f"a range on a log scale begins above 0 and has no step; low {self.low:g}, step {self.step}"
            )
        if self.integer and not all(float(x).is_integer() for x in (self.low, self.high, self.step or 1)):
            raise ValueError(
                f"a range of whole numbers has whole ends and steps: {self.low:g}, {self.high:g}, {self.step}"
            )
        return self

    def position(self, value: float) -> float:
        """Where `value` lies, 0 at low and 1 at high, on the range's own scale.

        >>> Range(low=1, high=100, log=True).position(10)
        0.5
        """
        low, high, at = (math.log(x) if self.log else x for x in (self.low, self.high, value))
        return (at - low) / (high - low)

    def at(self, position: float) -> float | int:
        """The value at `position`, as the range allows it.

        >>> Range(low=1, high=100, log=True, integer=True).at(0.25)
        3
        """
        if self.log:
            return self.allowed(math.exp(math.log(self.low) + position * math.log(self.high / self.low)))
        return self.allowed(self.low + position * (self.high - self.low))

    def allowed(self, value: float) -> float | int:
        """The nearest value that the range has, in as many digits as people read."""
        step = self.step or (1 if self.integer and not self.log else None)
        if step is not None:
            value = self.low + step * round((value - self.low) / step)
            value = value if value <= self.high else value - step
        value = min(max(value, self.low), self.high)
        return round(value) if self.integer else min(max(float(f"{value:.{_DIGITS}g}"), self.low), self.high)

    def points(self, count: int) -> tuple[float | int, ...]:
        """The values of a grid, low and high among them: every step, or `count` that are as far apart as the scale is even."""
        if self.step is not None:
            count = int((self.high - self.low) / self.step + 1e-9) + 1
            return tuple(self.allowed(self.low + i * self.step) for i in range(count))
        return tuple(dict.fromkeys(self.at(i / (count - 1)) for i in range(count)))

    def widened(self, end: End) -> "Range":
        """Half as much again, on its own scale, beyond `end`; as it is where nothing lies beyond."""
        if end in self.limits:
            return self
        if self.log:
            by = math.sqrt(self.high / self.low)
            low, high = self.low / by, self.high * by
        else:
            low, high = self.low - (self.high - self.low) / 2, self.high + (self.high - self.low) / 2
        new = low if end == "low" else high
        if self.integer:
            new = math.floor(new) if end == "low" else math.ceil(new)
            new = max(new, 1) if self.log else new
        return self.model_copy(update={end: float(new)})


class Choice(Frozen):
    """One of several values, in no order."""

    kind: Literal["choice"] = "choice"
    values: tuple[Value, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _differ(self) -> "Choice":
        if len(set(map(repr, self.values))) < len(self.values):
            raise ValueError(f"a choice names each value once, not {self.values}")
        return self


class Search(Frozen):
    """What is searched, and how much of it. Equal searches over equal rows with one seed find the same."""

    space: dict[str, Annotated[Range | Choice, Field(discriminator="kind")]] = Field(
        min_length=1, description="By the estimator's own name for the parameter."
    )
    sampler: Literal["tpe", "random", "grid"] = Field(
        default="tpe",
        description="tpe learns from the trials before; random needs no luck with the ends; grid is for two parameters at most, since it grows with their power.",
    )
    trials: int = Field(
        default=30,
        ge=1,
        le=1000,
        description="With 30 random ones the best 10 % of the space is met in 96 % of searches; more mostly fit the inner folds' noise.",
    )
    pruner: Literal["median", "halving", "none"] = Field(
        default="median",
        description="After each inner fold: median ends a trial that is worse than half of those before it, halving all but the best half.",
    )
    inner_folds: int = Field(
        default=3,
        ge=1,
        le=10,
        description="Of the training rows alone. Each more costs a fit a trial, and three settle most.",
    )
    grid_points: int = Field(default=4, ge=2, description="In a grid: values of a range without a step.")

    @model_validator(mode="after")
    def _grid_fits(self) -> "Search":
        if self.sampler == "grid" and self.grid_size > self.trials:
            raise ValueError(
                f"the grid has {self.grid_size} points and the search {self.trials} trials: it would end in a corner of it. "
                "Search fewer parameters, take fewer grid_points, or sample at random."
            )
        return self

    def grid(self) -> dict[str, tuple[Value, ...]]:
        """The values of each parameter that a grid crosses."""
        return {
            name: of.points(self.grid_points) if isinstance(of, Range) else of.values for name, of in self.space.items()
        }

    @property
    def grid_size(self) -> int:
        return math.prod(map(len, self.grid().values()))

    def widened(self, at_edge: dict[str, End]) -> "Search":
        """The search that comes next where this one ended at its edge."""
        space = dict(self.space)
        for name, end in at_edge.items():
            if isinstance(of := space[name], Range):
                space[name] = of.widened(end)
        return self.model_copy(update={"space": space})


Space = dict[str, Range | Choice]


def default_search(recipe: Recipe, *, task: Literal["binary", "multiclass", "regression"], rows: int) -> Search | None:
    """The few parameters of the recipe's family that move its loss most, between ends that fit `rows` training rows; None
    where the family has none, or the recipe starts from a champion, whose parameters are what they are."""
    space = _SPACES.get(recipe.family)
    if space is None or recipe.start != "anew":
        return None
    return Search(space=space(max(rows, 1), task != "regression"))


def _boosting(rows: int, classes: bool) -> Space:
    return {
        "learning_rate": Range(low=0.01, high=0.3, log=True),
        # Each tree is a fit's time: more of them where there are rows to learn from.
        "max_iter": Range(low=20, high=100 if rows < 1_000 else 300 if rows < 20_000 else 600, log=True, integer=True),
        "max_leaf_nodes": Range(low=4, high=_between(rows // 20, 8, 127), log=True, integer=True),
        "min_samples_leaf": Range(low=2, high=_between(rows // 20, 8, 400), log=True, integer=True),
        "l2_regularization": Range(low=1e-3, high=30.0, log=True),
    }


def _linear(rows: int, classes: bool) -> Space:
    # C is the inverse of the penalty's weight against the sum over rows, alpha of a ridge the weight itself: what is
    # strong and what is weak grows with the rows.
    if classes:
        return {"C": Range(low=_rounded(1 / rows), high=100.0, log=True)}
    return {"alpha": Range(low=1e-3, high=float(max(10 * rows, 10)), log=True)}


def _sgd(rows: int, classes: bool) -> Space:
    return {"alpha": Range(low=1e-7, high=1.0, log=True), "eta0": Range(low=1e-4, high=0.3, log=True)}


def _tree(rows: int, classes: bool) -> Space:
    # Deeper than two levels over what the rows can be halved into, a tree asks the same as without a limit.
    deepest = _between(int(math.log2(rows)) + 2, 3, 20)
    return {
        "max_depth": Range(low=1, high=deepest, integer=True, limits=("low",)),
        "min_samples_leaf": Range(low=1, high=_between(rows // 10, 5, 500), log=True, integer=True, limits=("low",)),
    }


def _forest(rows: int, classes: bool) -> Space:
    return {
        "max_features": Range(low=0.1, high=1.0, limits=("high",)),
        "min_samples_leaf": Range(low=1, high=_between(rows // 20, 5, 200), log=True, integer=True, limits=("low",)),
        # Never worse for more trees, only slower: few points are enough to see where it is flat.
        "n_estimators": Range(low=50, high=300, step=50, integer=True),
    }


def _neighbours(rows: int, classes: bool) -> Space:
    # An inner fold is fitted on a third of the rows at least, and cannot ask more neighbours than that.
    most = _between(min(int(4 * math.sqrt(rows)), rows // 4), 2, 400)
    return {
        "n_neighbors": Range(low=1, high=most, log=True, integer=True, limits=("low",)),
        "weights": Choice(values=("uniform", "distance")),
    }


_SPACES: dict[str, Callable[[int, bool], Space]] = {
    "boosting": _boosting,
    "linear": _linear,
    "sgd": _sgd,
    "tree": _tree,
    "forest": _forest,
    "neighbours": _neighbours,
}


def _between(value: int, low: int, high: int) -> int:
    return min(max(value, low), high)


def _rounded(value: float) -> float:
    """To one digit: an end is an order of magnitude.

    >>> _rounded(1 / 730)
    0.001
    """
    return float(f"{value:.0e}")
