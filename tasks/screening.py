"""How far does an idea come? A small sample screens, a medium run confirms, a full run decides."""

from collections.abc import Sequence

from schemas.experiment import Gain
from schemas.night import Called
from schemas.plans.improvement import ImprovementPlan, Tier

__all__ = ["called", "goes_on", "tiers_for"]


def tiers_for(plan: ImprovementPlan, rows: int) -> tuple[Tier, ...]:
    """The plan's tiers; of a small table the last alone, since a sample of it tells nothing."""
    return plan.tiers if rows >= plan.screen_from else plan.tiers[-1:]


def called(gain: Gain) -> Called:
    """What a gain's whole interval says of it."""
    if gain.shown:
        return Called.GAIN
    return Called.WORSE if gain.excluded else Called.NOISE


def goes_on(gain: Gain, tier: Tier, tiers: Sequence[Tier], *, worthwhile: float) -> bool:
    """Whether the next tier is worth its cost: not where the gain cannot be `worthwhile` any more, and after a run on all
    rows not where it does not even look like one. There is nothing after the last."""
    if tier == tiers[-1] or gain.high < worthwhile:
        return False
    return tier.share < 1 or gain.estimate > 0
