"""What does an error cost? Losses a row, bounded by one, and prices in the team's currency."""

from typing import Literal

from pydantic import Field, model_validator

from schemas.frozen import Frozen

__all__ = ["AbsoluteLoss", "BrierLoss", "CostLoss", "CostMatrix", "LogLoss", "Loss", "MatrixLoss"]


class CostLoss(Frozen):
    """Cost-weighted 0/1 loss at a threshold frozen on validation; each row's loss lies in [0, max(miss, false_alarm)]."""

    kind: Literal["cost"] = "cost"
    miss: float = Field(default=1.0, gt=0, le=1, description="Loss of a positive that is let through.")
    false_alarm: float = Field(gt=0, le=1, description="Loss of a negative that is acted on.")


class BrierLoss(Frozen):
    """Squared error of a probability (of several classes: half their sum); each row's loss lies in [0, 1]."""

    kind: Literal["brier"] = "brier"


class LogLoss(Frozen):
    """Minus the log of the true class's probability, clipped at `bound` and divided by it; each row's loss lies in [0, 1]."""

    kind: Literal["log"] = "log"
    bound: float = Field(
        default=4.6, gt=0, description="Nats from which on a row counts as wholly wrong; 4.6 is ln 100."
    )


class MatrixLoss(Frozen):
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


class AbsoluteLoss(Frozen):
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


class CostMatrix(Frozen):
    """What each decision costs in the framing's currency: rows truth, columns decision, in class order; gains are negative."""

    costs: tuple[tuple[float, ...], ...]
    tolerated: float = Field(ge=0, description="Cost a row, in the currency, that a challenger may add.")

    @model_validator(mode="after")
    def _is_square(self) -> "CostMatrix":
        _square(self.costs)
        return self
