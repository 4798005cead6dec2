"""Whatever is promoted, aborted, reverted, raced and killed, in whichever order: is what serves always what the ledger allows?

`make prove NAME=histories` runs a thousand random histories on a real ledger, a real registry and the gateway's own
follower; tests/flows/test_histories.py runs a few of them.
"""

import logging
import os
import random
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest

from deployments.gateway.breaker import Breaker
from deployments.gateway.follower import Follower
from deployments.gateway.signals import Signals
from flows.turn import begin, conclude
from schemas.plans import Promotion, Reason
from schemas.problem import Problem, load_problem
from schemas.route import Route, Served
from schemas.rows import Model, Request, State
from schemas.settings import Settings
from schemas.stage import Stage
from schemas.verdict import Outcome, Verdict
from tasks import database, ledger, registry, runs, tracking, training
from tasks.door import Door
from tasks.transitions import Decision, asked

__all__ = ["World", "history", "prove"]

NAME = "electricity"
START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
_CALLS = ("set_registered_model_alias", "delete_registered_model_alias", "set_registered_model_tag")


class Killed(BaseException):
    """The process ends here."""


@dataclass
class World:
    """Models that were registered once, and scorers that were loaded once; every history has its own ledger and gateway."""

    models: list[Model]
    empty: Path  # a ledger and a log with their tables and no rows
    kept: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def made(cls, n: int = 5) -> "World":
        problem = load_problem(NAME)
        features = list(problem.recipe.features)
        rows = pd.DataFrame({name: [0.1, 0.4, 0.6, 0.9] for name in features}).assign(
            **{problem.framing.target: [0.0, 0.0, 1.0, 1.0]}
        )
        models = []
        for number in range(n):
            recipe = problem.recipe.model_copy(update={"family": "linear", "parameters": {"C": 1.0 + number}})
            model = training.fit(recipe, problem.framing, rows, seed=number, threshold=0.5)
            with runs.training_run(problem, key=f"history/{number}") as run:
                models.append(registry.register(problem, model, name="linear", example=rows[features], run_id=run))
        empty = Settings().root / "empty"
        empty.mkdir()
        for name in ("ledger", "log"):
            database.open_database(f"sqlite:///{empty}/{name}.db", name)  # type: ignore[arg-type]
        database.close_databases()
        return cls(models, empty)


class History:
    """One problem's life, decided by dice; checked after every step."""

    def __init__(self, world: World, seed: int, folder: Path) -> None:
        self.dice, self.world, self.folder = random.Random(seed), world, folder
        self.problem: Problem = load_problem(NAME)
        self.now, self.epochs, self.looks, self.kills = START, [0], 0, 0
        client = tracking.api()
        registry._ensure_registered(self.problem)
        before = client.get_registered_model(NAME)
        for role in before.aliases:
            client.delete_registered_model_alias(NAME, role)
        if "route" in before.tags:
            client.delete_registered_model_tag(NAME, "route")
        self.follower = self._gateway()

    def _gateway(self) -> Follower:
        """A gateway that has just started: it knows what is on its disk, and nothing else."""
        breaker = Breaker(self.problem.serving, self.problem.rollout, lambda trip: None)
        made = Follower(
            self.problem,
            Door(self.problem),
            self.folder,
            breaker,
            Signals(NAME),
            lambda s: None,
            lambda g: None,
            lambda: None,
        )
        made._kept = self.world.kept
        return made

    def step(self) -> None:
        kind = self.dice.choices(["turn", "killed", "raced", "revert", "restart", "forged"], [8, 4, 3, 1, 1, 1])[0]
        getattr(self, f"_{kind}")()
        self.follower.look()
        self.check()

    def _turn(self) -> None:
        self.now += DAY
        turn = begin(NAME, self.now)
        conclude(turn, self._decision(turn.state))
        self.follower.look()
        state = ledger.state_of(NAME)
        if state.champion is not None:  # a turn that ended mends whatever was broken before it
            assert self.follower.serving is not None
            assert self.follower.serving.route == Route.of(state)
            aliases = tracking.api().get_registered_model(NAME).aliases
            holders = {
                role: m.version for role in ("champion", "challenger", "previous") if (m := getattr(state, role))
            }
            assert {role: str(number) for role, number in aliases.items()} == holders

    def _killed(self) -> None:
        self.now += DAY
        try:
            with _ends_at(self.dice.randrange(8), before=self.dice.random() < 0.5):
                turn = begin(NAME, self.now)
                conclude(turn, self._decision(turn.state))
        except Killed:
            self.kills += 1

    def _raced(self) -> None:
        """Two promoters read the same state, and each decides for itself; the slower may project late."""
        self.now += DAY
        one, two = begin(NAME, self.now), begin(NAME, self.now)
        first, second = self._decision(one.state), self._decision(two.state)
        won = conclude(one, first).state
        self.follower.look()
        try:
            conclude(two, second)
            raise AssertionError("two promoters both won")
        except ledger.LostRaceError:
            pass
        if self.dice.random() < 0.5 and one.state.champion is not None:
            registry.project(self.problem, one.state)  # an old hand writes what was true a moment ago
        assert ledger.state_of(NAME) == won

    def _forged(self) -> None:
        """Somebody writes a route of their own: a model that passed no stage, as if it were the newest."""
        state = ledger.state_of(NAME)
        if (route := Route.of(state)) is not None:
            model = self._model(state)
            forged = replace(route, epoch=route.epoch + 1, champion=Served(model.sha256, model.version, model.name))
            tracking.api().set_registered_model_tag(NAME, "route", forged.to_json())

    def _revert(self) -> None:
        state = ledger.state_of(NAME)
        if state.champion is not None:
            order = Request("revert", Reason.PERSON, "dice", "dice")
            ledger.update(NAME, lambda state: asked(state, order, now=self.now))

    def _restart(self) -> None:
        self.follower = self._gateway()

    def _decision(self, state: State) -> Decision:
        odds = [2, 2, 1] if state.stage is Stage.PROBATION else [6, 1, 1]
        outcome = self.dice.choices([Outcome.PASS, Outcome.FAIL, Outcome.WAIT], odds)[0]
        verdict = Verdict("dice", outcome, "dice")
        match state.stage:
            case Stage.COLD:
                return Decision(replace(verdict, outcome=Outcome.PASS), model=self._model(state))
            case Stage.HEALTHY if state.previous is not None and self.dice.random() < 0.2:
                return Decision(replace(verdict, outcome=Outcome.PASS), revert=True)
            case Stage.HEALTHY:
                return Decision(
                    replace(verdict, outcome=Outcome.FAIL), why=Reason.SCHEDULE, promotion=Promotion.SUPERIORITY
                )
            case Stage.RETRAIN:
                return Decision(verdict, model=self._model(state), snapshot="s" * 64)
            case Stage.CANARY if outcome is Outcome.WAIT:
                return Decision(verdict, share=0.25)
            case _:
                return Decision(verdict)

    def _model(self, state: State) -> Model:
        taken = {m.sha256 for m in (state.champion, state.previous) if m}
        return self.dice.choice([m for m in self.world.models if m.sha256 not in taken])

    def check(self) -> None:
        """What serves is one champion that the ledger let through, and a challenger answers only what it was let to."""
        rows = list(ledger.rows(NAME))
        told = _told_again(rows)
        serving = self.follower.serving
        if serving is None:
            assert not self.looks, "a gateway that has served must never serve nothing"
            return
        self.looks += 1
        route = serving.route
        allowed = [known for known in told if known["epoch"] == route.epoch]
        assert allowed, f"route {route.epoch} was never in the ledger"
        known = allowed[-1]
        assert route.champion.sha256 == known["champion"], "another champion than the ledger's"
        assert (route.previous.sha256 if route.previous else None) == known["previous"], "a wrong rollback target"
        assert route.champion.sha256 in known["let_through"], "a champion that did not pass every stage"
        if route.answers_a_share:
            assert route.challenger is not None
            assert route.challenger.sha256 == known["challenger"]
            assert known["shadowed"], "a challenger answers that did not pass its shadow"
        assert serving.champion.served.sha256 == route.champion.sha256
        assert route.epoch >= self.epochs[-1] or self.epochs[-1] not in [k["epoch"] for k in told], "back in time"
        self.epochs.append(route.epoch)


def _told_again(rows: list[ledger.Row]) -> list[dict[str, Any]]:
    """The story of the ledger, from its arrows alone, by other code than the one that wrote it."""
    champion = previous = challenger = None
    let_through: set[str] = set()
    shadowed = False
    story = []
    for row in rows:
        facts = row.facts
        if facts["kind"] == "turn":
            before, arrow = facts["before"], facts["arrow"]
            offered = facts["challenger"]["sha256"] if facts["challenger"] else None
            if before == "COLD" and arrow == "PASS":
                champion = facts["champion"]["sha256"]
                let_through.add(champion)
            elif before == "RETRAIN" and arrow == "PASS":
                challenger, shadowed = offered, False
            elif before == "SHADOW" and arrow == "PASS":
                shadowed = True
            elif before == "AB" and arrow == "PASS":
                assert challenger is not None
                assert shadowed
                let_through.add(challenger)
                champion, previous, challenger = challenger, champion, None
            elif (before == "PROBATION" and arrow == "FAIL") or arrow == "REVERT":
                champion, previous = previous, None
            elif before in ("RETRAIN", "SHADOW", "CANARY", "AB") and arrow == "FAIL":
                challenger = None
        story.append(
            {
                "epoch": facts["epoch"],
                "champion": champion,
                "previous": previous,
                "challenger": challenger,
                "let_through": set(let_through),
                "shadowed": shadowed,
            }
        )
    return story


@contextmanager
def _ends_at(call: int, *, before: bool) -> Iterator[None]:
    """The process is killed at its n-th write: just before it is done, or just after."""
    from mlflow import MlflowClient

    left = call

    def deadly(real: Any) -> Any:
        def call(*args: Any, **more: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0 and before:
                raise Killed
            done = real(*args, **more)
            if left < 0:
                raise Killed
            return done

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger, "append", deadly(ledger.append))
        for name in _CALLS:
            patch.setattr(MlflowClient, name, deadly(getattr(MlflowClient, name)))
        yield


def history(world: World, seed: int, *, steps: int = 18) -> dict[str, int]:
    """Run and check one history; returns what happened in it."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for name in ("ledger.db", "log.db"):
            shutil.copy(world.empty / name, folder)
        patch.setenv("PERENNIAL_LEDGER_URL", f"sqlite:///{folder}/ledger.db")
        patch.setenv("PERENNIAL_LOG_URL", f"sqlite:///{folder}/log.db")
        patch.setenv("PERENNIAL_SERVING", "gateway")
        try:
            made = History(world, seed, Path(folder) / "gateway")
            for _ in range(steps):
                made.step()
            rows = [row.facts for row in ledger.rows(NAME)]
            ledger.verify(NAME)
        finally:
            database.close_databases()
    promoted = sum(f["before"] == "AB" and f["arrow"] == "PASS" for f in rows)
    restored = sum((f["before"] == "PROBATION" and f["arrow"] == "FAIL") or f["arrow"] == "REVERT" for f in rows)
    return {"rows": len(rows), "promoted": promoted, "restored": restored, "kills": made.kills, "looks": made.looks}


def prove(n: int = 1_000) -> dict[str, Any]:
    """Run `n` of them, a part on each core."""
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        parts = list(pool.map(_part, [range(first, n, cores) for first in range(cores)]))
    totals = {name: sum(part[name] for part in parts) for name in parts[0]}
    # Each history asserts after every step: never two champions, never none, never an ungated one, never a wrong way back.
    return {"histories": n, "wrong": 0, **totals, "holds": totals["promoted"] > 0 and totals["restored"] > 0}


def _part(seeds: range) -> dict[str, int]:
    """Some of them, in a home of their own."""
    logging.getLogger("perennial").setLevel(logging.CRITICAL)
    totals: dict[str, int] = {}
    with TemporaryDirectory() as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", home)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        world = World.made()
        for done, seed in enumerate(seeds, start=1):
            for name, value in history(world, seed).items():
                totals[name] = totals.get(name, 0) + value
            if done % 50 == 0:
                print(f"{done} of {len(seeds)} histories: {totals}", flush=True)
        database.close_databases()
    return totals
