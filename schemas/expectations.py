"""What is expected of a model: how good, how fair, how it behaves, and what would see that it is not?"""

from typing import Literal

from pydantic import Field, model_validator

from schemas.frozen import Frozen

__all__ = [
    "LOWER_IS_BETTER",
    "Behaviour",
    "Direction",
    "Fairness",
    "Goal",
    "Invariance",
    "Level",
    "Metric",
    "MinimumFunction",
    "Requirement",
    "Risk",
]

Metric = Literal["average_precision", "roc_auc", "mae", "recall", "precision", "accuracy", "loss"]
LOWER_IS_BETTER = frozenset({"mae", "loss"})


class Requirement(Frozen):
    """A floor or a ceiling for a metric, whoever the champion is: the acceptance threshold.

    Before deployment it is asked of held-out rows, where its whole interval has to keep it. After deployment it is asked
    of matured rows that the model answered: in probation a whole interval that breaks it rolls back, and of a champion
    it calls for a retrain.

    `at_precision` makes it an operating point: the threshold is the lowest that reaches this precision on validation
    rows, frozen there, and less precision may not be shown on the held-out rows.
    """

    metric: Metric
    at_least: float | None = None
    at_most: float | None = None
    at_precision: float | None = Field(default=None, gt=0, lt=1)
    when: Literal["before", "after", "both"] = Field(
        default="before", description="Deployment: asked before it or after."
    )
    reason: str

    @property
    def name(self) -> str:
        return self.metric if self.at_precision is None else f"{self.metric} at precision {self.at_precision:g}"

    @property
    def asks(self) -> str:
        """What tells it from another requirement on the same metric."""
        sides = [f"{s} {x:g}" for s, x in (("at least", self.at_least), ("at most", self.at_most)) if x is not None]
        return f"{self.name} {' and '.join(sides)}"

    @property
    def before(self) -> bool:
        return self.when != "after"

    @property
    def after(self) -> bool:
        return self.when != "before"

    @model_validator(mode="after")
    def _says_something(self) -> "Requirement":
        if self.at_least is None and self.at_most is None:
            raise ValueError(f"a requirement on {self.metric} needs at_least or at_most; without both it always passes")
        if self.at_precision is not None and self.metric != "recall":
            raise ValueError(f"an operating point states the recall at a precision, not the {self.metric}")
        if self.at_precision is not None and self.after:
            raise ValueError(
                f"the {self.name} is judged before deployment: its threshold is frozen on validation rows, and live rows "
                "are decided at the model's own. Require recall or precision of those after deployment."
            )
        return self


class Level(Frozen):
    """How good whoever does it today is: people, the model in place, or a rule. A model is for what lies above it."""

    who: Literal["human", "incumbent", "rule"]
    metric: Metric
    value: float
    source: str = Field(min_length=1, description="Who measured it, when, and on which rows.")


class Goal(Frozen):
    """The objective as a number: a metric that reaches a level, or moves `by` so much for the better over today's level."""

    metric: Metric
    at_least: float | None = None
    at_most: float | None = None
    by: float | None = Field(default=None, gt=0, description="For the better, in the metric's own unit.")
    reason: str = Field(min_length=1, description="What reaching it is worth.")

    @model_validator(mode="after")
    def _says_one_thing(self) -> "Goal":
        said = [name for name in ("at_least", "at_most", "by") if getattr(self, name) is not None]
        if len(said) != 1:
            raise ValueError(f"a goal says one of at_least, at_most and by, got {', '.join(said) or 'none of them'}")
        side = "at_most" if self.metric in LOWER_IS_BETTER else "at_least"
        if said != ["by"] and said != [side]:
            raise ValueError(
                f"of {self.metric} {'less' if side == 'at_most' else 'more'} is better: its goal is {side}"
            )
        return self

    def value(self, level: Level | None) -> float:
        """The level to be reached: a floor, or a ceiling where less of the metric is better."""
        if self.by is None:
            return float(self.at_least if self.at_most is None else self.at_most)  # type: ignore[arg-type]
        if level is None or level.metric != self.metric:
            raise ValueError(f"a goal of {self.metric} by {self.by:g} needs a level of {self.metric} to count from")
        return level.value - self.by if self.metric in LOWER_IS_BETTER else level.value + self.by


class Fairness(Frozen):
    """A gap between the groups of a column that may not be exceeded."""

    column: str
    measure: Literal["selection rate", "true positive rate", "loss"]
    tolerance: float = Field(gt=0, description="Largest gap between two groups, in the measure's own unit.")


class Invariance(Frozen):
    """Changing a column to any of `values` leaves the decision as it was."""

    kind: Literal["invariance"] = "invariance"
    column: str
    values: tuple[float | int | str, ...]
    tolerated_share: float = Field(default=0.02, ge=0, lt=1, description="Rows whose decision may change all the same.")


class Direction(Frozen):
    """Adding `by` to a column moves the score up (or down), never the other way."""

    kind: Literal["direction"] = "direction"
    column: str
    by: float
    moves: Literal["up", "down"]
    tolerated_share: float = Field(default=0.05, ge=0, lt=1, description="Rows that may move the other way.")
    slack: float = Field(default=0.01, ge=0, description="A move of the score the other way that is still none.")


class MinimumFunction(Frozen):
    """A case so clear that a model which gets it wrong serves nobody: these values, whatever the rest, give this decision."""

    kind: Literal["minimum function"] = "minimum function"
    name: str
    values: dict[str, float | int | str]
    decision: float
    tolerated_share: float = Field(default=0.05, ge=0, lt=1, description="Rows that may be decided otherwise.")


Behaviour = Invariance | Direction | MinimumFunction


class Risk(Frozen):
    """Something that can go wrong, and the check that would see it, by its name in schemas.risks."""

    name: str
    detector: str
