"""What would the contract in the working file change, beside the one the ledger recorded last?"""

from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import pandera.pandas as pa

from schemas.errors import PerennialError
from schemas.problem import Problem, load_problem
from tasks import contract_history, engine_contracts, ledger, windows
from tasks.contract_changes import Change, changes, plain, rebuilt

__all__ = ["contract_figures", "contract_lines"]

_WINDOWS = 4  # monitoring windows on which the effect is shown: a month, by default
_NO_EFFECTS: dict[str, Any] = {"not_asked": [], "windows": []}


def contract_figures(name: str, *, now: datetime | None = None) -> dict[str, Any]:
    """Each change, and for each of the newest windows the rows that either contract refuses; `known` is false where no earlier
    contract was kept, and `table` says where none is."""
    problem = load_problem(name)
    recorded = ledger.state_of(name).rules
    before = contract_history.recall(problem, recorded)
    found = [] if before is None else changes(before, plain(problem.contract))
    there = windows.available(problem)
    said = {
        "problem": name,
        "recorded": recorded,
        "working": problem.rules(),
        "known": before is not None,
        "changes": [asdict(one) for one in found],
        "table": "" if there else str(windows.locate(problem)),
    }
    effects = _effects(problem, before, now) if before is not None and found and there else _NO_EFFECTS
    return said | effects


def contract_lines(said: dict[str, Any]) -> Iterator[str]:
    """The figures as lines for a terminal."""
    name, recorded, working = said["problem"], said["recorded"], said["working"]
    if not said["known"]:
        why = f"{recorded[:12]} was recorded before contracts were kept" if recorded else "the ledger has recorded none"
        yield f"no earlier contract of {name} to compare with: {why}. The next turn records this one, {working[:12]}."
        return
    yield f"contract of {name}: recorded {recorded[:12]}, in the working file {working[:12]}"
    if not said["changes"]:
        yield f"  no column differs{'' if recorded == working else '; what differs is the framing'}"
        return
    yield from (str(Change(**one)) for one in said["changes"])
    if said["table"]:
        yield f"its effect is not known: there is no table at {said['table']}"
        return
    if said["not_asked"]:
        yield f"not asked again, since they are functions of your own: {', '.join(said['not_asked'])}"
    yield "rows refused, by the recorded contract → by the working file's:"
    for one in said["windows"]:
        yield f"  {one['start'][:10]} to {one['end'][:10]}: {_told(one['recorded'])} → {_told(one['working'])}"


def _effects(problem: Problem, before: dict[str, Any], now: datetime | None) -> dict[str, Any]:
    old, lost = rebuilt(before)
    end, span = now or windows.bounds(problem)[1], problem.monitoring.window
    found = []
    for back in range(_WINDOWS, 0, -1):
        start, until = end - back * span, end - (back - 1) * span
        table = windows.window_table(problem, start, until, as_of=start)
        sides = {
            "recorded": _refused(problem, old, table),
            "working": _refused(problem, problem.contract, table),
        }
        found.append({"start": start.isoformat(), "end": until.isoformat(), **sides})
    return {"not_asked": list(lost), "windows": found}


def _refused(problem: Problem, contract: pa.DataFrameSchema, table: Any) -> dict[str, Any]:
    """Rows, how many are refused and for what most; None of them counted where all are, with the reason."""
    try:
        checked = engine_contracts.check_table(replace(problem, contract=contract), table)
    except (PerennialError, ValueError) as error:
        return {"rows": None, "refused": None, "worst": str(error)[:160]}
    worst = max(checked.counts, key=lambda what: checked.counts[what], default="")
    return {"rows": checked.rows, "refused": checked.bad_rows, "worst": worst[:80]}


def _told(side: dict[str, Any]) -> str:
    if side["rows"] is None:
        return f"all of them ({side['worst']})"
    return f"{side['refused']:,} of {side['rows']:,}" + (f" ({side['worst']})" if side["worst"] else "")
