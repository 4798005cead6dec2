"""What is predicted, for whom, what do errors cost, and when is the truth known?"""

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["AbsoluteLoss", "BrierLoss", "CostLoss", "Framing", "Loss", "Metric", "Requirement", "Risk"]

Metric = Literal["average_precision", "roc_auc", "mae"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CostLoss(_Frozen):
    """Cost-weighted 0/1 loss at a threshold frozen on validation; each row's loss lies in [0, max(miss, false_alarm)]."""

    kind: Literal["cost"] = "cost"
    miss: float = Field(default=1.0, gt=0, le=1, description="Loss of a positive that is let through.")
    false_alarm: float = Field(gt=0, le=1, description="Loss of a negative that is acted on.")


class BrierLoss(_Frozen):
    """Squared error of a probability; each row's loss lies in [0, 1]."""

    kind: Literal["brier"] = "brier"


class AbsoluteLoss(_Frozen):
    """Absolute error divided by `bound` and clipped at 1; each row's loss lies in [0, 1]."""

    kind: Literal["absolute"] = "absolute"
    bound: float = Field(
        gt=0, description="The error, in the target's unit, from which on a row counts as wholly wrong."
    )


Loss = CostLoss | BrierLoss | AbsoluteLoss


class Requirement(_Frozen):
    """A floor or a ceiling for a metric on held-out rows, whoever the champion is."""

    metric: Metric
    at_least: float | None = None
    at_most: float | None = None
    reason: str

    @model_validator(mode="after")
    def _says_something(self) -> "Requirement":
        if self.at_least is None and self.at_most is None:
            raise ValueError(f"a requirement on {self.metric} needs at_least or at_most; without both it always passes")
        return self


class Risk(_Frozen):
    """Something that can go wrong, and the check that would see it."""

    name: str
    detector: str


class Framing(_Frozen):
    """The problem as a specification that later stages read. Losses: lower is better."""

    task: Literal["binary", "regression"]
    objective: str = Field(description="The business objective, and by how much it should move.")
    key: str = Field(description="The column that identifies a row.")
    entity: str | None = Field(description="Who repeats: routing keeps an entity in its arm. None routes by row key.")
    event_time: str
    target: str
    label_time: str = Field(description="The column that says when a row's label became known.")
    maturity: timedelta = Field(description="After this long all labels of a row's cohort are known.")
    loss: Loss = Field(discriminator="kind")
    margin: float = Field(gt=0, description="Non-inferiority margin: how much loss a row newer may cost.")
    tolerated_harm: float = Field(gt=0, description="The loss a row that an A/B test has to be able to exclude.")
    metric: Metric = Field(description="Reported beside the loss, never gated against the champion.")
    money_per_loss: float | None = Field(default=None, description="What one unit of loss costs, in `currency`.")
    currency: str = "EUR"
    requirements: tuple[Requirement, ...] = ()
    slices: tuple[str, ...] = ()
    risks: tuple[Risk, ...] = ()

    @model_validator(mode="after")
    def _loss_fits_task(self) -> "Framing":
        fits = {"binary": {"cost", "brier"}, "regression": {"absolute"}}[self.task]
        if self.loss.kind not in fits:
            raise ValueError(f"a {self.task} problem takes a loss of kind {sorted(fits)}, not {self.loss.kind!r}")
        return self

    def in_money(self, loss: float, *, rows: int) -> str:
        """A difference of `loss` a row, over `rows` rows, as money; empty when the framing prices nothing."""
        if self.money_per_loss is None:
            return ""
        return f"{loss * rows * self.money_per_loss:+,.0f} {self.currency} per {rows:,} rows"
