"""Where a model decides who gets a label: do corrected intervals cover what is true of all, and does the loop stay sound?

Three parts. Thousands of simulated windows, in which the truth is known, at explore shares of 1, 5 and 10 %: how often do
95 % intervals hold it, and how often does taking labelled rows for all? The same through what really runs: a model's
answers, the draw, the log, late labels, the cohort. And a world that turns while a model is retrained on what it let be
seen: naive beside weighted, on the same seeds. `make prove NAME=selective`.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flows.selective import chances
from schemas.framing import CostLoss
from schemas.plans import ServingPlan
from schemas.problem import Problem
from schemas.recipe import Recipe
from schemas.rows import Model, State
from schemas.stage import Stage
from tasks import database, labels, predictions, scoring, training
from tasks.exploration import label_chance, with_exploration
from tasks.splits import Split
from tasks.stats import corrected_mean, corrected_precision, corrected_recall, hajek, label_weights
from tests.flows.made import HIGH

__all__ = ["Cell", "coverage", "over_retrains", "prove", "through_the_log"]

SHARES = (0.01, 0.05, 0.10)
RUNS = 2_000
ROWS = 5_000
WANTED = 0.93
FIGURES = ("base rate", "recall", "precision", "Brier loss", "cost")
ROUNDS = 14
_LOGS = 30  # runs through the real log at each share
_LOOPS = 12  # seeds of the retrains
_FALSE_ALARM = 0.2


@dataclass(frozen=True)
class Cell:
    """One kind of window: which decision shows its label, where the model decides 1, what is explored, whose rows agree."""

    seen: int
    threshold: float
    explore: float
    an_entity: int = 1  # rows of one entity, drawn together, whose labels agree
    rows: int = ROWS

    @property
    def name(self) -> str:
        whose = f", {self.an_entity} rows an entity" if self.an_entity > 1 else ""
        return f"label seen where {self.seen} is decided, explore {self.explore:.0%}{whose}"


def _logistic(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))


def _world(cell: Cell, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Rows with what nobody sees of them: the score is right on average, and something else moves the label as well."""
    entities = n // cell.an_entity
    whose = np.repeat(np.arange(entities), cell.an_entity)
    own = rng.normal(size=entities)[whose] if cell.an_entity > 1 else rng.normal(size=whose.size)
    x = rng.normal(size=whose.size)
    score = _logistic(-2 + 1.2 * x)
    label = (rng.random(whose.size) < _logistic(-2 + 1.2 * x + 0.8 * own)).astype(float)
    return {"score": score, "label": label, "decision": (score >= cell.threshold).astype(float), "whose": whose}


def _truth(cell: Cell) -> dict[str, float]:
    w = _world(cell, 3_000_000, np.random.default_rng(2_026))
    y, d, s = w["label"], w["decision"], w["score"]
    found = (y.mean(), (y * d).sum() / y.sum(), (y * d).sum() / d.sum(), ((s - y) ** 2).mean(), _cost(y, d).mean())
    return dict(zip(FIGURES, map(float, found), strict=True))


def _cost(y: np.ndarray, d: np.ndarray) -> np.ndarray:
    return np.where(y == 1, 1 - d, _FALSE_ALARM * d)


def coverage(cell: Cell, runs: int = RUNS) -> dict[str, Any]:
    """How often each interval holds the truth: ours, Hajek's normal one, and that of the labelled rows as if they were all."""
    truth = _truth(cell)
    ours, normal, naive = (dict.fromkeys(FIGURES, 0) for _ in range(3))
    width, bias = dict.fromkeys(FIGURES, 0.0), dict.fromkeys(FIGURES, 0.0)
    for run in range(runs):
        rng = np.random.default_rng([20261122, run])
        w = _world(cell, cell.rows, rng)
        y, d, s = w["label"], w["decision"], w["score"]
        drawn = (rng.random(w["whose"].max() + 1) < cell.explore)[w["whose"]]
        chance = np.where(d == cell.seen, 1.0, cell.explore)
        r = (d == cell.seen) | drawn
        clusters = w["whose"] if cell.an_entity > 1 else None
        found = _estimates(y, d, s, r, chance, clusters)
        taken = _estimates(y[r], d[r], s[r], np.ones(r.sum(), dtype=bool), np.ones(r.sum()), None)
        for name, value in truth.items():
            ours[name] += found[name].low <= value <= found[name].high
            naive[name] += taken[name].low <= value <= taken[name].high
            width[name] += found[name].high - found[name].low
            bias[name] += (taken[name].estimate - value) if math.isfinite(taken[name].estimate) else 0.0
        for name, values in (("base rate", y), ("Brier loss", (s - y) ** 2), ("cost", _cost(y, d))):
            low, _, high = hajek(values, r, chance)
            normal[name] += low <= truth[name] <= high
    return {
        name: {
            "truth": round(value, 5),
            "covers": ours[name] / runs,
            "hajek_covers": normal[name] / runs if name in ("base rate", "Brier loss", "cost") else None,
            "naive_covers": naive[name] / runs,
            "naive_bias": round(bias[name] / runs, 5),
            "width": round(width[name] / runs, 5),
        }
        for name, value in truth.items()
    }


def _estimates(y: Any, d: Any, s: Any, r: Any, p: Any, clusters: Any) -> dict[str, Any]:
    return {
        "base rate": corrected_mean(y, r, p, decision=d, clusters=clusters),
        "recall": corrected_recall(y, d, r, p, clusters=clusters),
        "precision": corrected_precision(y, d, r, p, clusters=clusters),
        "Brier loss": corrected_mean((s - y) ** 2, r, p, decision=d, clusters=clusters),
        "cost": corrected_mean(_cost(y, d), r, p, decision=d, clusters=clusters),
    }


class _Scorer:
    """A model whose score is the column it is shown."""

    feature_names_in_ = ("x",)
    threshold = 0.3

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        score = frame["x"].to_numpy(dtype=float)
        return np.column_stack([1 - score, score])


def lender(share: float, seen: int = 0) -> Problem:
    """A problem that sees the label of rows decided `seen` alone, and draws `share` of the others."""
    framing = HIGH.framing.model_copy(
        update={"labelled_when": seen, "entity": None, "loss": CostLoss(false_alarm=_FALSE_ALARM)}
    )
    return replace(HIGH, name=f"lender_{round(share * 100)}", framing=framing, serving=ServingPlan(explore=share))


def through_the_log(share: float, seeds: range, rows: int = 2_000) -> dict[str, Any]:
    """Answers, the draw, the log and labels that come late, as a turn makes them; how often the cohort's intervals hold."""
    cell = Cell(0, _Scorer.threshold, share)
    truth, held, wrong_chance = _truth(cell), dict.fromkeys(FIGURES, 0), 0
    for seed in seeds:
        with _home():
            found, wrong = _one_log(share, seed, rows)
        wrong_chance += wrong
        for name, value in truth.items():
            held[name] += found[name].low <= value <= found[name].high
    return {"runs": len(seeds), "holds": held, "wrong_chances": wrong_chance}


def _one_log(share: float, seed: int, rows: int) -> tuple[dict[str, Any], int]:
    problem, rng = lender(share), np.random.default_rng([7, seed])
    w = _world(Cell(0, _Scorer.threshold, share), rows, rng)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    at = pd.Series(pd.date_range(start, periods=rows, freq="min", unit="us"))
    frame = pd.DataFrame({"id": seed * rows + np.arange(rows), "at": at, "x": w["score"]})
    state = State(problem.name, stage=Stage.HEALTHY, epoch=1, champion=Model("a" * 64, "1", "boosting"))
    answers = scoring.answer(
        frame, problem.framing, champion=_Scorer(), rival=None, stage=Stage.HEALTHY, share=0.0, key=f"{problem.name}/0"
    )
    predictions.log(problem, state, frame, with_exploration(problem, frame, answers))
    decided = predictions.decided(problem, since=start, until=start + timedelta(days=9))
    accepted = decided["answer_decision"].loc[frame["id"].astype(str)].to_numpy() == 0
    known = start + timedelta(hours=40)
    told = [(str(key), y, known) for key, y, seen in zip(frame["id"], w["label"], accepted, strict=True) if seen]
    labels.take_in(problem, told, now=known + timedelta(hours=1))
    cohort = predictions.cohort(problem, since=start, now=start + timedelta(days=9))
    chance = chances(problem, cohort)
    own = cohort["champion_decision"].to_numpy(dtype=float)
    wrong = int((~np.isclose(chance, np.where(own == 0, 1.0, share))).sum())
    r = cohort["label"].notna().to_numpy()
    y, s = np.where(r, cohort["label"], 0.0), cohort["champion_score"].to_numpy(dtype=float)
    return _estimates(y, own, s, r, chance, None), wrong


@contextmanager
def _home() -> Iterator[Path]:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", folder)
        patch.delenv("PERENNIAL_LOG_URL", raising=False)
        yield Path(folder)
        database.close_databases()


def over_retrains(seed: int, way: str, *, rounds: int = ROUNDS, rows: int = 2_400) -> dict[str, list[float]]:
    """Applicants of sixty branches whose risks wander, and a model that is retrained each round on all it was let see.

    Of the `way` "naive" only accepted rows are seen: a branch that had a bad round is refused, and no later label can say
    that it is over. "explored" and "weighted" accept a twentieth of the refused as well, and the latter weighs them; of
    "everything" all are seen, which no lender can. By round: the share of rows that the model would accept, of the rows
    that are rightly accepted the share that it refuses, and its true loss a row over all rows.
    """
    problem = replace(lender(0.05), serving=ServingPlan(explore=0.05 if way in ("explored", "weighted") else 0.0))
    recipe = Recipe(family="linear", features=("kind",), parameters={"C": 10.0})
    model, found = None, {"accepts": [], "wrongly refused": [], "loss": []}
    known = pd.DataFrame()
    for number, frame in enumerate(_wandering(np.random.default_rng([11, seed]), rounds, rows)):
        seen, chance = np.ones(rows, dtype=bool), np.ones(rows)  # before there was a model everybody was accepted
        if model is not None:
            said = scoring.outputs(model, frame, problem.framing)
            own, good = said.decision, frame["risk"].to_numpy() < _FALSE_ALARM / (1 + _FALSE_ALARM)
            found["accepts"].append(float((own == 0).mean()))
            found["wrongly refused"].append(float((own[good] == 1).mean()))
            found["loss"].append(float(np.where(own == 1, _FALSE_ALARM * (1 - frame["risk"]), frame["risk"]).mean()))
            none = scoring.Answers(said, None, np.zeros(rows, dtype=bool), 0.0, said.score, own)
            answers = with_exploration(problem, frame, none)
            if way != "everything":
                propensity = np.ones(rows) if answers.propensity is None else answers.propensity
                seen, chance = answers.decision == 0, label_chance(answers.decision, propensity, seen=0.0)
        known = pd.concat([known, frame[seen].assign(chance=chance[seen], round=number)], ignore_index=True)
        weights = pd.Series(label_weights(known["chance"]).values, index=known.index) if way == "weighted" else None
        newest = known[known["round"] == number]
        if len(newest):
            model = training.fit_and_freeze(
                recipe, problem.framing, Split(known, newest, newest), seed=1, weights=weights
            )
    return found


def _wandering(rng: np.random.Generator, rounds: int, rows: int) -> Iterator[pd.DataFrame]:
    """Each branch's log-odds return to its own level, and are pushed off it each round."""
    level = rng.normal(-2.0, 0.5, size=60)
    push = rng.normal(0, 0.9, size=60)
    for number in range(rounds):
        kind = rng.integers(0, 60, size=rows)
        risk = _logistic(level + push)[kind]
        key = number * rows + np.arange(rows)
        yield pd.DataFrame(
            {
                "id": key,
                "kind": np.char.add("b", kind.astype(str)).astype(object),
                "risk": risk,
                "high": (rng.random(rows) < risk).astype(float),
            }
        )
        push = 0.6 * push + rng.normal(0, 0.9 * 0.8, size=60)


def prove() -> dict[str, Any]:
    cells = [Cell(seen, 0.3, share) for seen in (0, 1) for share in SHARES]
    cells += [Cell(0, 0.3, share, an_entity=5, rows=10_000) for share in (0.05, 0.10)]
    windows = {}
    for cell in cells:
        windows[cell.name] = coverage(cell, RUNS if cell.an_entity == 1 else RUNS // 2)
        shown = ", ".join(
            f"{name} {one['covers']:.3f} (naive {one['naive_covers']:.3f})" for name, one in windows[cell.name].items()
        )
        print(f"{cell.name}: {shown}", flush=True)
    log = {f"{share:.0%}": through_the_log(share, range(_LOGS)) for share in SHARES}
    print("through the log:", log, flush=True)
    loops = _loops(range(_LOOPS))
    print("over retrains:", {name: one["last"] for name, one in loops.items()}, flush=True)
    naive, weighted = loops["naive"], loops["weighted"]
    # Of all rows that are seen alike a figure may be the same: one that is biased is what has to be mended.
    biased = [one["naive_covers"] for cell in windows.values() for name, one in cell.items() if name == "base rate"]
    holds = {
        "covers": all(one["covers"] >= WANTED for cell in windows.values() for one in cell.values()),
        "naive is biased": max(biased) < 0.5,
        "log covers": all(n >= 0.8 * _LOGS for one in log.values() for n in one["holds"].values()),  # .95 is expected
        "log says the chances": all(one["wrong_chances"] == 0 for one in log.values()),
        "naive shrinks": naive["last"]["accepts"] < 0.6 * naive["first"]["accepts"],
        "naive gets worse": naive["last"]["loss"] > 1.1 * naive["first"]["loss"],
        "weighted does not shrink": weighted["last"]["accepts"] > 0.9 * weighted["first"]["accepts"],
        "weighted is better": weighted["last"]["loss"] < 0.93 * naive["last"]["loss"],
        "weighted is near what all labels give": weighted["last"]["loss"] < 1.1 * loops["everything"]["last"]["loss"],
    }
    return {"windows": windows, "log": log, "retrains": loops, "checks": holds, "holds": all(holds.values())}


def _loops(seeds: range) -> dict[str, Any]:
    """Side by side on the same seeds: means of the first and of the last three rounds."""
    found = {}
    for way in ("naive", "explored", "weighted", "everything"):
        runs = [over_retrains(seed, way) for seed in seeds]
        by_round = {what: np.mean([run[what] for run in runs], axis=0) for what in runs[0]}
        found[way] = {
            "first": {what: round(float(values[:3].mean()), 4) for what, values in by_round.items()},
            "last": {what: round(float(values[-3:].mean()), 4) for what, values in by_round.items()},
            "rounds": {what: [round(float(v), 4) for v in values] for what, values in by_round.items()},
        }
    return found
