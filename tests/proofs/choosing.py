"""Does choosing by diagnosis and history reach a target in fewer experiments than chance, and ever in more than a fixed order?

Each world starts badly, and has a target that its best action, or two, reach. Three ways choose from the same backlog, which
is made anew for every parent (ours from a diagnosis of that parent, the
others from that of the start): ours, a random order, and a fixed sensible one. Every experiment that is run counts one, for
whoever runs it; a recipe that an arm has run is not run again. What is better than its parent by the same rule becomes the
parent. Searches and requests are in nobody's backlog: the first would count one and do the work of thirty. Outcomes are kept
by recipe, so that arms pay in runs and the proof does not. `make prove NAME=choosing` runs all.
"""

import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import numpy as np
import pytest

from flows.diagnosis import diagnose
from flows.experiment import Fit, fits_of
from flows.out_of_sample import clusters_of, unseen_of
from schemas.diagnosis import Constraint, Diagnosis
from schemas.experiment import Gain, Job, Part, Result
from schemas.idea import Choice, Idea, Kind, Tried
from schemas.plans.improvement import ImprovementPlan
from schemas.recipe import Recipe
from tasks.ideas import Facts, facts_of, ideas_for, unexplained
from tasks.scoring import Scores
from tasks.stats import gain_interval
from tasks.strategy import choose
from tests.flows.made import added
from tests.proofs.hasty import bundled, real
from tests.proofs.worlds import KINDS, World, world

__all__ = ["FIXED", "Bench", "prove", "runs_of"]

PLAN = ImprovementPlan()
CAP = 40  # runs after which an arm has failed, and has spent so many
ALPHA = 0.1  # one-sided: what is better than its parent by this becomes the parent
BUDGET = 2.0  # of the fits: these tables are small, and what a diagnosis costs is no experiment
WORTHWHILE = 0.002  # a tenth of the margin, as the plan has it: a smaller gain is none
MOST = 0.7  # of the best action's gain: what the target asks for

# The field's order, as a person without a diagnosis goes down the list: data and features, then the family, its capacity, its
# regularisation, the window, weights, scores. Within a kind in the contract's order, or as the kind's ladder has it.
FIXED = (
    Kind.FEATURES,
    Kind.ENCODING,
    Kind.INTERACTIONS,
    Kind.SUSPECTS,
    Kind.FAMILY,
    Kind.CAPACITY,
    Kind.REGULARISATION,
    Kind.WINDOW,
    Kind.CLASS_WEIGHT,
    Kind.RESAMPLING,
    Kind.THRESHOLD,
    Kind.RECALIBRATION,
)


@dataclass(frozen=True)
class Shown:
    """What an experiment showed: loss a judged row, and its mean by fold; nothing where it raised."""

    loss: np.ndarray
    cells: np.ndarray

    @property
    def mean(self) -> float:
        return float(self.loss.mean()) if self.loss.size else float("inf")


Reader = Callable[[Job, Sequence[Fit]], Diagnosis]


@dataclass
class Bench:
    """One world, with every experiment run once."""

    world: World
    reader: Reader
    kept: dict[str, Shown] = field(default_factory=dict)
    read: dict[str, tuple[Diagnosis, Facts]] = field(default_factory=dict)

    def shown(self, recipe: Recipe) -> Shown:
        key = recipe.model_dump_json()
        if key not in self.kept:
            self.kept[key] = self._run(recipe)
        return self.kept[key]

    def _run(self, recipe: Recipe) -> Shown:
        try:
            losses = [fit.loss["judged"] for fit in fits_of(self._job(recipe), self.world.rows)]
        except Exception:  # what a recipe raises speaks against it
            return Shown(np.array([]), np.array([]))
        return Shown(np.concatenate(losses), np.array([[one.mean()] for one in losses]))

    def _job(self, recipe: Recipe) -> Job:
        return Job(self.world.name, "0" * 64, recipe, self.world.tier, 0)

    def gain(self, parent: Recipe, child: Recipe) -> Gain | None:
        old, new = self.shown(parent), self.shown(child)
        if not new.loss.size:
            return None
        low, mean, high = gain_interval(old.loss - new.loss, old.cells - new.cells, alpha=ALPHA)
        return Gain(low, mean, high, len(old.loss), 1)

    def backlog(self, parent: Recipe, *, read: Recipe) -> tuple[list[Idea], Diagnosis]:
        """The ideas for `parent` by a diagnosis of `read`. Who does not look at diagnoses is given the first one's."""
        key = read.model_dump_json()
        if key not in self.read:
            self.read[key] = self._reading(read)
        diagnosis, facts = self.read[key]
        ideas = ideas_for(self.world.problem, parent, diagnosis, facts=facts)
        return [idea for idea in ideas if idea.change and idea.kind not in (Kind.TUNE, Kind.REQUEST)], diagnosis

    def _reading(self, parent: Recipe) -> tuple[Diagnosis, Facts]:
        job, framing = self._job(parent), self.world.problem.framing
        fits = list(fits_of(job, self.world.rows))
        unseen = unseen_of(fits, clusters_of(fits))
        left = unexplained(Scores(unseen.score, unseen.score), unseen.label, framing)
        facts = facts_of(self.world.problem, parent, self.world.rows, apart=unseen.rows, left=left, said=unseen.score)
        return self.reader(job, fits), facts

    @property
    def start(self) -> Recipe:
        return self.world.problem.recipe

    def target(self) -> float:
        """What most of the gain of the best action set reaches."""
        recipe, losses = self.start, []
        for change in self.world.best:
            recipe = Recipe.model_validate(self.start.model_dump(mode="json") | change)
            losses.append(self.shown(recipe).mean)
        before = self.shown(self.start).mean
        return before - MOST * (before - min(losses))


Arm = Callable[[list[Idea], list[Tried], Recipe, Constraint | None, int], Idea | None]


def runs_of(bench: Bench, arm: Arm, *, looks: bool = False) -> tuple[int, list[Tried]]:
    """Experiments until the target is reached, the one that reaches it counted; CAP where it is not. An arm that `looks`
    has each new parent diagnosed."""
    parent, target, history = bench.start, bench.target(), list[Tried]()
    for run in range(CAP):
        ideas, diagnosis = bench.backlog(parent, read=parent if looks else bench.start)
        binding = diagnosis.binding.constraint
        idea = arm(ideas, history, parent, binding, run)
        if idea is None and parent != bench.start:  # a dead end: what else is there from where it began
            parent = bench.start
            ideas, diagnosis = bench.backlog(parent, read=parent)
            binding = diagnosis.binding.constraint
            idea = arm(ideas, history, parent, binding, run)
        if idea is None:
            return CAP, history
        child = idea.applied(parent)
        gain = bench.gain(parent, child)
        worked = gain is not None and gain.shown and gain.estimate >= WORTHWHILE
        history.append(Tried(bench.world.name, idea, child, binding, idea.chance, idea.impact, worked, gain, "full"))
        if worked:
            parent = child
            if bench.shown(child).mean <= target:
                return run + 1, history
    return CAP, history


def _new(ideas: list[Idea], history: list[Tried], parent: Recipe) -> list[Idea]:
    run = {one.recipe.model_dump_json() for one in history} | {parent.model_dump_json()}
    return [idea for idea in ideas if idea.applied(parent).model_dump_json() not in run]


def fixed(ideas: list[Idea], history: list[Tried], parent: Recipe, binding: Constraint | None, run: int) -> Idea | None:
    """The first of the first kind; one that failed on another parent comes again once all others were tried."""
    failed = {one.idea.name for one in history if not one.worked}
    open_ = _new(ideas, history, parent)
    return min(open_, key=lambda idea: (idea.name in failed, FIXED.index(_place(idea))), default=None)


def _place(idea: Idea) -> Kind:
    """To leave out features is to hold a model down: nobody sensible does it before trying anything else."""
    return Kind.REGULARISATION if idea.name.startswith("leave out") and idea.kind is Kind.FEATURES else idea.kind


def at_random(rng: np.random.Generator) -> Arm:
    order: dict[str, float] = {}

    def arm(
        ideas: list[Idea], history: list[Tried], parent: Recipe, binding: Constraint | None, run: int
    ) -> Idea | None:
        """The same order throughout: what failed on another parent comes again once all others were tried."""
        failed = {one.idea.name for one in history if not one.worked}
        open_ = _new(ideas, history, parent)
        for idea in open_:
            order.setdefault(idea.name, float(rng.random()))
        return min(open_, key=lambda idea: (idea.name in failed, order[idea.name]), default=None)

    return arm


def ours(bench: Bench, rng: np.random.Generator, past: Sequence[Tried] = ()) -> Arm:
    def arm(
        ideas: list[Idea], history: list[Tried], parent: Recipe, binding: Constraint | None, run: int
    ) -> Idea | None:
        chosen: list[Choice] = choose(
            ideas,
            [*past, *history],
            problem=bench.world.name,
            parent=parent,
            binding=binding,
            plan=PLAN,
            run=run,
            rng=rng,
        )
        return chosen[0].idea if chosen else None

    return arm


def diagnosed(job: Job, fits: Sequence[Fit]) -> Diagnosis:
    """The house's own diagnosis, as a night makes it."""
    loss = {part: float(np.mean(np.concatenate([fit.loss[part] for fit in fits]))) for part in get_args(Part)}
    by_seed = tuple((float(fit.loss["judged"].mean()),) for fit in fits)
    result = Result(job.id, {}, loss, {}, by_seed, sum(fit.seconds for fit in fits))
    return diagnose(fits[0].problem, job, fits, result, seed=0, budget=BUDGET)


def worlds_of(seeds: Sequence[int]) -> Iterator[World]:
    yield from (world(kind, seed) for kind in KINDS for seed in seeds)
    yield from bundled()
    for one in real():
        if isinstance(one, str):
            print(one)
        else:
            yield one


def measured(one: World, *, read: Reader, seeds: int = 5, permutations: int = 20) -> dict[str, Any]:
    """Mean runs of each arm in one world."""
    bench = Bench(one, read)
    before, target = bench.shown(bench.start).mean, bench.target()
    mine = [runs_of(bench, ours(bench, np.random.default_rng([1, seed])), looks=True)[0] for seed in range(seeds)]
    theirs = [runs_of(bench, at_random(np.random.default_rng([2, i])))[0] for i in range(permutations)]
    return {
        "world": one.name,
        "loss": round(before, 4),
        "target": round(target, 4),
        "ideas": len(bench.backlog(bench.start, read=bench.start)[0]),
        "ours": float(np.mean(mine)),
        "random": float(np.mean(theirs)),
        "fixed": float(runs_of(bench, fixed)[0]),
        "recipes": len(bench.kept),
    }


def prove(*, seeds: Sequence[int] = (201, 202)) -> dict[str, Any]:
    """All worlds, on as many cores as there are (PERENNIAL_CORES); what was tuned was tuned on others."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    began, cores = time.monotonic(), int(os.environ.get("PERENNIAL_CORES") or os.cpu_count() or 1)
    print(f"{'world':24} {'loss':>7} {'target':>7} {'ideas':>5} {'ours':>6} {'random':>6} {'fixed':>6}", flush=True)
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        shares = [pool.submit(_share, k, cores, tuple(seeds)) for k in range(cores)]
        rows = [row for share in shares for row in share.result()]
    return _summed(rows) | {"seconds": round(time.monotonic() - began, 1)}


def _share(k: int, cores: int, seeds: tuple[int, ...]) -> list[dict[str, Any]]:
    """Every `cores`-th world, from the `k`-th on."""
    rows = []
    with TemporaryDirectory() as folder, warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        patch.setenv("PERENNIAL_HOME", folder)
        for one in islice(worlds_of(seeds), k, None, cores):
            with ExitStack() as stack:
                stack.enter_context(added(one.problem, Path(folder)))
                rows.append(measured(one, read=diagnosed))
            _show(rows[-1])
    return rows


def _show(found: dict[str, Any]) -> None:
    said = f"{found['world']:24} {found['loss']:7.4f} {found['target']:7.4f} {found['ideas']:5d} {found['ours']:6.1f}"
    print(f"{said} {found['random']:6.1f} {found['fixed']:6.1f}", flush=True)


def _summed(rows: list[dict[str, Any]]) -> dict[str, Any]:
    runs = {arm: sum(row[arm] for row in rows) for arm in ("ours", "random", "fixed")}
    worst = max(rows, key=lambda row: row["ours"] / row["fixed"])
    saved = 1 - runs["ours"] / runs["random"]
    above = [row["world"] for row in rows if row["ours"] > 1.1 * row["fixed"]]
    print(
        f"runs together: {runs}; {saved:.0%} fewer than in random order, {1 - runs['ours'] / runs['fixed']:.0%} than fixed"
    )
    print(
        f"worst against the fixed order: {worst['world']}, {worst['ours']:.1f} against {worst['fixed']:.1f}; above 1.1: {above}"
    )
    return {
        "worlds": rows,
        "runs": runs,
        "fewer_than_random": saved,
        "worst": worst,
        "above": above,
        "holds": len(rows) >= 30 and saved >= 0.3 and not above,
    }
