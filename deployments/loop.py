"""Was renewing worth it? The loop over real history, against a model never renewed and one renewed every four weeks."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deployments import servers
from deployments.demo import quiet
from deployments.timeline import Timeline
from schemas.expectations import LOWER_IS_BETTER
from schemas.framing import Framing
from schemas.problem import Problem, load_problem
from schemas.settings import Settings
from schemas.stage import ROLLOUT
from schemas.verdict import Outcome
from tasks import ledger, predictions, scoring, training, windows
from tasks.figures import keep

__all__ = ["compare", "judged_rows", "run"]

_MONTH, _TRAILING = timedelta(weeks=4), timedelta(weeks=12)


def run(name: str, *, data: Path | None = None, plain: bool = False) -> int:
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
        start, end = _replay(problem, crank)
    figures = compare(problem, start, end) | {"seconds": round(time.monotonic() - began, 1)}
    _show(problem, figures)
    _say_why_none(problem)
    print(f"\nthe same figures: {keep(f'loop-{name}', figures)}\nwhat served when and why: make history PROBLEM={name}")
    return 0


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


def _replay(problem: Problem, crank: Callable[[str, datetime], Any]) -> tuple[datetime, datetime]:
    from flows.replay import replay, span

    first, last = windows.bounds(problem)
    start, end = span(problem, first, last)
    end = max(end, start) - timedelta(days=1) if end > last else end
    timeline = Timeline(first, (end - first).days)
    for row in replay(problem, start=start, end=end, crank=crank):
        timeline.row(row)
    timeline.close()
    return start, end


def compare(problem: Problem, start: datetime, end: datetime) -> dict[str, Any]:
    """The metric of three ways to serve, on the same labelled rows from `start` on, with one recipe."""
    from flows.replay import promotions, retrains

    framing = problem.framing
    rows = judged_rows(problem, start, end)
    served = predictions.served(problem, since=start, until=end)
    served = served.assign(key=served["key"].astype(rows[framing.key].dtype)).set_index("key")
    rows = rows[rows[framing.key].isin(served.index)].reset_index(drop=True)
    turned = sum(row.facts["kind"] == "turn" for row in ledger.rows(problem.name))
    counted = {"retrains": len(retrains(problem)), "promotions": len(promotions(problem)), "turns": turned}
    if rows.empty:
        return {"metric": framing.metric, "rows": 0} | counted
    looped = served.loc[rows[framing.key]]
    ways = {
        "loop": scoring.logged(looped["answer_score"], looped["answer_decision"], framing),
        "frozen": _renewed(problem, rows, start, end, every=None),
        "monthly": _renewed(problem, rows, start, end, every=_MONTH),
    }
    weeks = (rows[framing.event_time] - pd.Timestamp(start)) // pd.Timedelta(weeks=1)
    figures: dict[str, Any] = {"metric": framing.metric, "rows": len(rows)}
    figures |= {name: _metric(said, rows, framing) for name, said in ways.items()}
    figures |= {f"{name}_weekly_mean": _weekly(said, rows, weeks, framing) for name, said in ways.items()}
    gap = figures["monthly"] - figures["frozen"]
    figures["share_of_gap_closed"] = (figures["loop"] - figures["frozen"]) / gap if gap else None
    return figures | counted


def judged_rows(problem: Problem, start: datetime, end: datetime) -> pd.DataFrame:
    """Labelled rows of the time that had matured when the table was taken: of younger ones only the quick labels are in it."""
    framing = problem.framing
    rows = windows.read_window(problem, start, end, as_of=end + framing.maturity)
    matured = rows[framing.event_time] <= windows.taken(problem) - framing.maturity
    return rows[matured & rows[framing.target].notna()]


def _renewed(
    problem: Problem, rows: pd.DataFrame, start: datetime, end: datetime, *, every: timedelta | None
) -> scoring.Scores:
    """Scores of a model put straight into service: trained at `start`, and again `every` so often, on a trailing window."""
    framing, times = problem.framing, rows[problem.framing.event_time]
    parts: list[scoring.Scores] = []
    at = start
    while at < end:
        until = min(at + every, end) if every else end
        asked = rows[(times >= at) & (times < until)]
        if len(asked):  # a season may be a month without rows
            parts.append(scoring.score(_trained(problem, at), asked, framing))
        at = until
    return scoring.Scores(np.concatenate([p.score for p in parts]), np.concatenate([p.decision for p in parts]))


def _trained(problem: Problem, at: datetime) -> Any:
    """The recipe on what a trailing twelve weeks had labelled, or on all that had been where that is less than a retrain
    asks for; the naive baseline where even that holds nothing to tell apart."""
    framing = problem.framing
    first = windows.bounds(problem)[0]
    for since in (at - max(_TRAILING, framing.maturity + _MONTH), first):
        known = windows.read_window(problem, since, at - framing.maturity, as_of=at)
        known = known[known[framing.target].notna()]
        if len(known) >= problem.retraining.train_rows:
            break
    if known[framing.target].nunique() < 2:
        return training.naive_baseline(framing, known, problem.recipe.features)
    return training.fit(problem.recipe, framing, known, seed=Settings().seed)


def _metric(said: scoring.Scores, rows: pd.DataFrame, framing: Framing) -> float:
    return training.measure(said, rows[framing.target].to_numpy(), framing)[framing.metric]


def _weekly(said: scoring.Scores, rows: pd.DataFrame, weeks: pd.Series, framing: Framing) -> float:
    """Mean of the metric week by week; a week in which it is undefined is left out."""

    def of(where: np.ndarray) -> float:
        return _metric(scoring.Scores(said.score[where], said.decision[where]), rows[where], framing)

    found = [of((weeks == week).to_numpy()) for week in sorted(weeks.unique())]
    return float(np.nanmean(found))


def _show(problem: Problem, figures: dict[str, Any]) -> None:
    metric = figures["metric"]
    if not figures["rows"]:
        print(f"\n{problem.name}: no row that was answered has a matured label, so there is nothing to compare")
        return
    line: Callable[[str, str], str] = lambda name, about: (  # noqa: E731  (three lines of one table)
        f"  {name:<8} {figures[name]:>9.4f} {figures[f'{name}_weekly_mean']:>12.4f}   {about}"
    )
    print(f"\n{problem.name}: {metric} on {figures['rows']:,} labelled rows")
    print(f"  {'':<8} {'pooled':>9} {'weekly mean':>12}")
    print(line("loop", f"{figures['retrains']} retrains, {figures['promotions']} promotions, {figures['turns']} turns"))
    print(line("frozen", "trained once, never again"))
    print(line("monthly", "retrained every four weeks on a trailing twelve, straight into service"))
    gain = figures["monthly"] - figures["frozen"]
    # Where a retrain every month gained nothing there is no gap, and a share of it would be a number without a meaning.
    if (-gain if metric in LOWER_IS_BETTER else gain) > 0:
        print(f"  the loop closes {figures['share_of_gap_closed']:.0%} of the gap between frozen and monthly")


def _say_why_none(problem: Problem) -> None:
    """A replay without a promotion says so, with the last reason that kept a challenger from it."""
    from flows.replay import promotions

    if promotions(problem):
        return
    failed = [r for r in ledger.rows(problem.name) if r.facts["before"] in ROLLOUT]
    failed = [r for r in failed if r.facts["outcome"] == Outcome.FAIL]
    why = failed[-1].notes["reason"] if failed else "no challenger was judged in the time that was replayed"
    print(f"\n{problem.name}: no trained model was promoted. The last reason: {why}")
