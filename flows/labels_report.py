"""What are this problem's labels worth? Copies, contradictions, noise, agreement and delays of its table, as data."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations

import ibis
import numpy as np
import pandas as pd

from flows.noise import Noise, noise_of
from schemas.errors import PerennialError, told
from schemas.problem import Problem
from schemas.settings import Settings
from schemas.verdict import Outcome, Verdict
from tasks import cleaning, counts, gates, labels, maturity, splits, windows
from tasks.scoring import class_indices
from tasks.stats import bootstrap_interval, cohen_kappa, error_of_agreement

__all__ = ["Agreement", "LabelReport", "advice", "look"]

_NOISE_ROWS = 50_000  # the newest matured rows that models are fitted on out of fold: five fits of seconds
_KAPPA_ROWS = 20_000  # more narrow an interval that is narrow already
_MICROSECOND = timedelta(microseconds=1)
_WORTH_SAYING = 0.01
_SUBSTANTIAL = 0.6  # kappa that Landis and Koch (1977) call substantial


@dataclass(frozen=True)
class Agreement:
    """How two people's labels of the same rows agree: `low` and `high` are the ends of a 95 % interval of kappa. `ceiling`:
    the accuracy against one of them of a model that knows the truth, if both err alike and independently."""

    between: str
    rows: int
    agreed: float
    low: float
    kappa: float
    high: float
    ceiling: float


@dataclass(frozen=True)
class LabelReport:
    """The labels of a problem's table as it stood at `now`. Where rows are too many for pandas, counts come from the engine
    and the rest from a sample of `read` of them."""

    problem: str
    classes: bool  # labels are classes, and no numbers
    now: datetime
    start: datetime
    rows: int
    read: float
    labelled: int
    mature: int
    mature_labelled: int
    impossible: int  # labels that came before their event
    copies: cleaning.Copies  # equal in all columns but the key
    near: cleaning.Copies  # in features and label, numbers to a thousandth of their spread
    apart: dict[str, int]  # by column, the near-copies there would be more without it
    shared: tuple[cleaning.Shared, ...]  # by pair of parts, as a retrain would split now
    conflicts: cleaning.Conflicts
    noise: Noise | None
    no_noise: str  # why there is none
    agreements: tuple[Agreement, ...]
    revised: int  # keys of the prediction log whose label was changed later
    delays: tuple[maturity.Measured, ...]
    maturity: Verdict
    early: Verdict
    first: tuple[str, ...]  # what to do, the most important before


def look(problem: Problem, now: datetime | None = None) -> LabelReport:
    """Everything that can be said of the labels of `problem` at `now`, by default the last moment its table speaks of."""
    framing, start = problem.framing, windows.bounds(problem)[0]
    now = windows.aware(now, "now") if now else windows.taken(problem) + _MICROSECOND
    table = windows.window_table(problem, start, now, as_of=now)
    frame, read = windows.read_sample(problem, start, now, as_of=now)
    if frame.empty:
        raise PerennialError(
            f"the table of {problem.name!r} has no rows before {now:%Y-%m-%d %H:%M}. Look at a later moment."
        )
    rows, labelled, mature, mature_labelled = counts.labelled_in(table, framing, now=now)
    ripe = _ripe(problem, frame, now)
    noise, why = _noise(problem, ripe)
    delays, held, early, impossible = _delays(problem, frame, table, read, now)
    near, apart = _near(problem, frame)
    report = LabelReport(
        problem=problem.name,
        classes=framing.task != "regression",
        now=now,
        start=start,
        rows=rows,
        read=read,
        labelled=labelled,
        mature=labelled if framing.timeless else mature,
        mature_labelled=labelled if framing.timeless else mature_labelled,
        impossible=impossible,
        copies=_copies(problem, frame, table, read),
        near=near,
        apart=apart,
        shared=_shared(problem, ripe, now),
        conflicts=_conflicts(problem, frame, table, read),
        noise=noise,
        no_noise=why,
        agreements=tuple(_agreements(problem, frame)),
        revised=len(labels.revised(problem, now=now)),
        delays=tuple(delays),
        maturity=held,
        early=early,
        first=(),
    )
    return LabelReport(**{**vars(report), "first": tuple(advice(problem, report))})


def _ripe(problem: Problem, frame: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """Labelled rows older than the maturity; rows labelled so far would be a biased sample."""
    framing = problem.framing
    old = frame[framing.event_time] < now - framing.maturity
    return frame[(old | framing.timeless) & frame[framing.target].notna()]


def _copies(problem: Problem, frame: pd.DataFrame, table: ibis.Table, read: float) -> cleaning.Copies:
    columns = [name for name in problem.contract.columns if name != problem.framing.key]
    if read < 1:
        return counts.copies_in(table, columns)
    return cleaning.copies_within(cleaning.row_keys(frame, columns))


def _conflicts(problem: Problem, frame: pd.DataFrame, table: ibis.Table, read: float) -> cleaning.Conflicts:
    features, target = list(problem.recipe.features), problem.framing.target
    classes = problem.framing.task != "regression"
    if read < 1:
        return counts.conflicts_in(table, features, target, classes=classes)
    return cleaning.conflicts(frame, features, target, classes=classes)


def _near(problem: Problem, frame: pd.DataFrame) -> tuple[cleaning.Copies, dict[str, int]]:
    labelled = frame[frame[problem.framing.target].notna()]
    columns = [*problem.recipe.features, problem.framing.target]
    found = cleaning.copies_within(cleaning.near_keys(labelled, columns))
    return found, cleaning.tells_apart(labelled, columns)


def _shared(problem: Problem, ripe: pd.DataFrame, now: datetime) -> tuple[cleaning.Shared, ...]:
    """Near-copies across the parts that a retrain would make now: of folds, all that judge and what none of them judges."""
    framing = problem.framing
    if ripe.empty:
        return ()
    until = now if framing.timeless else now - framing.maturity
    folds = splits.folds(problem, ripe, until=until, window=problem.recipe.window, disjoint_from=None)
    columns = [*problem.recipe.features, framing.target]
    return tuple(cleaning.copies_across(vars(splits.pooled(framing, folds)), columns))


def _noise(problem: Problem, ripe: pd.DataFrame) -> tuple[Noise | None, str]:
    rows = ripe.tail(_NOISE_ROWS)
    if len(rows) < problem.retraining.train_rows:
        return None, f"{len(rows):,} matured labels, {problem.retraining.train_rows:,} are needed"
    try:
        return noise_of(problem, rows, seed=Settings().seed), ""
    except Exception as error:  # whatever a recipe raises on these rows leaves the rest of the report standing
        return None, told(error)


def _agreements(problem: Problem, frame: pd.DataFrame) -> list[Agreement]:
    """Of each two of the label and the annotators' columns, on the rows that both labelled."""
    framing = problem.framing
    if not framing.annotators:
        return []
    said = {name: class_indices(frame[name], framing) for name in (framing.target, *framing.annotators)}
    found = []
    for one, other in combinations(said, 2):
        both = np.flatnonzero(np.isfinite(said[one]) & np.isfinite(said[other]))[-_KAPPA_ROWS:]
        if both.size > 1:
            whose = None if framing.entity is None else frame[framing.entity].to_numpy()[both]
            between = f"{one} and {other}"
            found.append(_agreement(between, said[one][both], said[other][both], framing.n_classes, whose))
    return found


def _agreement(between: str, one: np.ndarray, other: np.ndarray, k: int, whose: np.ndarray | None) -> Agreement:
    agreed, rng = float(np.mean(one == other)), np.random.default_rng(1)
    low, kappa, high = math.nan, float(cohen_kappa(one, other)), math.nan
    if whose is None or np.unique(whose).size > 1:
        low, kappa, high = bootstrap_interval(cohen_kappa, one, other, blocks=whose, alpha=0.025, rng=rng)
    return Agreement(between, one.size, agreed, low, kappa, high, 1 - error_of_agreement(agreed, k))


def _delays(
    problem: Problem, frame: pd.DataFrame, table: ibis.Table, read: float, now: datetime
) -> tuple[Sequence[maturity.Measured], Verdict, Verdict, int]:
    """The delays by group, whether the framing's maturity is kept, whether early labels are fair, and impossible delays."""
    framing = problem.framing
    if framing.timeless:
        said = "the table has no time of its own, and so no delays"
        return [], Verdict("maturity", Outcome.WAIT, said), Verdict("early labels", Outcome.WAIT, said), 0
    by = [name for name in framing.slices if name not in problem.personal]
    if read < 1:
        delays = counts.delays_in(table, framing, now=now, by=by)
    else:
        delays = maturity.delays_of(frame, framing, now=now, by=by)
    found = maturity.measured(delays, framing, by=by)
    impossible = int(delays.loc[delays["came"] & (delays["stop"] < 0), "rows"].sum())
    if not found:
        none = Verdict("maturity", Outcome.WAIT, "not one label has come")
        return [], none, Verdict("early labels", Outcome.WAIT, none.reason), impossible
    classes = {m.group: m.curve for m in found if m.of == "class"}
    groups = {found[0].group: found[0].curve} | classes
    held = gates.maturity_holds(groups, maturity=framing.maturity, tolerated=problem.rollout.unlabelled)
    return found, held, gates.early_labels(classes, found[0].curve), impossible


def advice(problem: Problem, report: LabelReport) -> list[str]:
    """What to do about these labels, the most important first; one sentence says so where there is nothing."""
    plan, said = problem.retraining, []
    if report.impossible:
        said.append(f"{report.impossible:,} labels came before their event: correct {problem.framing.label_time}")
    if report.maturity.outcome is Outcome.FAIL:
        said.append(f"raise the framing's maturity, {report.maturity.reason}")
    lost = report.mature - report.mature_labelled
    if report.mature and lost / report.mature > problem.rollout.unlabelled:
        said.append(f"{lost:,} of {report.mature:,} matured rows have no label: find out which kind never gets one")
    natural = report.near.share
    worst = max((s for s in report.shared if s.newer == "test"), key=lambda s: s.share, default=None)
    if worst and worst.share > natural + plan.duplicates:
        said.append(
            f"{worst.share:.1%} of the test rows are near-copies of {worst.older} rows: find where they are copied"
        )
    if report.copies.copies:
        kept = "keeps them, as the plan says" if plan.copies == "keep" else "drops all but the first of each"
        said.append(
            f"{report.copies.copies:,} rows equal another in everything but {problem.framing.key}: a retrain {kept}; "
            "mend the export if they were written twice"
        )
    said += _of_truth(report)
    if "longer than needed" in report.maturity.reason:
        said.append(f"the framing's maturity is {report.maturity.reason}: a shorter one would decide earlier")
    return said or ["nothing: these labels can be trusted as far as they can be looked at"]


def _of_truth(report: LabelReport) -> list[str]:
    """Advice on what labels say, rather than on which rows there are."""
    said, noise = [], report.noise
    said += [
        f"kappa of {a.between} is {a.kappa:.2f}: write down how to label before training on more, accuracy ends near {a.ceiling:.1%}"
        for a in report.agreements
        if a.kappa < _SUBSTANTIAL
    ]
    if noise and noise.rate > _WORTH_SAYING and not noise.overlaps:
        said.append(
            f"{noise.rate:.1%} of labels look wrong, of the rows the models are surest of {noise.surest:.1%}: "
            f"{noise.accuracy_ends}; look at the rows ranked first, and label those anew"
        )
    if noise and noise.outlying > _WORTH_SAYING * noise.rows:
        said.append(f"{noise.outlying:,} labels lie far off what other rows say: look at the rows ranked first")
    if report.conflicts.floor > _WORTH_SAYING and report.classes:
        said.append(
            f"{report.conflicts.conflicting:,} rows contradict another with the same features: no model errs less than "
            f"{report.conflicts.floor:.2%} on these rows; add a feature that tells them apart"
        )
    if report.early.outcome is Outcome.FAIL:
        said.append(f"judge matured rows alone, as every verdict here does: {report.early.reason}")
    return said
