"""Faults in what a verdict rests on: rows that were seen before, metrics that are missing, models that were not asked about."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from flows.drills.world import Drill, Faulty, World
from flows.judging import judge, verdict_of
from flows.training import data_fault
from schemas.framing import Requirement
from schemas.plans import Gate
from schemas.problem import Problem
from schemas.verdict import Outcome, Verdict
from tasks import contracts, gates

__all__ = ["DRILLS"]

_FAIL, _PASS, _WAIT = Outcome.FAIL, Outcome.PASS, Outcome.WAIT
_NEWER = {"champion": True, "challenger": True}


def _requirement(problem: Problem) -> Requirement:
    metric: Any = "mae" if problem.framing.task == "regression" else "roc_auc"
    limit: dict[str, Any] = {"at_most": 1e12} if metric == "mae" else {"at_least": 0.01}
    return Requirement(metric=metric, reason="a limit that any model keeps", **limit)


def _missing_metric(world: World) -> Verdict:
    return gates.closed("requirement", lambda: gates.requirement(_requirement(world.problem), {}))


def _exception_in_metric(world: World) -> Verdict:
    def raises(said: np.ndarray, _: pd.DataFrame) -> np.ndarray:
        raise ZeroDivisionError("a metric divides by the rows it found none of")

    broken = Faulty(world.challenger, raises)
    return world.judged(Gate.REQUIREMENTS, framing={"requirements": (_requirement(world.problem),)}, challenger=broken)


def _champion_lookup(world: World) -> Verdict:
    def lost() -> Any:
        raise ConnectionError("the registry does not answer")

    return world.judged(Gate.CHAMPION, champion=lost)


def _overlapping_rows(world: World) -> Verdict:
    parts = world.parts
    leaked = pd.concat([parts.test.iloc[1:], parts.train.iloc[[0]]], ignore_index=True)
    return world.judged(Gate.NO_OVERLAP, parts=replace(parts, test=leaked))


def _retrained_on_test(world: World) -> Verdict:
    seen = {**world.case.trained_on(), "champion": world.parts.test[world.problem.framing.key]}
    return world.judged(Gate.NO_OVERLAP, trained_on=lambda: seen)


def _unknown_snapshot(world: World) -> Verdict:
    seen = {**world.case.trained_on(), "champion": None}
    return world.judged(Gate.NO_OVERLAP, trained_on=lambda: seen)


def _near_duplicates(world: World) -> Verdict:
    """One held-out row in ten is a training row again, under a new key and shaken a little."""
    parts, key = world.parts, world.problem.framing.key
    n = len(parts.test) // 10
    copies = parts.train.sample(n, random_state=world.seed).reset_index(drop=True)
    for name in world.problem.recipe.features:
        if pd.api.types.is_float_dtype(copies[name]):
            copies[name] = copies[name] + parts.train[name].std() * 1e-9
    copies[key] = parts.test[key].to_numpy()[:n]
    return world.judged(
        Gate.NO_DUPLICATES, parts=replace(parts, test=pd.concat([copies, parts.test.iloc[n:]], ignore_index=True))
    )


def _empty_window(world: World) -> Verdict:
    plan = world.problem.retraining
    asked = tuple(gate for gate in plan.gates if gate is not Gate.SERVEABILITY)
    problem = replace(world.problem, retraining=plan.model_copy(update={"gates": asked}))
    empty = replace(world.parts, test=world.parts.test.iloc[:0])
    said = judge(replace(world.case, problem=problem, parts=empty))
    asked_of_rows = {name: verdict for name, verdict in said.items() if name != Gate.FRESH_TEST_SET}
    passed = [name for name, verdict in asked_of_rows.items() if verdict.outcome is _PASS]
    if passed:
        return Verdict("offline", _PASS, f"passed on no row at all: {', '.join(passed)}")
    return verdict_of(said)


def _one_class(world: World) -> Verdict:
    parts, target = world.parts, world.problem.framing.target
    test = parts.test[parts.test[target] == parts.test[target].mode().iloc[0]]
    return world.judged(
        Gate.REQUIREMENTS,
        framing={"requirements": (_requirement(world.problem),)},
        parts=replace(parts, test=test),
    )


def _faulty_batch(world: World) -> Verdict:
    """Every fifth key is missing: what a contract calls faulty, nobody trains on."""
    framing, rows = world.problem.framing, world.parts.train.head(1_000).reset_index(drop=True)
    broken = rows.assign(**{framing.key: rows[framing.key].where(rows.index % 5 != 0, rows[framing.key].iloc[0])})
    return data_fault(world.problem, contracts.check(world.problem, broken)) or Verdict("contract", _PASS, "taken")


def _pair(scored_by: str, beside: str, *, champion: str, challenger: str) -> Verdict:
    return gates.same_pair(
        [scored_by * 64] * 100, [beside * 64] * 100, champion=champion * 64, challenger=challenger * 64, newer=_NEWER
    )


def _stale_champion(_world: World) -> Verdict:
    """The evidence was gathered against a champion that has been replaced since."""
    return _pair("a", "b", champion="c", challenger="b")


def _with_itself(_world: World) -> Verdict:
    return _pair("a", "a", champion="a", challenger="a")


def _trained_on_live_rows(_world: World) -> Verdict:
    return gates.same_pair(
        ["a" * 64], ["b" * 64], champion="a" * 64, challenger="b" * 64, newer={"challenger": False, "champion": True}
    )


DRILLS = [
    Drill("missing metric", _WAIT, _missing_metric, "was not measured"),
    Drill("exception inside a metric", _FAIL, _exception_in_metric, "could not be judged: ZeroDivisionError"),
    Drill("exception in champion look-up", _FAIL, _champion_lookup, "could not be judged: ConnectionError"),
    Drill("overlapping rows", _FAIL, _overlapping_rows, "trained on: 1 by the challenger"),
    Drill("champion re-trained on the test window", _FAIL, _retrained_on_test, "by the champion"),
    Drill("champion's training rows unknown", _FAIL, _unknown_snapshot, "not known of: champion"),
    Drill("near-duplicate leak", _FAIL, _near_duplicates, "near-copies"),
    Drill("empty window", _FAIL, _empty_window, refusal=True),
    Drill(
        "one class only",
        _FAIL,
        _one_class,
        "was not measured, or these rows do not define it",
        applies=lambda problem: problem.framing.task != "regression",
    ),
    Drill("a batch the contract calls faulty", _FAIL, _faulty_batch, "break the contract"),
    Drill("stale champion", _FAIL, _stale_champion, "scored by other models"),
    Drill("challenger compared with itself", _FAIL, _with_itself, "is the champion itself"),
    Drill("shadow rows that were trained on", _FAIL, _trained_on_live_rows, "rows older than the end of the training"),
]
