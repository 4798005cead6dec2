"""How does Evidently carry our numbers? Metrics and tests of its own kind, whose values and outcomes were settled before.

This module imports Evidently at its top, which takes seconds: it is imported only while a report is made.
"""

from collections.abc import Mapping
from typing import Any

from evidently.core.metric_types import MetricTest, MetricTestResult, SingleValueCalculation, SingleValueMetric
from evidently.legacy.calculations.stattests import StatTest, register_stattest
from evidently.legacy.core import ColumnType
from evidently.legacy.renderers.html_widgets import CounterData, counter
from evidently.legacy.tests.base_test import TestStatus
from evidently.metrics import ValueDrift

from schemas.verdict import Outcome, Verdict
from tasks.monitoring.frames import shown
from tasks.monitoring.page import figure
from tasks.monitoring.window import Judged

__all__ = ["OUTCOMES", "LedgerVerdict", "ProfileDistance", "ShareOfLimit", "carry", "metrics_of"]

_METHOD = "perennial"
_STATUS = {Outcome.PASS: TestStatus.SUCCESS, Outcome.FAIL: TestStatus.FAIL, Outcome.WAIT: TestStatus.WARNING}
# What a test of ours says, read back from Evidently's own words.
OUTCOMES = {status.value: outcome for outcome, status in _STATUS.items()}
# As a line over time: an alarm is a peak, and a window that nobody could judge is half of one.
_HEIGHT = {Outcome.PASS: 0.0, Outcome.WAIT: 0.5, Outcome.FAIL: 1.0}


class PerennialTest(MetricTest):
    """A test whose outcome was settled from all rows, by the verdict that the ledger holds."""

    title: str
    outcome: str
    said: str
    value: float
    limit: float = float("nan")

    def to_test(self) -> Any:
        def settled(_context: Any, metric: Any, _value: Any) -> MetricTestResult:
            return MetricTestResult(
                id="perennial",
                name=self.title,
                description=self.said,
                status=_STATUS[Outcome(self.outcome)],
                metric_config=metric.to_metric_config(),
                test_config={"outcome": self.outcome, "value": figure(self.value), "limit": figure(self.limit)},
            )

        return settled


class LedgerVerdict(SingleValueMetric):
    """The verdict on the whole window: 0 where it passes, 1 where it is an alarm, 0.5 where it waits."""


class _LedgerVerdictCalculation(SingleValueCalculation[LedgerVerdict]):
    def calculate(self, _context: Any, _current: Any, _reference: Any) -> Any:
        result = self.result(self.metric.tests[0].value)
        result.widget = []  # the page begins with it
        return result

    def display_name(self) -> str:
        return "verdict of the ledger"


# Evidently draws one line a set of parameters: what differs from window to window stands in the test, never beside the name.
class ProfileDistance(SingleValueMetric):
    """How far one name is from the reference, in [0, 1], with Evidently's own plots of it where it is a drawn column."""

    name: str


class _ProfileDistanceCalculation(SingleValueCalculation[ProfileDistance]):
    def calculate(self, context: Any, current: Any, reference: Any) -> Any:
        test = self.metric.tests[0]
        result = self.result(test.value)
        result.widget = []
        if self.metric.name in context.data_definition.get_columns([ColumnType.Numerical, ColumnType.Categorical]):
            plotted = ValueDrift(column=self.metric.name, method=_METHOD, threshold=test.limit, tests=[])
            plots = plotted.to_calculation().calculate(context, current, reference).widget[1:]
            heading = counter(counters=[CounterData(test.said, shown(self.metric.name))], title="")
            result.widget = [heading, *map(_distribution_first, plots)]
        return result

    def display_name(self) -> str:
        return f"distance of {shown(self.metric.name)}"


def _distribution_first(plots: Any) -> Any:
    """What moved is seen in the distribution; when it moved, in the other tab, which has the window in its own order."""
    plots.tabs = sorted(plots.tabs, key=lambda tab: tab.title != "DATA DISTRIBUTION")
    for tab in plots.tabs:
        tab.title = "distribution" if tab.title == "DATA DISTRIBUTION" else "through the window"
    return plots


class ShareOfLimit(SingleValueMetric):
    """The same distance in units of its limit: above 1 it is outside, whatever the name."""

    name: str
    share: float

    def __init__(self, name: str, share: float) -> None:
        super().__init__(name=name, share=share)


class _ShareOfLimitCalculation(SingleValueCalculation[ShareOfLimit]):
    def calculate(self, _context: Any, _current: Any, _reference: Any) -> Any:
        result = self.result(self.metric.share)
        result.widget = []
        return result

    def display_name(self) -> str:
        return f"{shown(self.metric.name)}, in units of its limit"

    def to_metric_config(self) -> Any:
        config = super().to_metric_config()
        return type(config)(metric_id=config.metric_id, params={k: v for k, v in config.params.items() if k != "share"})


def carry(distances: Mapping[str, float]) -> None:
    """Make Evidently's drift machinery say these distances: larger is further apart, and above the limit has moved."""

    def ours(reference: Any, _current: Any, _kind: Any, threshold: float) -> tuple[float, bool]:
        value = float(distances[str(reference.name)])
        return value, value > threshold

    test = StatTest(
        name=_METHOD,
        display_name="distance of all rows, limit from the problem's own windows",
        allowed_feature_types=[ColumnType.Numerical, ColumnType.Categorical],
    )
    register_stattest(test, default_impl=ours)


def metrics_of(verdict: Verdict, judged: list[Judged]) -> list[Any]:
    """The verdict first, then every name; each with the one test that says where it stands."""
    whole = PerennialTest(
        title=f"drift: {verdict.outcome}",
        outcome=str(verdict.outcome),
        said=shown(verdict.reason),
        value=_HEIGHT[verdict.outcome],
    )
    return [LedgerVerdict(tests=[whole]), *(metric for one in judged for metric in _of_one(one))]


def _of_one(one: Judged) -> list[Any]:
    said = f"{one.said}: distance {figure(one.distance)}, limit {figure(one.limit)}"
    test = PerennialTest(
        title=shown(one.name), outcome=str(one.outcome), said=said, value=one.distance, limit=one.limit
    )
    share = [ShareOfLimit(one.name, one.share)] if one.share == one.share else []
    return [ProfileDistance(name=one.name, tests=[test]), *share]
