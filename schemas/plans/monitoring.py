"""When is the champion no longer the right one?"""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from schemas.plans.words import Plan

__all__ = ["MonitoringPlan"]


class MonitoringPlan(Plan):
    """When is the champion no longer the right one?"""

    window: timedelta = Field(
        default=timedelta(days=7), description="One monitoring window: a week holds every weekday once."
    )
    reference: timedelta = Field(
        default=timedelta(days=56),
        description="How far back the reference reaches where no training rows exist.",
    )
    history: timedelta = Field(
        default=timedelta(days=182), description="How far back calibration windows are taken from."
    )
    false_alarms: float = Field(
        default=0.06,
        gt=0,
        lt=1,
        description="Drift alarms per window without drift. 17 calibration windows support 1 in 18.",
    )
    effect_floor: float = Field(
        default=0.1,
        gt=0,
        lt=1,
        description="Distance (KS or total variation) below which a shift is never worth a retrain.",
    )
    bad_share: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="Share of rows breaking the contract above which a batch is refused.",
    )
    decay_window: timedelta = Field(
        default=timedelta(days=21),
        description="Matured rows the champion answered that its live loss is taken from.",
    )
    decay_blocks: int = Field(
        default=10,
        ge=3,
        description="Days of matured rows needed: a day is the unit, since rows of one day move together.",
    )
    decay_tolerance: float = Field(
        default=0.0005, ge=0, description="Loss a row above the held-out level that is still no decay."
    )
    decay_alpha: float = Field(default=0.01, gt=0, lt=1, description="Error rate of each look at the decay.")
    drift_without_labels: Literal["retrain", "note"] = Field(
        default="retrain",
        description="When inputs have moved and no matured label of such rows can tell what that costs: retrain at once, or note it and look again as labels mature.",
    )
    calibration_floor: float = Field(
        default=0.05,
        gt=0,
        description="Change of the probability behind a score, in standard deviations of the label, that is still none.",
    )
    loss_rise: float = Field(
        default=0.25,
        gt=0,
        description="Rise of the expected loss, as a share of it, from which moved inputs are worth a retrain though the scores are still calibrated.",
    )
    cycle: timedelta = Field(
        default=timedelta(days=364),
        description="Inputs that look as they did this long ago are a season: 52 weeks keep the weekday.",
    )
