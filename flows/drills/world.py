"""What is a fault planted into? A sound case on a problem's own rows: a challenger that every gate lets pass."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flows.case import Case
from flows.judging import judge, verdict_of
from schemas.errors import PerennialError
from schemas.framing import AbsoluteLoss
from schemas.plans import Gate, Promotion
from schemas.problem import Problem
from schemas.rows import Model
from schemas.verdict import Outcome, Verdict
from tasks import contracts, scoring, splits, training, windows
from tasks.elsewhere import home_at

__all__ = ["Drill", "Faulty", "World", "build", "scratch_home"]


@dataclass(frozen=True)
class Drill:
    """A planted fault, and the verdict that the real gate or stage has to give. `ask` returns that gate's verdict.

    A gate that broke down refuses too: "could not be judged" is right only where `because` expects it.
    """

    name: str
    expected: Outcome
    ask: Callable[["World"], Verdict]
    because: str = ""  # what the reason has to say: right for another reason is wrong
    refusal: bool = False  # what refuses is an error of ours, raised on purpose
    applies: Callable[[Problem], bool] = lambda _problem: True


@dataclass(frozen=True)
class World:
    """A problem, its labelled rows in three parts, and a sound challenger. `live` are rows after all of them."""

    problem: Problem
    parts: splits.Split
    live: pd.DataFrame
    seed: int

    @property
    def rng(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)

    @cached_property
    def challenger(self) -> Any:
        return self.trained(self.parts.train)

    @cached_property
    def naive(self) -> Any:
        return training.naive_baseline(self.problem.framing, self.parts.train, self.problem.recipe.features)

    def trained(self, rows: pd.DataFrame, **changed: Any) -> Any:
        """The problem's recipe with these fields `changed` on these rows, as a trial fits it."""
        recipe = self.problem.recipe.model_copy(update=changed)
        return training.fit_and_freeze(recipe, self.problem.framing, replace(self.parts, train=rows), seed=self.seed)

    @cached_property
    def case(self) -> Case:
        """Every gate passes this one: the drill `a sound challenger` says so."""
        problem, parts, key = self.problem, self.parts, self.problem.framing.key
        seen = pd.concat([parts.train, parts.validation])[key]
        return Case(
            problem=problem,
            recipe=problem.recipe,
            parts=parts,
            challenger=self.challenger,
            naive=self.naive,
            simpler=lambda: {"constant": self.naive},
            champion=lambda: self.naive,
            champion_trained=False,
            promotion=Promotion.SUPERIORITY,
            test_set="0" * 64,
            uses=0,
            trained_on=lambda: {"challenger": seen, "champion": []},
            seed=self.seed,
        )

    def judged(self, gate: Gate, *, framing: dict[str, Any] | None = None, **changes: Any) -> Verdict:
        """What this one gate says of the sound case with `changes` planted into it, and `framing` into the framing."""
        problem = self.problem
        problem = replace(
            problem,
            framing=problem.framing.model_copy(update=framing or {}),
            retraining=problem.retraining.model_copy(update={"gates": (gate,)}),
        )
        return verdict_of(judge(replace(self.case, problem=problem, **changes)))

    def model(self, mark: str) -> Model:
        """A registered model, as the ledger names it."""
        return Model(mark * 64, "1", "boosting")


class Faulty:
    """A model with a fault: what it says is changed on its way out. `change` gets and gives scores, shape (n,) or (n, k)."""

    def __init__(self, model: Any, change: Callable[[np.ndarray, pd.DataFrame], np.ndarray]) -> None:
        self._model, self._change = model, change
        self.threshold = scoring.threshold_of(model)
        self.feature_names_in_ = model.feature_names_in_
        if hasattr(model, "classes_"):
            self.classes_ = model.classes_

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        return self._change(np.asarray(self._model.predict(frame), dtype=float), frame)

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        said = np.asarray(self._model.predict_proba(frame), dtype=float)
        if said.shape[1] > 2:
            return self._change(said, frame)
        positive = self._change(said[:, 1], frame)
        return np.column_stack([1 - positive, positive])


def build(problem: Problem, now: datetime, *, seed: int) -> World:
    """The newest matured rows before `now`: the last third is kept as live, the rest is split as a retrain would."""
    framing, plan = problem.framing, problem.retraining
    until = now - framing.maturity
    embargo = splits.embargo_of(problem)
    reach = (problem.recipe.window or timedelta(days=84)) + plan.validation + embargo + 2 * plan.test
    rows = windows.read_window(problem, until - reach, until, as_of=now)
    rows = contracts.check(problem, rows).valid.dropna(subset=[framing.target]).reset_index(drop=True)
    times = rows[framing.event_time]
    live_from = until - plan.test
    window = problem.recipe.window
    parts = splits.by_time(
        framing, rows, until=live_from, plan=plan, embargo=embargo, window=window, disjoint_from=None
    )
    live = rows[times >= live_from].reset_index(drop=True)
    for name, part in (*vars(parts).items(), ("live", live)):
        needed = 1 if name == "validation" else 4 * plan.slice_rows
        if len(part) < needed:
            raise PerennialError(
                f"drills of {problem.name!r} at {now:%Y-%m-%d} find {len(part)} {name} rows, {needed} are needed. "
                "Run them at a later moment, or on a problem with more rows."
            )
    return World(problem, parts, live, seed)


@contextmanager
def scratch_home() -> Iterator[None]:
    """Drills write a ledger and a prediction log of their own; a team's are never touched."""
    with tempfile.TemporaryDirectory() as folder, home_at(Path(folder)):
        yield


def in_units(problem: Problem, share: float) -> float:
    """A share of what counts as wholly wrong, in the unit of the score."""
    loss = problem.framing.loss
    return share * loss.bound if isinstance(loss, AbsoluteLoss) else share
