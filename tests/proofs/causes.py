"""Eight planted causes, ten worlds each: does the diagnosis name the one that binds? And is luck called luck?

`python -m tests.proofs causes` (make prove NAME=causes) makes each world, runs the experiment of its recipe (three folds,
three seeds), diagnoses it, and prints what was named for what was planted. Then one recipe is run under other seeds, of a
family that draws and of one that does not, and every comparison that is called a gain is counted: there is none to find.
"""

import os
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows import experiment
from flows.diagnosis import diagnose
from schemas.diagnosis import Constraint, Diagnosis
from schemas.experiment import Job, Result
from schemas.plans.improvement import ImprovementPlan, Tier
from schemas.recipe import Recipe
from tasks.stats import gain_interval
from tests.flows.made import added
from tests.proofs.cause_worlds import CAUSES, Draws, World, made, quiet, world

TIER = Tier(name="decide", share=1.0, folds=3, seeds=3)
SEEDS = 10


@dataclass(frozen=True)
class Case:
    planted: str
    seed: int
    named: str
    said: str
    rooms: tuple[str, ...]
    seconds: float
    of_seconds: float


def diagnosed(one: World, *, seed: int = 0) -> Diagnosis:
    """The experiment of the world's recipe, and its diagnosis."""
    with (
        tempfile.TemporaryDirectory() as folder,
        added(one.problem, Path(folder)),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("PERENNIAL_HOME", folder)
        job = Job(one.problem.name, "made", one.problem.recipe, TIER, seed)
        fits, result = experimented(job, one)
        return diagnose(one.problem, job, fits, result, seed=seed)


def experimented(job: Job, one: World) -> tuple[list[experiment.Fit], Result]:
    began = time.perf_counter()
    fits = list(experiment.fits_of(job, one.rows))
    kept = experiment.row_losses(job, fits)
    return fits, replace(experiment.result_of(job, fits, kept), seconds=time.perf_counter() - began)


def case(cause: str, seed: int) -> Case:
    warnings.filterwarnings("ignore")
    planted = world(Constraint(cause), seed)
    found = diagnosed(planted)
    rooms = tuple(f"{room.constraint}: {room.says}{' *' if room.binds else ''}" for room in found.rooms)
    return Case(cause, seed, str(found.binding.constraint), planted.said, rooms, found.seconds, found.of_seconds)


def lucky(family: str, seed: int, starts: int = 8) -> list[bool]:
    """One recipe under some starts of three seeds each, in one world: is any pair of them called a gain, either way?"""
    warnings.filterwarnings("ignore")
    draws = Draws(seed, Constraint.CEILING)
    plan = quiet(seed, draws, n=draws.whole(1_000, 2_500), d=draws.whole(4, 10), form=draws.one_of("line", "pairs"))
    recipe = Recipe(family=family, features=tuple(plan.names + plan.kinds), parameters=dict(LUCKY[family]))  # type: ignore[arg-type]
    one = made(Constraint.CEILING, seed, plan, recipe, plan.labels(draws.rng), "")
    with (
        tempfile.TemporaryDirectory() as folder,
        added(one.problem, Path(folder)),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("PERENNIAL_HOME", folder)
        found = []
        for start in range(starts):
            job = Job(one.problem.name, "made", recipe, TIER, 100 * start)
            fits = list(experiment.fits_of(job, one.rows))
            kept = experiment.row_losses(job, fits)
            found.append((kept, experiment.result_of(job, fits, kept)))
    return [_gain(*one, *other) for i, one in enumerate(found) for other in found[:i]]


LUCKY: dict[str, dict[str, Any]] = {
    "sgd": {"alpha": 1e-4, "max_iter": 20, "eta0": 0.05},
    "boosting": {"max_iter": 30, "max_leaf_nodes": 8},
}


def _gain(old: experiment.JudgedRows, older: Result, new: experiment.JudgedRows, newer: Result) -> bool:
    """`flows.experiment.gain_over`, which wants equal seeds, for two jobs that differ in nothing else: with seeds unpaired,
    a difference by seed is that of a seed here and another there."""
    assert np.array_equal(old.key, new.key)
    cells = np.array(older.by_seed) - np.array(newer.by_seed)
    alpha = ImprovementPlan().alpha
    low, _, high = gain_interval(old.loss - new.loss, cells, alpha=alpha, clusters=old.cluster)
    return low > 0 or high < 0


def prove(
    show: Callable[[str], Any] = print, *, seeds: Sequence[int] = range(SEEDS), causes: Sequence[str] = CAUSES
) -> dict[str, Any]:
    """Each cause by each seed, then luck; beside each other on as many cores as there are (PERENNIAL_CORES)."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    cores = int(os.environ.get("PERENNIAL_CORES") or os.cpu_count() or 1)
    found: list[Case] = []
    luck: dict[str, list[bool]] = {}
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        planted = [(str(cause), seed) for cause in causes for seed in seeds]
        for one in pool.map(case, *zip(*planted, strict=True)):
            show(_line(one))
            found.append(one)
        for family in LUCKY:
            of = pool.map(lucky, [family] * _WORLDS_OF_LUCK, range(_WORLDS_OF_LUCK))
            luck[family] = [called for one in of for called in one]
    return _figures(found, luck, show)


_WORLDS_OF_LUCK = 8  # of eight starts, which are 28 pairs: 224 comparisons a family


def _line(one: Case) -> str:
    right = "right" if one.named == one.planted else "WRONG"
    return f"  {right}  {one.seed:>4} {one.planted:<20} named {one.named:<22} {one.said}; {one.rooms[0]}"


def _figures(found: list[Case], luck: dict[str, list[bool]], show: Callable[[str], Any]) -> dict[str, Any]:
    table = {str(cause): Counter(one.named for one in found if one.planted == cause) for cause in CAUSES}
    names = sorted({one.named for one in found}, key=lambda name: list(map(str, Constraint)).index(name))
    show(f"{'planted':<20} " + " ".join(f"{name[:14]:>15}" for name in names))
    for cause, counts in table.items():
        show(f"{cause:<20} " + " ".join(f"{counts[name]:>15}" for name in names))
    right = {cause: counts[cause] / max(1, counts.total()) for cause, counts in table.items()}
    share = sum(one.named == one.planted for one in found) / len(found)
    noise = {family: 1 - float(np.mean(called)) for family, called in luck.items()}
    spent = sum(one.seconds for one in found) / sum(one.of_seconds for one in found)
    show(
        f"right {share:.1%} of {len(found)}; the least of a cause {min(right.values()):.0%}; diagnosing took {spent:.0%} of the fits"
    )
    for family, said in noise.items():
        show(
            f"luck is called luck in {said:.1%} of {len(luck[family])} comparisons of {family} with itself under other seeds"
        )
    return {
        "cases": len(found),
        "share_right": share,
        "right_by_cause": right,
        "confusion": {cause: dict(counts) for cause, counts in table.items()},
        "luck_called_luck": noise,
        "comparisons": {family: len(called) for family, called in luck.items()},
        "share_of_fits": spent,
        "wrong": [vars(one) for one in found if one.named != one.planted],
        "holds": share >= 0.85 and all(said >= 0.95 for said in noise.values()),
    }


if __name__ == "__main__":
    prove(seeds=range(int(sys.argv[1]), int(sys.argv[2])))
