"""What does a turn of the loop cost, over a bare script that makes the same model? `make bench` prints it side by side.

The table is electricity, found through PERENNIAL_DATA. Everything runs in temporary folders, on one started Prefect server.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from deployments import servers
from deployments.demo import quiet
from schemas.problem import load_problem
from schemas.settings import Settings
from tasks.figures import keep

DAY = timedelta(days=1)


class Parts:
    """Seconds by part, each counted once: time inside a nested part belongs to the nested one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._open: list[str] = []
        self._since = 0.0

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        self._book()
        self._open.append(name)
        try:
            yield
        finally:
            self._book()
            self._open.pop()

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.of(name):
                return function(*args, **kwargs)

        return timed

    def _book(self) -> None:
        now = time.perf_counter()
        if self._open:
            self.seconds[self._open[-1]] = self.seconds.get(self._open[-1], 0.0) + now - self._since
        self._since = now


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="retrain turns of each kind")
    args = parser.parse_args()
    folder = os.environ.get("PERENNIAL_DATA")
    if not folder:
        print("PERENNIAL_DATA names no folder with electricity/electricity.csv; nothing was measured", file=sys.stderr)
        return 1
    table = Path(folder).absolute() / "electricity" / "electricity.csv"
    home = str(Settings().root)
    quiet()
    with ExitStack() as stack:
        os.environ["PERENNIAL_HOME"] = stack.enter_context(tempfile.TemporaryDirectory())
        servers.use(stack.enter_context(servers.prefect_server()))
        figures = measure(table, args.repeats)
    show(figures)
    os.environ["PERENNIAL_HOME"] = home
    print(f"\nthe same figures: {keep('bench', figures)}")
    return 0


def measure(table: Path, repeats: int) -> dict[str, Any]:
    from flows.lifecycle import lifecycle
    from flows.replay import plain_turn, quick_flows

    flow, plain, bare, parts = [], [], [], []
    with quick_flows():
        for _ in range(repeats):
            now = prepare(table)
            bare.append(clocked(lambda now=now: bare_script(table, now)))
            flow.append(clocked(lambda now=now: lifecycle("electricity", now=now)))
            now = prepare(table)
            with instrumented() as measured:
                plain.append(clocked(lambda now=now: plain_turn("electricity", now)))
            parts.append(dict(measured.seconds))
        healthy = healthy_turns(lifecycle)
    with_heartbeat = healthy_turns(lifecycle, start=40)
    plain_healthy = healthy_turns(plain_turn, start=80, plain=True)
    shown_live = showing()
    window_seconds, report_seconds = closing_turn()
    middle = statistics.median
    named = {name: middle(p.get(name, 0.0) for p in parts) for name in sorted({n for p in parts for n in p})}
    return {
        "retrain_turn_seconds": middle(flow),
        "bare_script_seconds": middle(bare),
        "retrain_turn_over_bare_seconds": middle(flow) - middle(bare),
        "ratio_retrain_turn_over_bare": middle(flow) / middle(bare),
        "retrain_turn_parts_seconds": {
            "prefect": middle(flow) - middle(plain),
            **named,
            "rest": middle(plain) - sum(named.values()),
        },
        "healthy_turn_seconds": middle(healthy),
        "healthy_turn_with_heartbeat_seconds": middle(with_heartbeat),
        "healthy_turn_plain_seconds": middle(plain_healthy),
        "table_of_problems_seconds": shown_live,
        "healthy_orchestration_seconds": middle(with_heartbeat) - middle(plain_healthy) + shown_live,
        "healthy_turn_that_closes_a_window_plain_seconds": window_seconds,
        "evidently_report_seconds": report_seconds,
        "repeats": repeats,
    }


def prepare(table: Path) -> Any:
    """A fresh home whose ledger stands before its first retrain turn; returns that turn's moment."""
    from flows.replay import plain_turn, span
    from tasks import windows

    os.environ["PERENNIAL_HOME"] = tempfile.mkdtemp(dir=Path(os.environ["PERENNIAL_HOME"]).parent)
    problem = load_problem("electricity")
    windows.link(problem, table)
    start, _ = span(problem, *windows.bounds(problem))
    plain_turn("electricity", start)
    plain_turn("electricity", start + DAY)
    return start + 2 * DAY


def bare_script(table: Path, now: Any) -> None:
    """The same rows, the same two fits, the same scores, the same file; nothing else."""
    import pandas as pd
    import skops.io
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    problem = load_problem("electricity")
    recipe, plan = problem.recipe, problem.retraining
    features = list(recipe.features)
    rows = pd.read_csv(table, parse_dates=["time"])
    until = pd.Timestamp(now - problem.framing.maturity)
    rows = rows[(rows["time"] >= until - recipe.window - plan.test - plan.validation) & (rows["time"] < until)]
    train = rows[rows["time"] < until - plan.test - plan.validation]
    test = rows[rows["time"] >= until - plan.test]
    with threadpool_limits(limits=1):
        for part in (train, rows[rows["time"] >= until - recipe.window]):
            model = HistGradientBoostingClassifier(random_state=0, early_stopping=False, **recipe.parameters)
            model.fit(part[features], part["price_up"])
            model.predict_proba(test[features])
    skops.io.dump(model, Path(os.environ["PERENNIAL_HOME"]) / "bare.skops")


def healthy_turns(crank: Callable[..., Any], *, start: int = 0, plain: bool = False, count: int = 20) -> list[float]:
    """Seconds of HEALTHY turns half an hour apart: a few rows to answer, and no window that closes."""
    from schemas.stage import Stage
    from tasks import ledger

    taken = []
    for _ in range(start, start + count):
        state = ledger.state_of("electricity")
        if state.stage is not Stage.HEALTHY:
            until_healthy()
            state = ledger.state_of("electricity")
        now = state.scored + timedelta(minutes=30)
        time.sleep(0 if plain else 0.3)  # SQLite under Prefect's server wants a breath between flows
        taken.append(clocked(lambda now=now: crank("electricity", now) if plain else crank("electricity", now=now)))
        if ledger.state_of("electricity").stage is not Stage.HEALTHY:
            taken.pop()
    return taken


def showing() -> float:
    """Seconds of what a live turn shows beyond a replay's: the table of problems."""
    from prefect import flow

    from flows import overview

    @flow(name="showing")
    def shown() -> float:
        return clocked(overview.tell)

    shown()  # the first pays for imports
    return float(shown())


def closing_turn() -> tuple[float, float]:
    """Seconds of a HEALTHY turn that closes a monitoring window, and of its report; the second one, so that imports are warm."""
    from flows.replay import plain_turn
    from tasks import ledger

    until_healthy()
    for _ in range(2):
        state = ledger.state_of("electricity")
        now = state.since + (1 + (state.scored - state.since) // timedelta(days=7)) * timedelta(days=7)
        with instrumented() as parts:
            seconds = clocked(lambda now=now: plain_turn("electricity", now))
        until_healthy()
    return seconds, parts.seconds.get("report", 0.0)


def until_healthy() -> None:
    from flows.replay import next_turn, plain_turn
    from schemas.stage import Stage
    from tasks import ledger

    problem = load_problem("electricity")
    state = ledger.state_of("electricity")
    while state.stage is not Stage.HEALTHY:
        plain_turn("electricity", next_turn(problem, state, state.scored))
        state = ledger.state_of("electricity")


@contextmanager
def instrumented() -> Iterator[Parts]:
    """Each part's functions wrapped with a clock, for the time of the block."""
    from flows import challenger, trial
    from tasks import contracts, ledger, monitoring, predictions, registry, runs, scoring, snapshots, training, windows

    parts = Parts()
    wanted: list[tuple[str, Any, tuple[str, ...]]] = [
        ("mlflow", registry, ("register", "load", "project")),
        ("mlflow", runs, ("describe", "log_report", "run_link")),
        ("contracts", contracts, ("check", "quarantine")),
        ("report", monitoring, ("make_report",)),
        ("windows", windows, ("read_window", "read_requests", "read_labels")),
        ("fit and score", training, ("fit", "measure", "naive_baseline")),
        ("fit and score", scoring, ("score", "outputs", "answer")),
        ("ledger and log", ledger, ("state_of", "append")),
        ("ledger and log", predictions, ("log", "log_labels", "cohort")),
        ("snapshot", snapshots, ("freeze", "keys")),
        ("gates", trial, ("judge",)),
        ("fresh process", challenger, ("probe",)),
    ]
    kept = [(module, name, getattr(module, name)) for _, module, names in wanted for name in names]
    for part, module, names in wanted:
        for name in names:
            setattr(module, name, parts.wrap(part, getattr(module, name)))
    try:
        yield parts
    finally:
        for module, name, function in kept:
            setattr(module, name, function)


def clocked(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def show(figures: dict[str, Any]) -> None:
    print(f"one retrain turn on electricity, median of {figures['repeats']}")
    print(f"  through Prefect   {figures['retrain_turn_seconds']:6.2f} s")
    print(f"  bare script       {figures['bare_script_seconds']:6.2f} s")
    print(
        f"  ratio             {figures['ratio_retrain_turn_over_bare']:6.1f}   ({figures['retrain_turn_over_bare_seconds']:+.2f} s; aim: at most +3)"
    )
    for name, seconds in sorted(figures["retrain_turn_parts_seconds"].items(), key=lambda item: -item[1]):
        print(f"    {name:<16} {seconds:6.2f} s")
    print("a HEALTHY turn with no newly closed window, median of 20 (aim: under 2 s)")
    print(f"  in a replay       {figures['healthy_turn_seconds']:6.2f} s")
    print(f"  with heartbeat    {figures['healthy_turn_with_heartbeat_seconds']:6.2f} s   (as the schedule runs it)")
    print(f"  plain Python      {figures['healthy_turn_plain_seconds']:6.2f} s")
    print(
        f"  orchestration     {figures['healthy_orchestration_seconds']:6.2f} s   (live, over plain; aim: at most 1.5)"
    )
    print(
        f"  closing a window  {figures['healthy_turn_that_closes_a_window_plain_seconds']:6.2f} s   (plain, its Evidently report {figures['evidently_report_seconds']:.2f} s)"
    )


if __name__ == "__main__":
    sys.exit(main())
