"""What does one experiment do? It fits a recipe on its folds and seeds, and measures what nobody of them was fitted on."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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
from tasks import development, scoring, snapshots, training, tuning
from tasks.splits import Split, embargo_of
from tasks.stats import gain_interval

__all__ = [
    "Fit",
    "JudgedRows",
    "LostError",
    "fits_of",
    "frozen",
    "gain_over",
    "judged_rows",
    "kept_rows",
    "result_of",
    "row_losses",
    "run",
]

_TRAIN_ROWS = 5_000  # of the fitted rows that are scored: enough for a mean loss


class LostError(PerennialError, OSError):
    """A file that an experiment rests on is gone or damaged: nobody's result, and mended by whoever keeps the disk."""


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
    """What an experiment showed row by row, over all of its folds: loss, averaged over seeds. Keys and clusters are hashes,
    which tell rows apart and say nobody's name."""

    key: np.ndarray
    cluster: np.ndarray
    loss: np.ndarray


def run(job: Job) -> tuple[Result, list[Fit]]:
    """The experiment, from its frozen rows to its result, and its fits; what a fit raises is the experiment's result, without
    fits. What the machine lacks (a file, room on the disk, memory) is nobody's result: it raises, and the night goes on from
    there once it is mended. Row losses are kept in a file beside the snapshots, by the experiment's id."""
    began = time.perf_counter()
    rows = frozen(job)
    try:
        fits = list(fits_of(job, rows))
        judged = row_losses(job, fits)
        _kept(job, judged)
        result = result_of(job, fits, judged)
        if job.search is not None:
            whole = _searched(job, rows)
            edge = tuple(whole.at_edge or ())
            result = replace(result, found=whole.recipe.model_dump(mode="json"), at_edge=edge)
        return replace(result, seconds=time.perf_counter() - began), fits
    except (OSError, MemoryError):
        raise
    except Exception as error:  # whatever a recipe raises speaks against it, and not against the night
        return Result(job.id, error=_raised(job, error), seconds=time.perf_counter() - began), []


def _raised(job: Job, error: Exception) -> str:
    """What an experiment raised, with what it was told to do where a library's message is not ours to tell."""
    if isinstance(error, PerennialError):
        return told(error)
    given = job.recipe.parameters
    for name, value in given.items():
        if str(error).startswith(f"The {name!r} parameter of "):  # scikit-learn's words about it, which quote no row
            return f"{name}={value!r} is refused: {error}"[:300]
    said = ", ".join(f"{name}={value!r}" for name, value in given.items())[:200]
    return f"{job.recipe.family} with {said or 'no parameters'}: {told(error)}"


def _searched(job: Job, rows: pd.DataFrame) -> tuning.Tuned:
    problem = load_problem(job.problem)
    assert job.search is not None
    return tuning.tuned(
        job.recipe,
        problem.framing,
        rows,
        job.search,
        seed=job.seed,
        embargo=embargo_of(problem),
        apart=problem.data.entities == "disjoint",
        threads=Settings().threads,
    )


def frozen(job: Job) -> pd.DataFrame:
    """The development rows of the job, as its snapshot holds them; refused where its file is gone or altered."""
    path = snapshots.place(job.problem, job.rows)
    if not path.exists():
        raise LostError(
            f"the rows of experiment {job.id} of {job.problem!r} are gone: there is no {path}. Restore it from a backup; while the "
            "table holds the same rows, make diagnose at the same moment freezes them again."
        )
    return snapshots.load(snapshots.Snapshot(path, job.rows, 0))


def fits_of(job: Job, rows: pd.DataFrame) -> Iterator[Fit]:
    """Each fold under each seed, fold by fold."""
    problem = load_problem(job.problem)
    if job.recipe.start != "anew":
        raise PerennialError(
            f"an experiment trains anew, and the recipe starts {job.recipe.start!r}: there is no champion here"
        )
    lacking = [name for name in job.recipe.features if name not in rows]
    if lacking:
        raise PerennialError(
            f"the recipe reads {', '.join(map(repr, lacking))}, which the development rows do not hold: take it out of the "
            "recipe's features."
        )
    found: dict[int, Recipe] = {}
    for seed in range(job.seed, job.seed + job.tier.seeds):
        parts = development.blocks(problem, rows, job.tier, window=job.recipe.window, seed=seed)
        for fold, part in enumerate(parts):
            began = time.perf_counter()
            # A fold's search sees what is fitted there alone, so that what judges the fit judges the search too.
            if job.search is not None and fold not in found:
                found[fold] = _searched(job, part.train).recipe
            recipe = found.get(fold, job.recipe)
            model = training.fit_and_freeze(recipe, problem.framing, part, seed=seed, threads=Settings().threads)
            yield Fit(problem, recipe, fold, seed, model, part, time.perf_counter() - began)


def result_of(job: Job, fits: Sequence[Fit], judged: JudgedRows) -> Result:
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
    return Result(job.id, rows, loss, metrics, by_seed)


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
    """What `run` kept of the experiment, row by row; where that is gone or damaged it is fitted again, to the same digits."""
    try:
        return kept_rows(job)
    except LostError:
        judged = row_losses(job, list(fits_of(job, frozen(job))))
        _kept(job, judged)
        return judged


def kept_rows(job: Job) -> JudgedRows:
    """What `run` kept of the experiment, row by row; refused where that is gone or damaged."""
    path = _file(job)
    what = f"the row losses of experiment {job.id} of {job.problem!r}"
    try:
        kept = pd.read_parquet(path)
        return JudgedRows(*(kept[name].to_numpy() for name in ("key", "cluster", "loss")))
    except FileNotFoundError:
        raise LostError(f"{what} are gone: there is no {path}. Restore it from a backup.") from None
    except (OSError, ValueError, KeyError) as error:  # as pyarrow finds a file that was cut off or altered
        raise LostError(
            f"{what} are damaged: {path} has {path.stat().st_size} bytes, and is no table of them ({type(error).__name__}). "
            "Restore it from a backup."
        ) from error


def row_losses(job: Job, fits: Sequence[Fit]) -> JudgedRows:
    """What the fits show row by row, over all folds."""
    problem, seeds = load_problem(job.problem), range(job.seed, job.seed + job.tier.seeds)
    rows = pd.concat([fit.rows["judged"] for fit in fits if fit.seed == job.seed], ignore_index=True)
    by_seed = [np.concatenate([fit.loss["judged"] for fit in fits if fit.seed == seed]) for seed in seeds]
    return JudgedRows(
        key=pd.util.hash_array(rows[problem.framing.key].astype(str).to_numpy(dtype=object)),
        cluster=pd.util.hash_array(development.clusters(problem, rows).to_numpy(dtype=object)),
        loss=np.mean(by_seed, axis=0),
    )


def _kept(job: Job, judged: JudgedRows) -> None:
    path = _file(job)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{time.monotonic_ns()}")
    pd.DataFrame(vars(judged)).to_parquet(partial, index=False)
    partial.replace(path)


def _file(job: Job) -> Path:
    return Settings().root / "experiments" / job.problem / f"{job.id}.parquet"
