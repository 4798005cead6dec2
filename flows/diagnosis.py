"""What keeps this experiment's model from being better? Evidence from its fits and a few cheap refits, and the constraint that binds."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import pandas as pd

from flows.error_sheet import error_sheet
from flows.experiment import Fit
from flows.label_room import LabelRoom, label_room
from flows.leak_signs import LeakSigns, effects_of, leak_signs
from flows.out_of_sample import Unseen, clusters_of, fit_luck, mean_loss, mismatch_of, seeds_gain, unseen_of
from flows.pictures import calibration_bars, confusion, loss_over_time
from flows.probing import Probed, probed
from flows.refits import LARGEST, Budget, Ground, Refit, Refits, gain_of, gain_over_fits, ground_of, law_of, refit
from flows.weak_slices import members, naive_losses, weak_slices
from schemas.diagnosis import Baseline, Curve, Diagnosis, Effect, Slice
from schemas.experiment import Job, Part, Result
from schemas.framing import Framing
from schemas.problem import Problem
from tasks import capacity, scoring
from tasks.checks import checks, opportunity
from tasks.constraints import Evidence, rooms
from tasks.stats import Law

__all__ = ["diagnose"]

Span = tuple[float, float, float]


def diagnose(
    problem: Problem,
    job: Job,
    fits: Sequence[Fit],
    result: Result,
    *,
    baselines: Sequence[Baseline] = (),
    edge: tuple[str, ...] = (),
    seed: int,
    budget: float = 0.3,
) -> Diagnosis:
    """What was measured of one experiment, and the constraint that binds. `fits` are those of its result; `edge` names the
    parameters whose best value a search found at the end of their range. Refits take at most `budget` of the fits' work, which
    is counted and not timed: equal inputs give equal diagnoses but for their seconds."""
    began = time.perf_counter()
    whose = clusters_of(fits)
    seen = _looked(problem, fits, result, whose, Budget(fits, budget), seed=seed)
    evidence = _evidence(problem, fits, whose, seen, edge=edge)
    judged, shown = seen.unseen.only(seen.unseen.judged), rooms(evidence)
    table, classes = confusion(judged)
    return Diagnosis(
        problem=problem.name,
        experiment=job.id,
        family=job.recipe.family,
        loss={part: span[1] for part, span in seen.spans.items()} | _named(baselines, evidence),
        spans={str(part): span for part, span in seen.spans.items()},
        metric=problem.framing.metric,
        metrics=result.metrics,
        seed_sd=evidence.seed_sd,
        baselines=tuple(baselines),
        rooms=shown,
        checks=checks(evidence, shown, baselines, tiny=seen.probed.tiny),
        curve=seen.curve,
        calibration=calibration_bars(judged),
        over_time=loss_over_time(judged),
        confusion=table,
        classes=classes,
        slices=evidence.slices,
        effects=seen.effects,
        wrong=error_sheet(judged, evidence.slices),
        probes=_sentences(seen),
        opportunity=opportunity(evidence, baselines),
        seconds=time.perf_counter() - began,
        of_seconds=result.seconds,
    )


@dataclass(frozen=True)
class _Looks:
    """What was measured: of the fits, of what they were not fitted on, and of the refits."""

    spans: dict[Part, Span]
    seed_sd: float
    gap: Span
    mismatch: Span
    refits: Refits
    probed: Probed
    law: Law | None
    curve: Curve | None
    signs: LeakSigns
    effects: tuple[Effect, ...]
    unseen: Unseen
    like: Unseen  # where judged rows are others, rows like the fitted ones alone
    slices: tuple[Slice, ...]
    labels: LabelRoom | None


def _floor(problem: Problem) -> float:
    """The smallest gain a row that matters."""
    return problem.improvement.worthwhile or problem.framing.margin / 10


def _looked(
    problem: Problem, fits: Sequence[Fit], result: Result, whose: pd.Series, purse: Budget, *, seed: int
) -> _Looks:
    floor = _floor(problem)
    spans = {part: mean_loss(fits, part, whose) for part in get_args(Part)}
    gap, mismatch = _difference(spans["near"], spans["train"]), mismatch_of(fits, whose)
    ground, luck = ground_of(fits[0], whose), fit_luck(fits, whose)
    refits = _refitted(fits, ground, purse, fit_sd=luck, gap=gap, floor=floor)
    also = probed(ground, purse, seed=seed)
    law, curve = law_of(fits, refits, fit_sd=luck, seed=seed) or (None, None)
    unseen = unseen_of(fits, whose)
    like = unseen.only(~unseen.judged) if mismatch[0] > floor else unseen
    slices = weak_slices(like, seed=seed)
    return _Looks(
        spans=spans,
        seed_sd=_seed_sd(result),
        gap=gap,
        mismatch=mismatch,
        refits=refits,
        probed=also,
        law=law,
        curve=curve,
        signs=leak_signs(fits, seed=seed),
        effects=effects_of(fits[0], noise=also.noise, seed=seed),
        unseen=unseen,
        like=like,
        slices=slices,
        labels=_label_room(like, slices, refits, floor),
    )


def _evidence(
    problem: Problem, fits: Sequence[Fit], whose: pd.Series, seen: _Looks, *, edge: tuple[str, ...]
) -> Evidence:
    """What was measured, as decisions are made on it."""
    framing, refits, labels, signs = problem.framing, seen.refits, seen.labels, seen.signs
    rows = int(np.mean([len(fit.parts.train) for fit in fits if fit.fold == 0]))
    more = {n: None if seen.law is None else seen.law.gain(n, alpha=_ALPHA) for n in (4 * rows, rows + 1_000)}
    return Evidence(
        floor=_floor(problem),
        loss=seen.spans["judged"],
        naive=float(np.mean([naive_losses(fit.labels["judged"], framing).mean() for fit in fits])),
        gap=seen.gap,
        mismatch=seen.mismatch,
        rows=rows,
        judged=len(seen.like.rows),
        more=refits.more and refits.more[1],
        more_name="boosting" if fits[0].recipe.family != "boosting" else "more capacity",
        less=refits.less and refits.less[1],
        data=more[4 * rows],
        thousand=more[rows + 1_000],
        labels=None if labels is None else labels.gain,
        wrong_share=None if labels is None else labels.share,
        slices=seen.slices,
        alone=tuple(sorted(signs.alone.items(), key=lambda one: -one[1])),
        measure=signs.measure,
        owed=(seen.effects[0].feature, seen.effects[0].gain[1]) if seen.effects else None,
        copied=signs.copied,
        copies=signs.copies,
        saved=signs.saved,
        shuffled=seen.probed.shuffled,
        seeds=seeds_gain(fits, whose),
        target=_to_goal(framing, seen.spans["judged"]),
        seed_sd=seen.seed_sd,
        edge=edge,
    )


def _to_goal(framing: Framing, judged: Span) -> float | None:
    """Loss a row to the goal, where the goal is a loss."""
    if framing.goal is None or framing.goal.metric != "loss":
        return None
    return judged[1] - framing.goal.value(framing.level)


def _named(baselines: Sequence[Baseline], found: Evidence) -> dict[str, float]:
    """The losses to hold the model's against: the goal's, and the best that is known."""
    known = [one.loss[1] for one in baselines if one.loss is not None]
    best = {"best known": min([*known, found.loss[1]])} if known else {}
    return best | ({} if found.target is None else {"target": found.loss[1] - found.target})


def _sentences(seen: _Looks) -> dict[str, str]:
    """What each probe found."""
    also, labels = seen.probed, seen.labels
    said = {"several seeds": f"the loss of a fold varies by {seen.seed_sd:.4f} between seeds (standard deviation)"}
    if also.tiny is not None:
        said["tiny batch"] = (
            f"fitted and judged on the same few rows it loses {also.tiny[0]:.4f}, one answer for all {also.tiny[1]:.4f}"
        )
    if also.shuffled is not None:
        low, mean, high = also.shuffled
        said["shuffled labels"] = (
            f"fitted on shuffled labels it gains {mean:+.4f} [{low:+.4f}, {high:+.4f}] over one answer for all"
        )
    if also.noise is not None:
        said["noise feature"] = (
            f"shuffling a column of noise costs at most {also.noise:.4f} a row: what is worth less may be dropped"
        )
    if labels is not None:
        said["oracle"] = (
            f"on rows whose label no model doubts it loses {labels.beyond_doubt:.4f} a row; {labels.doubted:,} are doubted"
        )
    return said


def _label_room(like: Unseen, slices: Sequence[Slice], refits: Refits, floor: float) -> LabelRoom | None:
    """Of the best model there is, outside the slice that is weak for reasons of its own."""
    framing = like.fit.problem.framing
    if refits.more is not None and refits.more[1][0] > floor:
        asked, best = refits.ground, refits.more[0]
        label = scoring.class_indices(asked.asked[framing.target], framing)
        return label_room(best.scores.score, label, best.loss, framing, asked.cluster)
    kept = np.ones(len(like.rows), dtype=bool)
    for one in slices:
        if one.excess[0] * one.rows / len(like.rows) > floor:
            kept &= ~members(like.rows, one)
    like = like.only(kept) if kept.sum() >= _FEWEST else like
    return label_room(like.score, like.label, like.loss, framing, like.cluster)


def _refitted(fits: Sequence[Fit], ground: Ground, purse: Budget, *, fit_sd: float, gap: Span, floor: float) -> Refits:
    """The refits that say most, as far as the budget goes. Where the model is much better on what it was fitted on, fewer rows
    and less capacity are asked about first; where it is not, neither can be what is missing."""
    recipe, n = ground.fit.recipe, len(ground.fit.parts.train)

    wanted = {"more": (capacity.more(recipe), LARGEST), "less": (capacity.less(recipe), LARGEST)}
    wanted |= {str(share): (recipe, share) for share in (LARGEST, 0.25, 0.125)}

    found: dict[str, Refit | None] = {}

    def gained(other: Refit | None) -> tuple[Refit, Span] | None:
        if other is None:
            return None
        half = found.get("0.5")
        gain = gain_over_fits(ground, fits, other, fit_sd=fit_sd)
        gain = gain if half is None else gain_of(ground, half, other, fit_sd=fit_sd)
        return None if gain is None else (other, gain)

    groups: Groups = _FITTED_WELL if gap[1] > _GAP * floor else _FITTED_ALIKE
    groups = _NO_LESS if wanted["less"][0] is None and groups is _FITTED_WELL else groups
    for group in groups:
        if group == _SMALLEST and "0.25" not in found:
            continue  # one size alone is no curve
        asked = {name: (other, share) for name in group for other, share in [wanted[name]] if other is not None}
        cost = sum(capacity.work(other, int(share * n)) + capacity.SCORING for other, share in asked.values())
        if purse.takes(cost):
            found |= {name: refit(ground, other, share) for name, (other, share) in asked.items()}
    parts = {float(name): one for name, one in found.items() if name not in ("more", "less") and one is not None}
    return Refits(ground, parts, gained(found.get("more")), gained(found.get("less")))


_ALPHA = 0.05
_GAP = 3.0  # floors
# What is fitted together or not at all: half of the rows say nothing by themselves.
Groups = tuple[tuple[str, ...], ...]
_SMALLEST = ("0.125",)
_FITTED_WELL = (("0.5", "less"), ("0.25",), ("more",), _SMALLEST)
_NO_LESS = (("0.5", "0.25"), ("more",), _SMALLEST)
_FITTED_ALIKE = (("more",), ("0.5", "0.25"), ("less",), _SMALLEST)
_FEWEST = 100


def _difference(one: Span, other: Span) -> Span:
    """Of two means of different rows, as if they were independent."""
    half, mean = float(np.hypot(one[1] - one[0], other[1] - other[0])), one[1] - other[1]
    return mean - half, mean, mean + half


def _seed_sd(result: Result) -> float:
    """How far the loss of a fold varies between seeds; 0 with one seed."""
    cells = np.array(result.by_seed, dtype=float)
    return float(np.sqrt(cells.var(axis=1, ddof=1).mean())) if cells.ndim == 2 and cells.shape[1] > 1 else 0.0
