"""When is the champion no longer the right one?"""

import math
from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

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
        description="Drift alarms per window without drift. 17 calibration windows support 1 in 18; repeated moves, 5.",
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
    report_pages: int = Field(
        default=30,
        ge=1,
        description="Newest windows whose report is kept as HTML, 4 to 5 MB each; of others its figures stay as JSON.",
    )
    alarm_pages: int = Field(
        default=100,
        ge=1,
        description="Newest windows that raised an alarm, or could not be judged, whose HTML is kept beyond those.",
    )
    keep_reports: timedelta = Field(
        default=timedelta(days=730),
        gt=timedelta(0),
        description="How long the figures of a window's report are kept, some 40 KB each; two years show a season twice.",
    )
    leak_rate: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="False alarms a look at each figure that may creep up: training time, model size, latency, memory.",
    )
    leak_growth: float = Field(
        default=0.5,
        gt=0,
        description="Growth over the runs looked at from which creeping up is told: half as much again is seldom noise.",
    )
    leak_looks: int = Field(
        default=30, ge=6, description="The newest retrains, and monitoring windows, that a slow leak is sought in."
    )
    repeated: int = Field(
        default=2, ge=1, description="Windows over their low limit, this one among them, that are an alarm together."
    )
    among: int = Field(
        default=3,
        ge=1,
        description="The newest windows that the repeated ones are looked for in: a small shift is found by its staying.",
    )
    season: timedelta | None = Field(
        default=None,
        description="Windows are held against those of the same part of it, as Mondays against Mondays; two of it are needed.",
    )
    window_rows: int = Field(
        default=30,
        ge=1,
        description="Rows under which a window says nothing about drift: shares of them are too coarse.",
    )
    drift_without_labels: Literal["retrain", "note"] = Field(
        default="note",
        description="When inputs have moved and no matured label of such rows can tell what that costs: note it and look again as labels mature, or retrain at once, on labelled rows that are all from before the move.",
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

    def smallest_rate(self, n_windows: int) -> float:
        """The lowest false-alarm rate a window that `n_windows` calibration windows support: of one window's alarm
        1 / (n + 1), and of repeated ones less."""
        one, others = 1 / (n_windows + 1), self.among - 1
        repeated = sum(
            math.comb(others, n) * one**n * (1 - one) ** (others - n) for n in range(self.repeated - 1, self.among)
        )
        return one * min(repeated, 1.0)

    @model_validator(mode="after")
    def _is_sound(self) -> "MonitoringPlan":
        if self.repeated > self.among:
            raise ValueError(f"repeated {self.repeated} is more than among {self.among}: no window would ever alarm")
        if self.season is not None and not 2 * self.window <= self.season <= self.history / 2:
            raise ValueError(
                f"a season of {self.season} holds two windows of {self.window} or more, and history {self.history} two seasons"
            )
        return self
