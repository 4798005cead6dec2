"""Was renewing worth it? The loop over real history, against other ways to serve the same recipe."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from deployments import servers
from deployments.demo import quiet
from deployments.timeline import Timeline
from deployments.ways import compare, shown
from flows.border import Done
from schemas.problem import Problem, load_problem
from schemas.stage import ROLLOUT
from schemas.verdict import Outcome
from tasks import ledger, windows
from tasks.figures import keep

__all__ = ["run"]


def run(name: str, *, data: Path | None = None, plain: bool = False) -> Done:
    """Replay `name` from the end of its history to the end of its table, and print what it was worth."""
    began = time.monotonic()
    problem = load_problem(name)
    quiet()
    if data:
        windows.link(problem, data)
    with ExitStack() as stack:
        crank = _crank(stack, plain=plain)
        if problem.framing.timeless:
            from deployments.offline import judge_once

            return judge_once(problem, crank)
        start, end = _replay(problem, crank, plain=plain)
        figures = {"problem": name} | compare(problem, start, end) | {"seconds": round(time.monotonic() - began, 1)}
        lines = list(shown(problem, figures))
        if not plain:
            from flows import replay_story

            replay_story.tell(problem, lines=lines)
    print()
    for line in lines:
        print(line)
    _say_why_none(problem)
    print(f"\nthe same figures: {keep(f'loop-{name}', figures)}\nwhat served when and why: make history PROBLEM={name}")
    return Done(figures)


def _crank(stack: ExitStack, *, plain: bool) -> Callable[[str, datetime], Any]:
    """What turns the crank: the flow on a server of its own, or plain Python."""
    if not plain:
        print("starting the Prefect server ...", flush=True)
        servers.use(stack.enter_context(servers.prefect_server()))
    from flows.lifecycle import lifecycle
    from flows.replay import plain_turn, quick_flows

    stack.enter_context(quick_flows())

    def flow_turn(name: str, now: datetime) -> None:
        time.sleep(0.25)  # a breath between flows: see deployments.demo
        lifecycle(name, now=now)

    return plain_turn if plain else flow_turn


def _replay(problem: Problem, crank: Callable[[str, datetime], Any], *, plain: bool) -> tuple[datetime, datetime]:
    from flows.replay import replay, span
    from flows.replay_story import watched

    first, last = windows.bounds(problem)
    start, end = span(problem, first, last)
    end = max(end, start) - timedelta(days=1) if end > last else end
    timeline = Timeline(first, (end - first).days)
    rows = replay(problem, start=start, end=end, crank=crank)
    for row in rows if plain else watched(problem, rows, start=start, end=end):
        timeline.row(row)
    timeline.close()
    return start, end


def _say_why_none(problem: Problem) -> None:
    """A replay without a promotion says so, with the last reason that kept a challenger from it."""
    from flows.replay import promotions

    if promotions(problem):
        return
    failed = [r for r in ledger.rows(problem.name) if r.facts["before"] in ROLLOUT]
    failed = [r for r in failed if r.facts["outcome"] == Outcome.FAIL]
    why = failed[-1].notes["reason"] if failed else "no challenger was judged in the time that was replayed"
    print(f"\n{problem.name}: no trained model was promoted. The last reason: {why}")
