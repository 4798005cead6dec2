"""Does the loop do what it says? A compressed year of the fraud problem through the flow that production schedules."""

import logging
import os
import time
import warnings
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from deployments import servers
from deployments.timeline import Timeline
from flows.border import Done
from schemas.errors import PerennialError
from schemas.plans import Reason
from schemas.problem import Problem, load_problem
from schemas.problems._fraud_simulator import CONCEPT_DAY, COVARIATE_DAY, START, VIRTUAL_CARD_DAY
from schemas.settings import Settings
from schemas.stage import Stage
from tasks import ledger, predictions, windows
from tasks.figures import keep

if TYPE_CHECKING:
    from flows.replay import Planned

__all__ = ["run"]

_AT_MOST = 140  # turns
_DAYS = 358  # 26 weeks of history, then 25 weeks live
_LEAK_DAY, _BRITTLE_DAY = 290, 312
_LEAK_NOTE = "use the analysts' score as a feature"
_BRITTLE_NOTE = "the encoder's old version is out of support"
_WORLD = {
    CONCEPT_DAY: "planted: fraud moves to small online payments at night (concept drift)",
    COVARIATE_DAY: "planted: dearer payments, and half of them online (covariate drift)",
    VIRTUAL_CARD_DAY: "planted: the first virtual cards are used",
}


def run() -> Done:
    """Replay the year, print it as it goes; its code is 0 when everything that was planted was dealt with."""
    began = time.monotonic()
    problem = load_problem("fraud")
    quiet()
    refuse_foreign_home()
    with ExitStack() as stack:
        print("starting the Prefect server ...", flush=True)
        servers.use(stack.enter_context(servers.prefect_server()))
        turns = _replay(problem, stack)
        verified = ledger.verify(problem.name)
        expected = _expected(problem)
        from flows import replay_story

        replay_story.tell(problem, happened=expected)
    seconds = time.monotonic() - began
    print(f"\n{turns} turns in this run, {seconds:.0f} s; the ledger's {verified} rows verify.")
    for what, happened in expected.items():
        print(f"  {'yes' if happened else 'NO '}  {what}")
    found = _found(problem)
    if found:
        print(
            f"       drift planted on days {CONCEPT_DAY} (concept) and {COVARIATE_DAY} (covariate), found on day {found[0]}; its report:\n       {found[1]}"
        )
    figures = {
        "turns": turns,
        "seconds": round(seconds, 1),
        "ledger_rows": verified,
        "drift_found_day": found and found[0],
        "happened": expected,
    }
    keep("demo", figures)
    _where_to_look()
    return Done(figures, 0 if all(expected.values()) else 1)


def _replay(problem: Problem, stack: ExitStack) -> int:
    # Prefect reads its settings when it is first imported, so only now.
    from flows.lifecycle import lifecycle
    from flows.replay import quick_flows, replay, span
    from flows.replay_story import watched

    stack.enter_context(quick_flows())
    if not windows.available(problem):
        print("simulating a year of 2,000 payments a day ...", flush=True)
        assert problem.source.simulate is not None
        windows.materialise(problem, problem.source.simulate(Settings().seed))
    start, _ = span(problem, *windows.bounds(problem))
    end = START + timedelta(days=_DAYS)
    timeline = Timeline(START, (end - START).days)
    resumed = ledger.state_of(problem.name).sequence
    if resumed:
        print(f"going on from row {resumed} of the ledger", flush=True)
    world = dict(_WORLD)
    pace = _Pace(0.25)

    def crank(name: str, now: datetime) -> None:
        for day in [d for d in world if START + timedelta(days=d) <= now]:
            timeline.note(day, world.pop(day))
        pace.rest()
        lifecycle(name, now=now)

    rows = replay(problem, start=start, end=end, crank=crank, planned=_planned(problem), at_most=_AT_MOST)
    for row in watched(problem, rows, start=start, end=end):
        timeline.row(row)
    timeline.close()
    return timeline.turns


class _Pace:
    """SQLite under Prefect's server answers flows without a pause by 'locked', and the client waits 2 s: a breath is faster."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def rest(self) -> None:
        time.sleep(self.seconds)


def _planned(problem: Problem) -> "list[Planned]":
    from flows.replay import Planned

    leaky = problem.recipe.model_copy(update={"features": (*problem.recipe.features, "review_score")})
    brittle = problem.recipe.model_copy(update={"unseen_categories": "raise"})
    return [
        Planned(START + timedelta(days=_LEAK_DAY), _LEAK_NOTE, "ana", leaky.model_dump(mode="json")),
        Planned(
            START + timedelta(days=_BRITTLE_DAY), _BRITTLE_NOTE, "ben", brittle.model_dump(mode="json"), Reason.FORCED
        ),
    ]


def _turns(problem: Problem) -> list[ledger.Row]:
    return [row for row in ledger.rows(problem.name) if row.facts["kind"] == "turn"]


def _seen(rows: list[ledger.Row], before: Stage, after: Stage, **facts: object) -> list[ledger.Row]:
    """The turns that took this arrow, with these facts."""
    return [
        r
        for r in rows
        if (r.facts["before"], r.facts["stage"]) == (before, after) and all(r.facts[k] == v for k, v in facts.items())
    ]


def _drifts(rows: list[ledger.Row]) -> list[ledger.Row]:
    """The turns that called for a retrain because of drift, once it was planted."""
    planted = (START + timedelta(days=COVARIATE_DAY)).isoformat()
    return [row for row in _seen(rows, Stage.HEALTHY, Stage.RETRAIN, why=Reason.DRIFT) if row.facts["at"] >= planted]


def _found(problem: Problem) -> tuple[int, str] | None:
    """On which day the drift was found, and the report that says so."""
    drifts = _drifts(_turns(problem))
    return (
        ((datetime.fromisoformat(drifts[0].facts["at"]) - START).days, drifts[0].notes.get("report", ""))
        if drifts
        else None
    )


def _expected(problem: Problem) -> dict[str, bool]:
    """What the demo promises, and whether the ledger and the log show it."""
    rows = _turns(problem)
    first = _seen(rows, Stage.COLD, Stage.HEALTHY, outcome="PASS")
    promoted = _seen(rows, Stage.AB, Stage.PROBATION)
    kept = _seen(rows, Stage.PROBATION, Stage.HEALTHY, outcome="PASS")
    leak = [r for r in _seen(rows, Stage.SHADOW, Stage.HEALTHY, outcome="FAIL") if _answered(rows, r) == _LEAK_NOTE]
    brittle = [
        r for r in _seen(rows, Stage.CANARY, Stage.HEALTHY, outcome="FAIL") if _answered(rows, r) == _BRITTLE_NOTE
    ]
    return {
        "the heuristic is registered as version 1": bool(first)
        and (first[0].facts["champion"]["name"], first[0].notes["versions"]["champion"]) == ("heuristic", "1"),
        "the first model goes through gate, shadow, canary and probation": any(r.facts["rollout"] == 1 for r in kept),
        "the planted drift is found and starts a retrain": bool(_drifts(rows)),
        "a new champion comes of it": any(r.facts["champion"]["why"] == Reason.DRIFT for r in promoted)
        and len(kept) == 2,
        "the leaking challenger is stopped in shadow": bool(leak),
        "the challenger that raises is sound on every request of its shadow window": bool(brittle)
        and not _shadow_errors(problem, brittle[0]),
        "the challenger that raises is rolled back in canary by the guardrail": bool(brittle)
        and "the challenger raises" in brittle[0].notes["reason"],
        f"all of it within {_AT_MOST} turns": len(rows) <= _AT_MOST,
    }


def _answered(rows: list[ledger.Row], row: ledger.Row) -> str:
    """The note of the request that this row's rollout answered."""
    orders = [r.facts["order"]["note"] for r in rows if r.facts["rollout"] == row.facts["rollout"] and r.facts["order"]]
    return orders[0] if orders else ""


def _shadow_errors(problem: Problem, row: ledger.Row) -> int:
    now = datetime.fromisoformat(row.facts["at"])
    rows = predictions.cohort(
        problem,
        since=START,
        now=now,
        rollout=row.facts["rollout"],
        stages=("SHADOW",),
        matured=False,
        with_labels=False,
    )
    return int(rows["rival_error"].notna().sum())


def _where_to_look() -> None:
    root = Settings().root
    print(
        f"\nWhere to look\n"
        f"  make history PROBLEM=fraud   what served when, and why\n"
        f"  make timeline PROBLEM=fraud  the year as a picture\n"
        f"  make verify                  the hash chain, checked anew\n"
        f"  make up                      these runs in Prefect's and MLflow's own pages\n"
        f"  {root / 'reports' / 'fraud'}   the Evidently reports the verdicts cite"
    )


def quiet() -> None:
    """Vendors' chatter stays out of the timeline; the run's own page in the Prefect UI has it."""
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "ERROR")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    warnings.filterwarnings("ignore", module="mlflow")
    logging.getLogger("alembic").setLevel(logging.ERROR)


def refuse_foreign_home() -> None:
    """The demo's turns lie in a simulated year: a ledger that has seen later ones is not its own."""
    state = ledger.state_of("fraud")
    if state.at and state.at > START + timedelta(days=400):
        raise PerennialError(
            f"the ledger in {Settings().root} has turns of 'fraud' as late as {state.at:%Y-%m-%d}, after the demo's year. "
            "Run the demo elsewhere: PERENNIAL_HOME=/tmp/demo make demo"
        )
