"""When is the champion no longer the right one?"""

from datetime import timedelta

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
