"""What does one experiment do? It fits a recipe on its folds and seeds, and measures what nobody of them was fitted on."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

from schemas.errors import PerennialError, told
from schemas.experiment import Gain, Job, Part, Result
from schemas.problem import Problem, load_problem
from schemas.recipe import Recipe
from schemas.settings import Settings
from tasks import development, scoring, snapshots, training
from tasks.splits import Split
from tasks.stats import gain_interval

__all__ = ["Fit", "JudgedRows", "fits_of", "gain_over", "judged_rows", "result_of", "run"]

_TRAIN_ROWS = 5_000  # of the fitted rows that are scored: enough for a mean loss


@dataclass(frozen=True)
class Fit:
    """One recipe fitted on one fold under one seed, with its threshold frozen on the rows beside."""

    problem: Problem
    recipe: Recipe
    fold: int
    seed: int
    model: Any
    parts: Split  # train, validation (beside), test (judges)
    seconds: float

    @cached_property
    def rows(self) -> dict[Part, pd.DataFrame]:
        """The rows of each part, the fitted ones thinned."""
        train = self.parts.train
        thinned = train.sample(n=min(len(train), _TRAIN_ROWS), random_state=0).sort_index()
        return {"train": thinned, "near": self.parts.validation, "judged": self.parts.test}

    @cached_property
    def scores(self) -> dict[Part, scoring.Scores]:
        return {name: scoring.score(self.model, rows, self.problem.framing) for name, rows in self.rows.items()}

    @cached_property
    def labels(self) -> dict[Part, np.ndarray]:
        framing = self.problem.framing
        return {name: scoring.class_indices(rows[framing.target], framing) for name, rows in self.rows.items()}

    @cached_property
    def loss(self) -> dict[Part, np.ndarray]:
        """Loss a row, shape (n,), of each part."""
        framing = self.problem.framing
        return {name: scoring.row_loss(said, self.labels[name], framing) for name, said in self.scores.items()}


@dataclass(frozen=True)
class JudgedRows:
    """What an experiment showed row by row, over all of its folds: loss, averaged over seeds, by key and cluster."""

    key: np.ndarray
    cluster: np.ndarray
    loss: np.ndarray


def run(job: Job) -> Result:
    """The experiment, from its frozen rows to its result; what a fit raises is the experiment's result. Row losses are kept
    in a file beside the snapshots, by the experiment's id."""
    began = time.perf_counter()
    try:
        fits = list(fits_of(job, _frozen(job)))
        kept = _keep(job, fits)
        return result_of(job, fits, kept, seconds=time.perf_counter() - began)
    except Exception as error:  # whatever a recipe raises speaks against it, and not against the night
        return Result(job.id, error=told(error), seconds=time.perf_counter() - began)


def _frozen(job: Job) -> pd.DataFrame:
    path = Settings().root / "snapshots" / job.problem / f"{job.rows}.parquet"
    return snapshots.load(snapshots.Snapshot(path, job.rows, 0))


def fits_of(job: Job, rows: pd.DataFrame) -> Iterator[Fit]:
    """Each fold under each seed, fold by fold."""
    problem, recipe = load_problem(job.problem), job.recipe
    if recipe.start != "anew":
        raise PerennialError(
            f"an experiment trains anew, and the recipe starts {recipe.start!r}: there is no champion here"
        )
    for seed in range(job.seed, job.seed + job.tier.seeds):
        parts = development.blocks(problem, rows, job.tier, window=recipe.window, seed=seed)
        for fold, part in enumerate(parts):
            began = time.perf_counter()
            model = training.fit_and_freeze(recipe, problem.framing, part, seed=seed, threads=Settings().threads)
            yield Fit(problem, recipe, fold, seed, model, part, time.perf_counter() - began)


def result_of(job: Job, fits: Sequence[Fit], judged: JudgedRows, *, seconds: float) -> Result:
    """The experiment's figures: means over rows, folds and seeds."""
    parts: tuple[Part, ...] = get_args(Part)
    loss: dict[str, float] = {part: float(np.mean(np.concatenate([fit.loss[part] for fit in fits]))) for part in parts}
    if not np.isfinite(judged.loss).all():
        raise PerennialError("the recipe gives judged rows no finite score")
    rows: dict[str, int] = {part: int(np.mean([len(fit.loss[part]) for fit in fits])) for part in parts}
    rows["train"] = int(np.mean([len(fit.parts.train) for fit in fits]))
    measured = [_measured(fit) for fit in fits]
    metrics = {name: float(np.mean([one[name] for one in measured])) for name in measured[0]}
    cells = np.array([fit.loss["judged"].mean() for fit in fits]).reshape(job.tier.seeds, -1).T
    by_seed = tuple(tuple(map(float, fold)) for fold in cells)
    return Result(job.id, rows, loss, metrics, by_seed, seconds)


def _measured(fit: Fit) -> dict[str, float]:
    framing = fit.problem.framing
    return training.measure(fit.scores["judged"], fit.rows["judged"][framing.target].to_numpy(), framing)


def gain_over(parent: Job, older: Result, child: Job, newer: Result, *, alpha: float) -> Gain:
    """By how much a row the child loses less than its parent; the two share rows and tier."""
    if (parent.rows, parent.tier, parent.seed) != (child.rows, child.tier, child.seed):
        raise PerennialError(
            f"experiments {parent.id} and {child.id} were run on other rows, tiers or seeds: run the parent on the child's."
        )
    old, new = judged_rows(parent), judged_rows(child)
    assert np.array_equal(old.key, new.key), "the judged rows are the same whatever the recipe"
    cells = np.array(older.by_seed) - np.array(newer.by_seed)
    low, mean, high = gain_interval(old.loss - new.loss, cells, alpha=alpha, clusters=old.cluster)
    return Gain(low, mean, high, len(old.loss), parent.tier.seeds)


def judged_rows(job: Job) -> JudgedRows:
    """What `run` kept of the experiment, row by row."""
    kept = pd.read_parquet(_file(job))
    return JudgedRows(*(kept[name].to_numpy() for name in ("key", "cluster", "loss")))


def _keep(job: Job, fits: Sequence[Fit]) -> JudgedRows:
    problem = load_problem(job.problem)
    rows = pd.concat([fit.rows["judged"] for fit in fits if fit.seed == job.seed], ignore_index=True)
    loss = np.mean(
        [
            np.concatenate([fit.loss["judged"] for fit in fits if fit.seed == seed])
            for seed in sorted({f.seed for f in fits})
        ],
        axis=0,
    )
    frame = pd.DataFrame(
        {"key": rows[problem.framing.key].astype(str), "cluster": development.clusters(problem, rows), "loss": loss}
    )
    path = _file(job)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{time.monotonic_ns()}")
    frame.to_parquet(partial, index=False)
    partial.replace(path)
    return JudgedRows(*(frame[name].to_numpy() for name in ("key", "cluster", "loss")))


def _file(job: Job) -> Path:
    return Settings().root / "experiments" / job.problem / f"{job.id}.parquet"
