"""What is predicted, for whom, what do errors cost, and when is the truth known?"""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "AbsoluteLoss",
    "Behaviour",
    "BrierLoss",
    "CostLoss",
    "CostMatrix",
    "Direction",
    "Fairness",
    "Framing",
    "Invariance",
    "LogLoss",
    "Loss",
    "MatrixLoss",
    "Metric",
    "MinimumFunction",
    "Requirement",
    "Risk",
]

Metric = Literal["average_precision", "roc_auc", "mae", "recall", "precision", "accuracy", "loss"]


class _Frozen(BaseModel):
    # A limit that is no number would let everything pass.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class CostLoss(_Frozen):
    """Cost-weighted 0/1 loss at a threshold frozen on validation; each row's loss lies in [0, max(miss, false_alarm)]."""

    kind: Literal["cost"] = "cost"
    miss: float = Field(default=1.0, gt=0, le=1, description="Loss of a positive that is let through.")
    false_alarm: float = Field(gt=0, le=1, description="Loss of a negative that is acted on.")


class BrierLoss(_Frozen):
    """Squared error of a probability (of several classes: half their sum); each row's loss lies in [0, 1]."""

    kind: Literal["brier"] = "brier"


class LogLoss(_Frozen):
    """Minus the log of the true class's probability, clipped at `bound` and divided by it; each row's loss lies in [0, 1]."""

    kind: Literal["log"] = "log"
    bound: float = Field(
        default=4.6, gt=0, description="Nats from which on a row counts as wholly wrong; 4.6 is ln 100."
    )


class MatrixLoss(_Frozen):
    """What each decision costs under each truth, rows truth, columns decision, in class order; each entry in [0, 1].

    The model decides for the class with the least expected cost.
    """

    kind: Literal["matrix"] = "matrix"
    costs: tuple[tuple[float, ...], ...]

    @model_validator(mode="after")
    def _is_a_loss(self) -> "MatrixLoss":
        _square(self.costs)
        if not all(0 <= cost <= 1 for row in self.costs for cost in row):
            raise ValueError(f"every entry of a cost matrix that is a loss lies in [0, 1], got {self.costs}")
        return self


class AbsoluteLoss(_Frozen):
    """Absolute error divided by `bound` and clipped at 1; each row's loss lies in [0, 1]."""

    kind: Literal["absolute"] = "absolute"
    bound: float = Field(
        gt=0, description="The error, in the target's unit, from which on a row counts as wholly wrong."
    )


Loss = CostLoss | BrierLoss | LogLoss | MatrixLoss | AbsoluteLoss


def _square(costs: tuple[tuple[float, ...], ...]) -> None:
    """A cost matrix has a row and a column a class, and being right is the cheapest decision under each truth."""
    if len(costs) < 2 or any(len(row) != len(costs) for row in costs):
        raise ValueError(f"a cost matrix has one row and one column a class, got {costs}")
    for truth, row in enumerate(costs):
        if row[truth] > min(row):
            raise ValueError(
                f"under truth {truth} deciding {row.index(min(row))} costs {min(row)} and being right costs {row[truth]}: "
                "an error cheaper than the right decision is a flipped sign. Costs are positive, gains negative."
            )
    if not any(cost > row[truth] for truth, row in enumerate(costs) for cost in row):
        raise ValueError(f"no error costs more than the right decision: any model would do under {costs}")


class CostMatrix(_Frozen):
    """What each decision costs in the framing's currency: rows truth, columns decision, in class order; gains are negative."""

    costs: tuple[tuple[float, ...], ...]
    tolerated: float = Field(ge=0, description="Cost a row, in the currency, that a challenger may add.")

    @model_validator(mode="after")
    def _is_square(self) -> "CostMatrix":
        _square(self.costs)
        return self


class Requirement(_Frozen):
    """A floor or a ceiling for a metric on held-out rows, whoever the champion is. Its whole interval has to keep it.

    `at_precision` makes it an operating point: the threshold is the lowest that reaches this precision on validation
    rows, frozen there, and less precision may not be shown on the held-out rows.
    """

    metric: Metric
    at_least: float | None = None
    at_most: float | None = None
    at_precision: float | None = Field(default=None, gt=0, lt=1)
    reason: str

    @property
    def name(self) -> str:
        return self.metric if self.at_precision is None else f"{self.metric} at precision {self.at_precision:g}"

    @property
    def asks(self) -> str:
        """What tells it from another requirement on the same metric."""
        sides = [f"{s} {x:g}" for s, x in (("at least", self.at_least), ("at most", self.at_most)) if x is not None]
        return f"{self.name} {' and '.join(sides)}"

    @model_validator(mode="after")
    def _says_something(self) -> "Requirement":
        if self.at_least is None and self.at_most is None:
            raise ValueError(f"a requirement on {self.metric} needs at_least or at_most; without both it always passes")
        if self.at_precision is not None and self.metric != "recall":
            raise ValueError(f"an operating point states the recall at a precision, not the {self.metric}")
        return self


class Fairness(_Frozen):
    """A gap between the groups of a column that may not be exceeded."""

    column: str
    measure: Literal["selection rate", "true positive rate", "loss"]
    tolerance: float = Field(gt=0, description="Largest gap between two groups, in the measure's own unit.")


class Invariance(_Frozen):
    """Changing a column to any of `values` leaves the decision as it was."""

    kind: Literal["invariance"] = "invariance"
    column: str
    values: tuple[float | int | str, ...]
    tolerated_share: float = Field(default=0.02, ge=0, lt=1, description="Rows whose decision may change all the same.")


class Direction(_Frozen):
    """Adding `by` to a column moves the score up (or down), never the other way."""

    kind: Literal["direction"] = "direction"
    column: str
    by: float
    moves: Literal["up", "down"]
    tolerated_share: float = Field(default=0.05, ge=0, lt=1, description="Rows that may move the other way.")
    slack: float = Field(default=0.01, ge=0, description="A move of the score the other way that is still none.")


class MinimumFunction(_Frozen):
    """A case so clear that a model which gets it wrong serves nobody: these values, whatever the rest, give this decision."""

    kind: Literal["minimum function"] = "minimum function"
    name: str
    values: dict[str, float | int | str]
    decision: float
    tolerated_share: float = Field(default=0.05, ge=0, lt=1, description="Rows that may be decided otherwise.")


Behaviour = Invariance | Direction | MinimumFunction


class Risk(_Frozen):
    """Something that can go wrong, and the check that would see it."""

    name: str
    detector: str


class Framing(_Frozen):
    """The problem as a specification that later stages read. Losses: lower is better."""

    task: Literal["binary", "multiclass", "regression"]
    classes: tuple[str | int, ...] = Field(
        default=(), description="Values of a multiclass target, in the order of cost matrices and score columns."
    )
    objective: str = Field(description="The business objective, and by how much it should move.")
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
    risks: tuple[Risk, ...] = ()

    @property
    def simpler_within(self) -> float:
        return self.simplicity_margin or self.margin

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

    def in_money(self, loss: float, *, rows: int) -> str:
        """A difference of `loss` a row, over `rows` rows, as money; empty when the framing prices nothing."""
        if self.money_per_loss is None:
            return ""
        return f"{loss * rows * self.money_per_loss:+,.0f} {self.currency} per {rows:,} rows"
