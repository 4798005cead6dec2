"""Does the drift verdict alarm as rarely as it says where nothing drifts, and find what does?

Worlds of ten features and a champion's score; each has a reference of 28 windows, 26 windows before it (or none, as after a
retrain for drift), and 40 windows that are judged one after another and join the calibration, as in the loop. Twenty-five worlds
make a thousand judged windows. Day effects move every feature by a quarter of its spread, a window at a time; week effects
give each weekday its own means, and the plan says so. `make prove NAME=drift` runs all; tests/tasks/test_drifting.py a part.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import beta

from schemas.plans import MonitoringPlan
from schemas.verdict import Outcome, Verdict
from tasks import gates
from tasks.drifting import moved, over
from tasks.held_against import Reference, Window
from tasks.profiles import count_frame, freeze_profile, merged

__all__ = ["PLAN", "Judge", "World", "interval", "prove"]

DAY = timedelta(days=1)
START = datetime(2024, 1, 1, tzinfo=UTC)
FEATURES = [f"x{n}" for n in range(10)]
PLAN = MonitoringPlan(window=DAY, history=182 * DAY)
SIZES, WORLDS, JUDGED = (50, 200, 500, 5_000), 25, 40
Change = Callable[[pd.DataFrame], pd.DataFrame]


@dataclass(frozen=True)
class World:
    """Rows of a day, by its number: what does not drift, and varies from day to day as it always did."""

    rows: int
    effect: str
    seed: int

    def day(self, number: int) -> pd.DataFrame:
        rng = np.random.default_rng([20261122, self.seed, number + 10_000])
        n = max(int(rng.poisson(self.rows)), 30)
        x = rng.normal(size=(n, len(FEATURES)))
        if self.effect == "day":
            x += rng.normal(scale=0.25, size=len(FEATURES))
        if self.effect == "week":
            x += np.random.default_rng([self.seed, number % 7]).normal(scale=0.5, size=len(FEATURES))
        frame = pd.DataFrame(x, columns=FEATURES)
        frame["kind"] = rng.choice(["a", "b", "c"], p=[0.6, 0.3, 0.1], size=n)
        return frame


def scored(frame: pd.DataFrame) -> pd.DataFrame:
    """The champion leans on x0 and x1, hardly on the next four, and on nothing else; a missing value is its mean."""
    logit = frame[FEATURES].fillna(0).clip(-50, 50).to_numpy() @ np.array([1.0, 1.0, *[0.2] * 4, *[0.0] * 4])
    return frame.assign(score=1 / (1 + np.exp(-logit)))


EFFECTS = {
    "x0": 0.6,
    "x1": 0.6,
    **{f"x{n}": 0.1 for n in range(2, 6)},
    **{f"x{n}": 0.0 for n in range(6, 10)},
    "kind": 0.0,
}


class Judge:
    """The loop's own steps over a world: freeze, count, judge each window, and let it join those of later ones."""

    def __init__(self, world: World, *, history: int = 26, blocks: int = 28, after: int = 0) -> None:
        self.world, self.plan = world, PLAN
        if world.effect == "week":
            self.plan = PLAN.model_copy(update={"season": 7 * DAY})
            history, blocks = 7 * history, 7 * 4
        frames = {number: scored(world.day(number)) for number in range(-blocks, 0)}
        whole = pd.concat(frames.values())
        columns = freeze_profile(whole, [*FEATURES, "kind"]) | freeze_profile(whole, ["score"], kind="score")
        self.columns = columns
        parts = [self._window(number, frame) for number, frame in frames.items()]
        counts = merged(part.counts for part in parts)
        columns = {name: replace(column, counts=counts[name]) for name, column in columns.items()}
        self.reference = Reference(columns, parts, EFFECTS)
        early = range(-blocks - history, -blocks)
        self.own = [self._window(number, scored(world.day(number))) for number in early]
        self.own += [self._window(number, scored(world.day(number))) for number in range(after)]
        self.next = after

    def judge(self, change: Change = lambda frame: frame) -> Verdict:
        now = self._window(self.next, scored(change(self.world.day(self.next))))
        found = moved(self.reference, self.own, now, self.plan)
        verdict = gates.drift(
            found.distances,
            found.limits,
            floor=self.plan.effect_floor,
            rate=found.rate,
            allowed=self.plan.false_alarms,
            window=self.plan.window,
            basis=found.basis,
            unsure={} if found.alone else found.near,
            aside=found.aside,
        )
        self.own.append(replace(now, over=over(found), near=found.near))
        self.next += 1
        return verdict

    def _window(self, number: int, frame: pd.DataFrame) -> Window:
        return Window(START + number * DAY, count_frame(self.columns, frame))


def interval(hits: int, n: int, *, alpha: float = 0.05) -> tuple[float, float]:
    """Clopper-Pearson."""
    low = 0.0 if hits == 0 else float(beta.ppf(alpha / 2, hits, n - hits + 1))
    return low, 1.0 if hits == n else float(beta.ppf(1 - alpha / 2, hits + 1, n - hits))


def shifted(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(x0=frame["x0"] + 0.5)


def emptied(frame: pd.DataFrame) -> pd.DataFrame:
    """Every fifth value of x0 is gone."""
    return frame.assign(x0=frame["x0"].where(np.arange(len(frame)) % 5 != 0))


def in_other_units(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(x1=frame["x1"] * 100)


def quiet(rows: int, effect: str, *, worlds: int = WORLDS, **shape: int) -> dict[str, Any]:
    """Alarms among windows without drift. Windows of one world share its reference, so the interval is over worlds."""
    alarms, blind, stated = [], 0, 0.0
    for seed in range(worlds):
        judge = Judge(World(rows, effect, seed), **shape)
        verdicts = [judge.judge() for _ in range(JUDGED)]
        alarms.append(sum(v.outcome is Outcome.FAIL for v in verdicts))
        blind += sum(v.outcome is Outcome.WAIT for v in verdicts)
        stated = max([stated, *(float(v.evidence["rate"] or 0) for v in verdicts if v.outcome is not Outcome.WAIT)])
    n, error = worlds * JUDGED, float(np.std(alarms, ddof=1) / np.sqrt(worlds) / JUDGED)
    rate = sum(alarms) / n
    return {
        "rows": rows,
        "effect": effect,
        "windows": n,
        "alarms": sum(alarms),
        "blind": blind,
        "rate": rate,
        "interval": interval(sum(alarms), n),
        "stated": stated,
        "holds": blind < n and rate <= stated + 3 * max(error, float(np.sqrt(stated * (1 - stated) / n))),
    }


def found_within(
    rows: int, effect: str, change: Change, looks: int, *, worlds: int = 200, **shape: int
) -> dict[str, Any]:
    """In how many worlds a change is found within so many windows."""
    found = 0
    for seed in range(worlds):
        judge = Judge(World(rows, effect, 1_000 + seed), **shape)
        found += any(judge.judge(change).outcome is Outcome.FAIL for _ in range(looks))
    return {
        "rows": rows,
        "effect": effect,
        "worlds": worlds,
        "power": found / worlds,
        "interval": interval(found, worlds),
    }


AFTER = {
    "history": 0,
    "blocks": 8,
    "after": 3,
}  # a retrain for drift: eight weeks trained on, three of rollout, nothing before


def prove() -> dict[str, Any]:
    """All rates, with their intervals."""
    wanted: list[tuple[int, str, dict[str, int]]] = [
        (n, effect, {}) for effect in ("iid", "day", "week") for n in SIZES
    ]
    wanted += [(n, effect, AFTER) for effect in ("iid", "day") for n in SIZES[:2]]
    calm = []
    for rows, effect, shape in wanted:
        calm.append(quiet(rows, effect, **shape) | ({"after a retrain": True} if shape else {}))
        print(_said(calm[-1]), flush=True)
    power = {
        "half a spread, 3 windows of 200": found_within(200, "iid", shifted, 3) | {"needed": 0.8},
        "half a spread, 3 windows of 200, after a retrain": found_within(200, "iid", shifted, 3, **AFTER)
        | {"needed": 0.8},
        **{
            f"a fifth missing, 1 window of {n}": found_within(n, "iid", emptied, 1, worlds=50) | {"needed": 0.95}
            for n in SIZES
        },
        **{
            f"another unit, 1 window of {n}": found_within(n, "iid", in_other_units, 1, worlds=50) | {"needed": 1.0}
            for n in SIZES
        },
        "half a spread, 3 windows of 200, day effects": found_within(200, "day", shifted, 3, worlds=50),
        "half a spread, 3 windows of 200, week effects": found_within(200, "week", shifted, 3, worlds=20),
    }
    for name, one in power.items():
        print(f"{name:<52} {one['power']:.3f} [{one['interval'][0]:.3f}, {one['interval'][1]:.3f}]")
    enough = all(one["power"] >= one.get("needed", 0.0) for one in power.values())
    return {"no_drift": calm, "power": power, "holds": enough and all(one["holds"] for one in calm)}


def _said(one: Mapping[str, Any]) -> str:
    what = f"{one['effect']}, {one['rows']} rows{', after a retrain' if 'after a retrain' in one else ''}"
    low, high = one["interval"]
    return f"{what:<34} {one['rate']:.4f} [{low:.4f}, {high:.4f}] stated {one['stated']:.4f}  {'ok' if one['holds'] else 'NO'}"
