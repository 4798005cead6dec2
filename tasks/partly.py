"""What will a cohort show once all its labels have come, and how sure is that now? Weights by how fast labels come."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from schemas.framing import Framing
from tasks.cohorts import BOUNDED, Interval3, counted, scored
from tasks.stats import DelayCurve, delay_curve_of_known, shares_known, weighted_ratio

__all__ = ["Delays", "delays_by_class", "labels_arrived", "partly_matured"]

_FEW = 30  # labels of a group under which it has no curve of its own
_LEAST = 0.2  # share of a kind's labels that has come: a row that speaks for more than five says little
_SEEN = 5.0  # labels of a kind to expect among those that came, under which its lack would go unnoticed
_DUE = 20.0  # labels to expect under which their lack says nothing


@dataclass(frozen=True)
class Delays:
    """How fast the labels of each kind of row come, in days: a kind is a class, and of two classes the decision as well,
    since what is acted on is often looked at first."""

    curves: list[DelayCurve]
    curve_of: np.ndarray  # the position of a kind's curve
    edges: np.ndarray  # of a regression: what parts low, middle and high labels
    youngest: float  # age in days from which on enough labels of every kind have come
    shares: np.ndarray  # of each kind among all rows

    def kind_of(self, rows: pd.DataFrame) -> np.ndarray:
        """The position of each labelled row's curve, shape (n,)."""
        return self.curve_of[_kind(rows, self.edges)]


def delays_by_class(rows: pd.DataFrame, framing: Framing) -> Delays | None:
    """The delays of labelled rows (columns first: the label that was said first, decision, delay and age in days). None where
    a class of two has too few."""
    known = rows[rows["first"].notna() & (rows["delay"] >= 0)]
    if len(known) < _FEW:
        return None
    edges = np.quantile(known["first"], [1 / 3, 2 / 3]) if framing.task == "regression" else np.array([])
    kind = _kind(known, edges)
    classes = 3 if framing.task == "regression" else framing.n_classes
    curves, curve_of = [_curve(known)], np.zeros(2 * classes, dtype=int)
    for index in range(classes):
        of_class = kind // 2 == index
        if of_class.sum() < _FEW:
            if framing.task == "binary":
                return None
            continue  # a rare class of many has the delays of all
        cells = [kind == 2 * index + decided for decided in (0, 1)]
        for decided, cell in enumerate(cells):
            alone = framing.task == "binary" and all(one.sum() >= _FEW for one in cells)
            if alone or decided == 0:
                curves.append(_curve(known[cell if alone else of_class]))
            curve_of[2 * index + decided] = len(curves) - 1
    youngest = max(curves[position].quantile(_LEAST) for position in np.unique(curve_of))
    old = (known["age"] >= youngest).to_numpy()
    weight = 1 / shares_known(known["age"][old], curve_of[kind[old]], curves)
    rows_of = np.bincount(kind[old], weights=weight, minlength=curve_of.size)
    return Delays(curves, curve_of, edges, youngest, rows_of / max(rows_of.sum(), 1.0))


def partly_matured(
    rows: pd.DataFrame, delays: Delays, framing: Framing, *, alpha: float = 0.05
) -> tuple[dict[str, Interval3], int, int]:
    """(low, estimate, high) of each figure that the cohort's rows will show, the rows it is about, and how many of those
    are labelled. Rows younger than `delays.youngest` are left out. Empty with too few labels.

    `rows` are all of the cohort, labelled or not: columns event_time, score, decision, label and first (nan), age (days).
    """
    about = rows[rows["age"] >= delays.youngest]
    known = about[about["label"].notna() & about["first"].notna()]
    if len(known) < _FEW or _unseen(about, delays):
        return {}, len(about), len(known)
    kind = delays.kind_of(known)
    found = {}
    for name, (above, below) in counted(scored(known, framing), known["label"].to_numpy(dtype=float), framing).items():
        interval = weighted_ratio(
            above,
            below,
            age=known["age"],
            group=kind,
            curves=delays.curves,
            alpha=alpha,
            bounded=name in BOUNDED,
        )
        if np.isfinite(interval).all():
            found[name] = interval
    return found, len(about), len(known)


def _unseen(about: pd.DataFrame, delays: Delays) -> bool:
    """Is there a kind that these rows should hold, and of which too few labels can have come to show it? Without a label
    of it nothing would tell that it is there."""
    age = about["age"].to_numpy()
    for kind, share in enumerate(delays.shares):
        known = shares_known(age, np.full(age.size, delays.curve_of[kind]), delays.curves).sum() * share
        if known < _SEEN and share * age.size >= 1:
            return True
    return False


def labels_arrived(rows: pd.DataFrame, before: DelayCurve, *, unlabelled: float) -> float | None:
    """The labels that came over those that are due by their rows' ages: 1 as usual, 0 when none came. None where hardly
    any is due. `before` is the curve of older rows, of which the share `unlabelled` never got one."""
    step = np.searchsorted(before.delay, rows["age"], side="right")
    due = float(np.append(0.0, before.known)[step].sum()) * (1 - unlabelled)
    return float(rows["label"].notna().sum()) / due if due >= _DUE else None


def _kind(rows: pd.DataFrame, edges: np.ndarray) -> np.ndarray:
    """Twice the class, and one more where a positive was decided for."""
    label = rows["first"].to_numpy(dtype=float)
    if edges.size:
        return 2 * np.searchsorted(edges, label)
    acted = np.nan_to_num(rows["decision"].to_numpy(dtype=float)) >= 0.5
    return 2 * label.astype(int) + acted


def _curve(rows: pd.DataFrame) -> DelayCurve:
    return delay_curve_of_known(rows["delay"], rows["age"].clip(lower=rows["delay"]))
