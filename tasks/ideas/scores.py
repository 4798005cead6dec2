"""What could become of the scores: other weights for classes, another mapping to what came true, another threshold?"""

from collections.abc import Iterator

from schemas.diagnosis import Constraint
from schemas.framing import AbsoluteLoss, CostLoss
from schemas.idea import Idea, Kind
from tasks.ideas.case import Case

__all__ = ["rescored", "thresholds", "weighted"]

_RARE = 0.2
_ROWS = 1_000  # from which on a mapping of any shape can be learned


def weighted(case: Case) -> Iterator[Idea]:
    """Each class alike, or each row alike."""
    if case.facts.rarest is None:
        return
    mends = (Constraint.SLICE,)
    if case.recipe.class_weight is not None:
        says = "Weights of classes move scores away from what comes true."
        seen = None if isinstance(case.problem.framing.loss, CostLoss) else case.facts.off
        yield case.idea(
            Kind.CLASS_WEIGHT, "all rows weigh alike", says, mends=(), seen=seen, odds=2.0, class_weight=None
        )
    elif case.facts.rarest < _RARE:
        says = f"The rarest class has {case.facts.rarest:.1%} of the rows, and weighs as much."
        decides = isinstance(case.problem.framing.loss, CostLoss)
        odds = 1.0 if decides else 0.3  # a loss of probabilities loses what weights distort
        yield case.idea(Kind.CLASS_WEIGHT, "balance the classes", says, mends=mends, odds=odds, class_weight="balanced")


def rescored(case: Case) -> Iterator[Idea]:
    """Scores mapped to what came true."""
    framing = case.problem.framing
    if isinstance(framing.loss, AbsoluteLoss | CostLoss):
        return  # a threshold chosen on rows is where it belongs, whatever the scores are called
    now, off = case.recipe.calibration, _miscalibrated(case)
    for way in ("sigmoid", "isotonic"):
        if way != now and (way == "sigmoid" or case.facts.rows >= _ROWS):
            says = "Scores are mapped to what came true, out of fold."
            odds = (1.0 if way == "sigmoid" else 0.8) * (1.0 if off is None else 4.0 if off else 0.3)
            seen, mends = case.facts.off, (Constraint.MISMATCH,)
            yield case.idea(
                Kind.RECALIBRATION,
                f"calibrate ({way})",
                says,
                mends=mends,
                seen=seen,
                odds=odds,
                work=6.0,  # five folds, and all of them
                calibration=way,
            )


def _miscalibrated(case: Case) -> bool | None:
    """Do most rows lie in bins in which what came is shown to differ from what was said? None: not looked at."""
    bars = case.diagnosis.calibration if case.diagnosis else None
    if bars is None or not bars.rows:
        return None
    off = [n for at, (low, _, high), n in zip(bars.at, bars.values, bars.rows, strict=True) if not low <= at <= high]
    return sum(off) > sum(bars.rows) / 2


def thresholds(case: Case) -> Iterator[Idea]:
    """A threshold that was said is chosen anew, where decisions cost."""
    framing = case.problem.framing
    if framing.task != "binary" or not isinstance(framing.loss, CostLoss):
        return
    if case.recipe.threshold is not None:
        says = "The threshold is a number that somebody wrote; validation rows say where it costs least."
        yield case.idea(Kind.THRESHOLD, "choose the threshold", says, mends=(), odds=6.0, threshold=None)
