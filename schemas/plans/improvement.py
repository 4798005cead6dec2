"""How much may the experiment loop spend, on what, and when does it stop?"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import Field, model_validator

from schemas.plans.words import Plan

__all__ = ["ImprovementPlan", "Tier"]


class Tier(Plan):
    """How much one experiment is given: a small sample screens, a medium run confirms, a full run decides."""

    name: str
    share: float = Field(gt=0, le=1, description="Of the training rows.")
    folds: int = Field(ge=1, le=5, description="Blocks of judged rows, the newest first.")
    seeds: int = Field(ge=1, le=20, description="Fits of each fold; seeds tell a gain from luck.")

    @property
    def fits(self) -> int:
        return self.folds * self.seeds

    @property
    def cost(self) -> float:
        """In fits on all training rows, as if a fit took as long as its rows are many."""
        return self.fits * self.share


class ImprovementPlan(Plan):
    """What a night of experiments may spend. What runs out first ends it, and what has run is kept."""

    runs: int = Field(
        default=40, ge=1, description="Ideas tried in a night, those that a small sample ended among them."
    )
    time: timedelta = Field(default=timedelta(hours=8), description="From the first experiment on.")
    money: float | None = Field(default=None, gt=0, description="In the framing's currency; None: not counted.")
    money_per_hour: float = Field(default=0.0, ge=0, description="What an hour of fitting costs.")
    rows: int = Field(
        default=60_000, ge=200, description="Rows that experiments share; of a larger table the same part each time."
    )
    reach: float = Field(
        default=2.0,
        ge=1,
        description="Rows reach back so many times the recipe's window, so that longer ones can be tried.",
    )
    tiers: tuple[Tier, ...] = Field(
        default=(
            Tier(name="screen", share=0.25, folds=1, seeds=1),
            Tier(name="confirm", share=1.0, folds=2, seeds=2),
            Tier(name="decide", share=1.0, folds=3, seeds=3),
        ),
        min_length=1,
        description="Smallest first. The last decides; under `screen_from` rows it is the only one.",
    )
    screen_from: int = Field(
        default=4_000,
        ge=1,
        description="Training rows under which a sample tells nothing, and a full run takes seconds.",
    )
    alpha: float = Field(
        default=0.025,
        gt=0,
        lt=0.5,
        description="Error rate of each end of a gain's interval: noise is called a gain as often.",
    )
    worthwhile: float | None = Field(
        default=None, gt=0, description="The smallest gain a row that matters; None: a tenth of the framing's margin."
    )
    patience: int = Field(
        default=20, ge=1, description="Experiments without a gain after which a night stops: the field's plateau."
    )
    moonshots: float = Field(
        default=0.2, ge=0, lt=1, description="Share of the runs for what seldom works, and is worth much if it does."
    )
    explore: tuple[float, ...] = Field(
        default=(0.8, 0.5, 0.2, 0.0),
        min_length=1,
        description="Share of choices made for what they teach, by phase; phases are equal parts of the runs.",
    )
    keep_experiments: timedelta = Field(
        default=timedelta(days=180),
        gt=timedelta(0),
        description="How long an experiment's frozen rows, row losses and page are kept; what came of it stays for good.",
    )
    hands_over: bool = Field(
        default=True, description="The winner is asked for as a retrain; what serves is decided by the gates alone."
    )

    @model_validator(mode="after")
    def _says_shares(self) -> "ImprovementPlan":
        if not all(0 <= share <= 1 for share in self.explore):
            raise ValueError(f"shares of exploration lie in [0, 1], got {self.explore}")
        costs = [tier.cost for tier in self.tiers]
        if sorted(costs) != costs or len({tier.name for tier in self.tiers}) < len(self.tiers):
            raise ValueError("tiers have different names, and each costs at least what the one before it costs")
        return self

    @model_validator(mode="after")
    def _money_is_spent(self) -> "ImprovementPlan":
        if self.money is not None and self.money_per_hour == 0:
            raise ValueError(
                f"money={self.money:g} can never be spent where money_per_hour is 0: say what an hour of fitting costs, or "
                "leave money out"
            )
        return self

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> "ImprovementPlan":
        """A copy holds to the same rules: pydantic's own would take a night's budget as it comes."""
        return self.model_validate(self.model_dump() | dict(update or {}))
