"""What is predicted, for whom, what do errors cost, and when is the truth known?"""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from schemas.expectations import (
    Behaviour,
    Direction,
    Fairness,
    Goal,
    Invariance,
    Level,
    Metric,
    MinimumFunction,
    Requirement,
    Risk,
)
from schemas.frozen import Frozen
from schemas.losses import AbsoluteLoss, BrierLoss, CostLoss, CostMatrix, LogLoss, Loss, MatrixLoss

__all__ = [
    "AbsoluteLoss",
    "Behaviour",
    "BrierLoss",
    "CostLoss",
    "CostMatrix",
    "Direction",
    "Fairness",
    "Framing",
    "Goal",
    "Invariance",
    "Level",
    "LogLoss",
    "Loss",
    "MatrixLoss",
    "Metric",
    "MinimumFunction",
    "Requirement",
    "Risk",
]

# Which metrics a task defines: some need a positive class, some decisions, one a number that is predicted.
_METRICS = {
    "binary": {"average_precision", "roc_auc", "recall", "precision", "accuracy", "loss"},
    "multiclass": {"roc_auc", "accuracy", "loss"},
    "regression": {"mae", "loss"},
}


class Framing(Frozen):
    """The problem as a specification that later stages read. Losses: lower is better."""

    task: Literal["binary", "multiclass", "regression"]
    classes: tuple[str | int, ...] = Field(
        default=(), description="Values of a multiclass target, in the order of cost matrices and score columns."
    )
    objective: str = Field(description="The business objective, in words.")
    goal: Goal | None = Field(
        default=None, description="By how much: said of every challenger beside what it measured."
    )
    level: Level | None = Field(default=None, description="How good people, a rule or the model in place are today.")
    key: str = Field(description="The column that identifies a row.")
    entity: str | None = Field(description="Who repeats: routing keeps an entity in its arm. None routes by row key.")
    event_time: str
    timeless: bool = Field(
        default=False,
        description="The table has no time of its own: `event_time` and `label_time` are one moment, when it was taken. Its rows are split by hash, and no rollout is replayed over it.",
    )
    target: str
    label_time: str = Field(description="The column that says when a row's label became known.")
    maturity: timedelta = Field(description="After this long all labels of a row's cohort are known.")
    annotators: tuple[str, ...] = Field(
        default=(), description="Columns with other people's labels of the same row; their agreement bounds any model."
    )
    loss: Loss = Field(discriminator="kind")
    margin: float = Field(gt=0, description="Non-inferiority margin: how much loss a row newer may cost.")
    tolerated_harm: float = Field(gt=0, description="The loss a row that an A/B test has to be able to exclude.")
    metric: Metric = Field(description="Reported beside the loss, never gated against the champion.")
    money_per_loss: float | None = Field(default=None, description="What one unit of loss costs, in `currency`.")
    currency: str = "EUR"
    requirements: tuple[Requirement, ...] = ()
    costs: CostMatrix | None = Field(default=None, description="Business value; of classes, in their order.")
    slices: tuple[str, ...] = ()
    fairness: tuple[Fairness, ...] = ()
    behaviours: tuple[Annotated[Behaviour, Field(discriminator="kind")], ...] = ()
    calibration_tolerance: float = Field(
        default=0.05,
        gt=0,
        description="Root mean square gap between score and outcome a bin, in the score's unit, that is still calibrated.",
    )
    simplicity_margin: float | None = Field(
        default=None,
        gt=0,
        description="Loss a row that a simpler model may cost and still be taken; None: `margin`.",
    )
    latency_budget: timedelta = Field(
        default=timedelta(milliseconds=100), description="For one row, at `latency_quantile`, in a process of its own."
    )
    latency_quantile: float = Field(default=0.95, gt=0, lt=1)
    explainability: Literal["none", "each decision", "full"] = Field(
        default="none",
        description="none; a reason for each decision; or a model that a person can read as a whole.",
    )
    risks: tuple[Risk, ...] = ()
    labelled_when: int | str | None = Field(
        default=None,
        description="The decision whose label is seen: 0 where only an accepted loan shows whether it is repaid, 1 where only a reviewed payment shows whether it was a fraud. None: every row is labelled, whatever was decided.",
    )

    @property
    def labelled_decision(self) -> float | None:
        """`labelled_when` as decisions are logged: 0.0 or 1.0, or the index of a class."""
        return None if self.labelled_when is None else self.decision_of(self.labelled_when)

    def decision_of(self, said: int | str) -> float:
        """A decision as it is logged; ValueError for one that no model of this task can make."""
        known = {"binary": ("0", "1"), "regression": ()}.get(self.task, tuple(map(str, self.classes)))
        if str(said) not in known:
            raise ValueError(
                f"{said!r} is no decision of a {self.task} problem; its decisions are {', '.join(known) or 'numbers'}"
            )
        return float(known.index(str(said)))

    @property
    def simpler_within(self) -> float:
        return self.simplicity_margin or self.margin

    @property
    def largest_loss(self) -> float:
        """Of a row, whatever is decided of it."""
        match self.loss:
            case CostLoss(miss=miss, false_alarm=false_alarm):
                return max(miss, false_alarm)
            case MatrixLoss(costs=costs):
                return max(max(row) for row in costs)
            case _:
                return 1.0

    @property
    def n_classes(self) -> int:
        return {"binary": 2, "multiclass": len(self.classes), "regression": 0}[self.task]

    @model_validator(mode="after")
    def _loss_fits_task(self) -> "Framing":
        fits = {
            "binary": {"cost", "brier", "log"},
            "multiclass": {"brier", "log", "matrix"},
            "regression": {"absolute"},
        }[self.task]
        if self.loss.kind not in fits:
            raise ValueError(f"a {self.task} problem takes a loss of kind {sorted(fits)}, not {self.loss.kind!r}")
        return self

    @model_validator(mode="after")
    def _classes_fit_task(self) -> "Framing":
        if (self.task == "multiclass") != (len(self.classes) > 2) or len(set(map(str, self.classes))) < len(
            self.classes
        ):
            raise ValueError(
                f"a multiclass problem names three or more different classes, others none; got {self.classes}"
            )
        if self.task == "regression" and self.costs is not None:
            raise ValueError("a cost matrix prices decisions between classes; a regression is priced by money_per_loss")
        for matrix in (self.costs, self.loss if isinstance(self.loss, MatrixLoss) else None):
            if matrix is not None and len(matrix.costs) != self.n_classes:
                raise ValueError(
                    f"{self.n_classes} classes need a cost matrix of that size, got {len(matrix.costs)} rows"
                )
        return self

    @model_validator(mode="after")
    def _checks_differ(self) -> "Framing":
        """Two checks of one name would be one verdict: the second would hide the first."""
        asked = [r.asks for r in self.requirements] + [f"{f.column} {f.measure}" for f in self.fairness]
        asked += [b.model_dump_json(exclude={"tolerated_share", "slack"}) for b in self.behaviours]
        asked += [b.name for b in self.behaviours if isinstance(b, MinimumFunction)]
        twice = sorted({name for name in asked if asked.count(name) > 1})
        if twice:
            raise ValueError(f"declared twice, so that one would hide the other: {', '.join(twice)}")
        return self

    @model_validator(mode="after")
    def _checks_fit_task(self) -> "Framing":
        if self.task == "regression" and self.annotators:
            raise ValueError("annotators agree on classes, and the problem is regression")
        if self.task != "binary":
            positive = [str(f.measure) for f in self.fairness if f.measure != "loss"]
            of_positives = ("recall", "precision", "average_precision")
            positive += [r.name for r in self.requirements if r.metric in of_positives]
            if positive:
                raise ValueError(f"{', '.join(positive)} needs a positive class, and the problem is {self.task}")
        return self

    @model_validator(mode="after")
    def _labels_fit(self) -> "Framing":
        if self.labelled_when is not None:
            self.decision_of(self.labelled_when)
        return self

    @model_validator(mode="after")
    def _goal_fits(self) -> "Framing":
        for what, said in (("goal", self.goal), ("level", self.level)):
            if said is not None and said.metric not in _METRICS[self.task]:
                known = ", ".join(sorted(_METRICS[self.task]))
                raise ValueError(f"a {self.task} problem has no {said.metric}, which its {what} names; it has {known}")
        if self.goal is not None:
            self.goal.value(self.level)
        return self

    def in_money(self, loss: float, *, rows: int) -> str:
        """A difference of `loss` a row, over `rows` rows, as money; empty when the framing prices nothing."""
        if self.money_per_loss is None:
            return ""
        return f"{loss * rows * self.money_per_loss:+,.0f} {self.currency} per {rows:,} rows"
