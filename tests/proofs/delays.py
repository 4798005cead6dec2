"""Does quality stay true when what a label says decides when it comes? Frauds are known late, and those acted on sooner.

Simulated problems go through the real prediction log: answers and labels are logged, and every window that closes is
measured by the function that turns call. Held against what all the labels say in the end: figures realised on matured
cohorts, and how far "rows labelled so far" are off; the intervals of cohorts whose labels are still coming; what is expected
without any label, and whether a changed relation is flagged. `make prove NAME=delays`; tests/flows/test_quality.py draws one.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flows.quality import Quality, quality
from flows.turn import Turn
from schemas.figure import Figure
from schemas.rows import Model, State
from schemas.stage import Stage
from tasks import predictions, quality_log
from tasks.database import close_databases
from tasks.scoring import Answers, Outputs
from tasks.stats import roc_auc
from tests.flows.made import DAY, HIGH, START, TIME, added

__all__ = ["CHAMPION", "LOOKS", "PROBLEM", "World", "logged", "look", "own_home", "prove", "world"]

MATURITY = 14 * DAY
PROBLEM = replace(
    HIGH,
    name="delays",
    source=replace(HIGH.source, location="delays/rows.parquet"),
    framing=HIGH.framing.model_copy(update={"maturity": MATURITY}),
)
CHAMPION = Model(
    "a" * 64,
    "1",
    "boosting",
    trained_until=START - DAY,
    held_out={"loss": 0.11, "positives": 0.155, "base rate": 0.102},
)
LOOKS = tuple(START + n * DAY for n in (42, 49, 56, 63, 91))  # Mondays; the last when all is known and corrected
_DAYS, _PER_DAY, _ENDS = 63, 300, START + 63 * DAY
_FIGURES = ("recall", "precision", "base rate", "loss")


@dataclass(frozen=True)
class World:
    """Rows as they were asked, what the model said, and what is true: `known_at` says when, `first` what was said first."""

    rows: pd.DataFrame
    recall: float  # of the process, from a million rows
    precision: float


def world(seed: int, *, turned: datetime | None = None) -> World:
    """A tenth of the rows is positive. Scores are overconfident; from `turned` on the relation is another one."""
    rng = np.random.default_rng([20261122, seed])
    n = _DAYS * _PER_DAY
    rows = _drawn(rng, n)
    at = START + pd.to_timedelta(np.sort(rng.uniform(0, _DAYS, n)) * 86_400e6, unit="us")
    rows = rows.assign(id=np.arange(n), at=pd.Series(at).astype(TIME))
    if turned is not None:
        later = (rows["at"] >= pd.Timestamp(turned)).to_numpy()
        rows["high"] = np.where(later, rng.random(n) < np.where(rows["decision"] == 1, 0.15, 0.12), rows["high"])
    wrong = rng.random(n) < 0.002  # said in error at first, and corrected when everybody thinks that all is known
    rows = rows.assign(first=np.where(wrong, 1 - rows["high"], rows["high"]))
    known = rows["at"] + pd.to_timedelta(_delay(rng, rows) * 86_400e6, unit="us")
    rows = rows.assign(known_at=known.astype(TIME))
    rows = rows.assign(corrected=(rows["at"] + MATURITY + 10 * DAY).where(wrong))
    many = _drawn(np.random.default_rng(1), 1_000_000)
    hits = float((many["high"] * many["decision"]).sum())
    return World(rows, hits / float(many["high"].sum()), hits / float(many["decision"].sum()))


def _drawn(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Labels with the probability that a score stands for, which the score overstates."""
    odds = rng.normal(-3.4, 1.9, n)
    high = (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(float)
    score = 1 / (1 + np.exp(-1.6 * (odds + 0.3)))
    return pd.DataFrame({"score": score, "decision": (score >= 0.2).astype(float), "high": high})


def _delay(rng: np.random.Generator, rows: pd.DataFrame) -> np.ndarray:
    """Days: a negative is known in one or two, a positive in six if somebody looked at it and else in eleven."""
    acted, high = rows["decision"] == 1, rows["first"] == 1
    mean = np.where(high, np.where(acted, 6.0, 11.5), np.where(acted, 1.0, 1.5))
    return np.minimum(rng.gamma(4, mean / 4), MATURITY / DAY - 0.01)


def logged(made: World) -> None:
    """Every answer and every label goes into the log; what was known when is for the log to tell."""
    rows, n = made.rows, len(made.rows)
    said = Outputs(rows["score"].to_numpy(), rows["decision"].to_numpy(), np.full(n, None, dtype=object))
    answers = Answers(said, None, np.zeros(n, dtype=bool), 0.0, said.score, said.decision)
    predictions.log(PROBLEM, _state(START), rows, answers)
    names = {"id": "key", "first": "label"}
    predictions.log_labels(PROBLEM, rows.rename(columns=names)[["key", "label", "known_at"]])
    corrected = rows[rows["corrected"].notna()].assign(known_at=rows["corrected"].astype(TIME))
    names = {"id": "key", "high": "label"}
    predictions.log_labels(PROBLEM, corrected.rename(columns=names)[["key", "label", "known_at"]])


def look(now: datetime) -> Quality:
    """What the turn at `now` measures."""
    found = quality(Turn(PROBLEM.name, _state(now), now, answered=100))
    assert found is not None, "a window has closed"
    return found


def _state(now: datetime) -> State:
    return State(
        PROBLEM.name,
        7,
        stage=Stage.HEALTHY,
        champion=CHAMPION,
        since=START,
        turned=now - 7 * DAY,
        tried=START,
        rollout=1,
    )


@contextmanager
def own_home() -> Iterator[None]:
    """A log of its own for each world."""
    with TemporaryDirectory() as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", home)
        yield
        close_databases()


def in_the_end(made: World, figure: Figure, rows: int) -> float:
    """What the first `rows` rows of the figure's cohort show once every label is known and correct."""
    cohort = _between(made, figure.start, figure.end).head(rows)
    return _shown(cohort["high"].to_numpy(), cohort["decision"].to_numpy(), figure.metric)


def _between(made: World, start: datetime, end: datetime) -> pd.DataFrame:
    at = made.rows["at"]
    return made.rows[(at >= pd.Timestamp(start)) & (at < pd.Timestamp(end))]


def _shown(high: np.ndarray, decision: np.ndarray, metric: str) -> float:
    hits = float((high * decision).sum())
    wrong = np.where(high == 1, 1 - decision, 0.5 * decision)
    return {
        "recall": hits / float(high.sum()),
        "precision": hits / float(decision.sum()),
        "base rate": float(high.mean()),
        "loss": float(wrong.mean()),
    }[metric]


def so_far(made: World, now: datetime) -> dict[str, tuple[float, float]]:
    """Of the newest two weeks: what the rows labelled so far say, and what is true of all of them."""
    rows = _between(made, now - MATURITY, now)
    early = rows[rows["known_at"] < pd.Timestamp(now)]
    return {
        name: tuple(_shown(r["high"].to_numpy(), r["decision"].to_numpy(), name) for r in (early, rows))
        for name in ("recall", "precision")
    }


def _one(seed: int, tally: dict[str, list[float]]) -> None:
    made = world(seed)
    logged(made)
    for now in LOOKS:
        found = look(now)
        if now <= _ENDS:
            for name, (early, true) in so_far(made, now).items():
                tally[f"so far {name}"].append(early - true)
            _expectations(made, now, found, tally)
    kept = [one for one in quality_log.figures(PROBLEM) if one.metric in _FIGURES]
    realised = {(o.start, o.metric): o for o in kept if o.kind == "realised" and o.end <= _ENDS}
    revisions = [o for o in kept if o.kind == "realised"]
    tally["revisions"].append(len(revisions) - len({(o.start, o.metric) for o in revisions}))
    for one in realised.values():
        tally[f"realised {one.metric}"].append(one.value - in_the_end(made, one, one.rows))
        if one.metric in ("recall", "precision"):
            tally[f"process {one.metric}"].append(one.value - getattr(made, one.metric))
    for one in (first for key, first in _first(revisions).items() if key[1] in ("recall", "precision")):
        tally[f"at first {one.metric}"].append(one.value - in_the_end(made, one, one.rows))
    for one in (o for o in kept if o.kind == "partly matured" and o.known_at <= _ENDS):
        labelled, rows = (
            int(n.replace(",", "")) for n in (one.note.split(" of ")[0], one.note.split(" of ")[1].split()[0])
        )
        if labelled == rows:
            continue  # nothing is left to estimate
        true = _first_labels(made, one)
        tally[f"covered {one.metric}"].append(float(one.low <= true <= one.high))
        tally[f"width {one.metric}"].append(one.high - one.low)
        tally[f"partly {one.metric}"].append(one.value - true)


def _first(figures: list[Figure]) -> dict[tuple[datetime, str], Figure]:
    found: dict[tuple[datetime, str], Figure] = {}
    for one in figures:
        found.setdefault((one.start, one.metric), one)
    return found


def _first_labels(made: World, figure: Figure) -> float:
    """What the cohort shows once matured: with the labels that were said first, since errors are corrected later."""
    cohort = _between(made, figure.start, figure.end).head(figure.rows)
    return _shown(cohort["first"].to_numpy(), cohort["decision"].to_numpy(), figure.metric)


def _expectations(made: World, now: datetime, found: Quality, tally: dict[str, list[float]]) -> None:
    tally["expected valid"].append(float(found.expected_valid))
    window = _between(made, now - 7 * DAY, now)
    high, decision = window["high"].to_numpy(), window["decision"].to_numpy()
    said = {o.metric: o for o in quality_log.figures(PROBLEM, kinds=("expected",), until=now) if o.known_at == now}
    for name in _FIGURES:
        tally[f"expected {name}"].append(said[name].value - _shown(high, decision, name))
    tally["expected roc_auc"].append(said["roc_auc"].value - float(roc_auc(window["score"].to_numpy(), high)))


def _drifted(seed: int, tally: dict[str, list[float]]) -> None:
    """The relation turns on day 35: seen by a look when enough rows of after that have matured, and by none before."""
    made = world(seed, turned=START + 35 * DAY)
    logged(made)
    for now in (START + 42 * DAY, START + 56 * DAY, START + 63 * DAY):
        found = look(now)
        tally[f"drift valid at day {(now - START) / DAY:.0f}"].append(float(found.expected_valid))


def prove(n: int = 40) -> dict[str, Any]:
    """`n` worlds without drift, and half as many with it."""
    logging.getLogger("perennial").setLevel(logging.CRITICAL)
    names = [f"{kind} {f}" for kind in ("realised", "covered", "width", "partly", "expected") for f in _FIGURES]
    names += [f"{kind} {f}" for kind in ("so far", "at first", "process") for f in ("recall", "precision")]
    names += ["revisions", "expected roc_auc", "expected valid"]
    tally: dict[str, list[float]] = {name: [] for name in names}
    tally |= {f"drift valid at day {day}": [] for day in (42, 56, 63)}
    with TemporaryDirectory() as folder, added(PROBLEM, Path(folder)):
        for seed in range(n):
            with own_home():
                _one(seed, tally)
            if seed % 2 == 0:
                with own_home():
                    _drifted(seed, tally)
            if (seed + 1) % 10 == 0:
                print(f"{seed + 1} of {n} worlds", flush=True)
    figures = {name: _summary(name, values) for name, values in tally.items()}
    for name, value in figures.items():
        print(f"  {name:<26} {value}")
    return figures | {"worlds": n, "holds": _holds(tally)}


def _summary(name: str, values: list[float]) -> dict[str, float]:
    v = np.array(values, dtype=float)
    return {"n": int(v.size), "mean": round(float(v.mean()), 4), "mean_absolute": round(float(np.abs(v).mean()), 4)}


def _holds(tally: dict[str, list[float]]) -> bool:
    """The judging: one point, ten points, 95 % within what so few intervals can tell, and the flag."""

    def far(name: str) -> float:
        return float(np.mean(np.abs(tally[name])))

    def mean(name: str) -> float:
        return float(np.mean(tally[name]))

    realised = all(far(f"{kind} {f}") <= 0.01 for kind in ("at first", "realised") for f in ("recall", "precision"))
    process = all(abs(mean(f"process {f}")) <= 0.01 for f in ("recall", "precision"))
    naive = all(far(f"so far {f}") > 0.10 for f in ("recall", "precision"))
    # Intervals of one world share its curves and its rows: forty worlds tell a coverage to some .02.
    coverage = [mean(f"covered {f}") for f in _FIGURES]
    covers = min(coverage) >= 0.90 and float(np.mean(coverage)) >= 0.93
    expects = all(abs(mean(f"expected {f}")) <= 0.02 for f in (*_FIGURES, "roc_auc")) and mean("expected valid") >= 0.9
    flagged = mean("drift valid at day 63") <= 0.05
    return realised and process and naive and covers and expects and flagged and mean("revisions") > 0
