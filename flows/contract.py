"""What would the contract in the working file change, beside the one the ledger recorded last?"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import pandera.pandas as pa

from schemas.errors import PerennialError
from schemas.problem import Problem, load_problem
from tasks import contract_history, engine_contracts, ledger, windows
from tasks.contract_changes import changes, plain, rebuilt

__all__ = ["contract_report"]

_WINDOWS = 4  # monitoring windows on which the effect is shown: a month, by default


def contract_report(name: str, *, now: datetime | None = None) -> Iterator[str]:
    """Lines for a terminal: each change, then for each of the newest windows the rows that either contract refuses."""
    problem = load_problem(name)
    state = ledger.state_of(name)
    before = contract_history.recall(problem, state.rules)
    if before is None:
        said = (
            "the ledger has recorded none"
            if not state.rules
            else f"{state.rules[:12]} was recorded before contracts were kept"
        )
        yield f"no earlier contract of {name} to compare with: {said}. The next turn records this one, {problem.rules()[:12]}."
        return
    found = changes(before, plain(problem.contract))
    yield f"contract of {name}: recorded {state.rules[:12]}, in the working file {problem.rules()[:12]}"
    if not found:
        other = "" if state.rules == problem.rules() else "; what differs is the framing"
        yield f"  no column differs{other}"
        return
    yield from map(str, found)
    yield from _effects(problem, before, now)


def _effects(problem: Problem, before: dict[str, Any], now: datetime | None) -> Iterator[str]:
    if not windows.available(problem):
        yield f"its effect is not known: there is no table at {windows.locate(problem)}"
        return
    old, lost = rebuilt(before)
    if lost:
        yield f"not asked again, since they are functions of your own: {', '.join(lost)}"
    end, span = now or windows.bounds(problem)[1], problem.monitoring.window
    yield "rows refused, by the recorded contract → by the working file's:"
    for back in range(_WINDOWS, 0, -1):
        start, until = end - back * span, end - (back - 1) * span
        table = windows.window_table(problem, start, until, as_of=start)
        sides = [_refused(problem, contract, table) for contract in (old, problem.contract)]
        yield f"  {start:%Y-%m-%d} to {until:%Y-%m-%d}: {sides[0]} → {sides[1]}"


def _refused(problem: Problem, contract: pa.DataFrameSchema, table: Any) -> str:
    try:
        checked = engine_contracts.check_table(replace(problem, contract=contract), table)
    except (PerennialError, ValueError) as error:
        return f"all of them ({str(error)[:160]})"
    worst = max(checked.counts, key=lambda what: checked.counts[what], default="")
    return f"{checked.bad_rows:,} of {checked.rows:,}" + (f" ({worst[:80]})" if worst else "")
