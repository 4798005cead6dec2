"""What do people see of a request of many rows? Its progress while it runs, and what came of it."""

from collections.abc import Mapping
from typing import Any

from prefect.artifacts import create_markdown_artifact

from flows.artifacts import cell, key_of, unharmed
from flows.progress import Bar

__all__ = ["begin_progress", "lines", "markdown", "said", "show_progress", "tell"]

Result = Mapping[str, Any]


def begin_progress(problem: str, request: str) -> Bar:
    """A bar in the UI that `show_progress` moves."""
    return Bar(key_of("score", problem), f"Request {request} of {problem}: no part is done yet.")


def show_progress(bar: Bar, done: int, of: int, rows: int) -> None:
    bar.move(done / of, f"{done:,} of {of:,} parts; {rows:,} rows have their answer.")


def tell(result: Result) -> None:
    with unharmed(f"request {result['request']} is answered, and not shown"):
        create_markdown_artifact(
            key=key_of("scored", result["problem"]), markdown=markdown(result), description=said(result)
        )


def said(result: Result) -> str:
    """What came of it, in one sentence."""
    text = f"{result['scored']:,} of {result['rows']:,} rows have their answer in {result['output']}"
    text += f"; {result['answered_before']:,} of them had one before" if result["answered_before"] else ""
    text += f"; to {result['unanswered']:,} no model gave one" if result["unanswered"] else ""
    return text + (f"; {result['quarantined']:,} are in quarantine" if result["quarantined"] else "")


def lines(result: Result) -> list[str]:
    """The same for a terminal, with who answered, and why rows were not."""
    told = [said(result)]
    told += [f"  {group['rows']:>10,}  {_who(group)}" for group in result["by"]]
    told += [f"  {count:>10,}  in quarantine: {fault}" for fault, count in result["faults"].items()]
    return [*told, f"the route, kept for all of it: {_route(result)}"]


def markdown(result: Result) -> str:
    """One screen: rows, by version, quarantine, where the output lies."""
    text = [
        f"## {result['problem']}: request {result['request']}",
        "",
        f"{said(result)}.",
        "",
        f"All of it was answered under one route: {_route(result)}.",
        "",
        "| version | role | stage | answered by | rows |",
        "|---|---|---|---|---:|",
    ]
    text += [
        f"| {group['version'] or '–'} | {group['role']} | {group['stage']} | {group['answered_by']} | {group['rows']:,} |"
        for group in result["by"]
    ]
    if result["faults"]:
        text += ["", "| in quarantine for | rows |", "|---|---:|"]
        text += [f"| {cell(fault)} | {count:,} |" for fault, count in result["faults"].items()]
        text += ["", *(f"- `{file}`" for file in result["quarantine"])]
    text += ["", f"Output: `{result['output']}`, {len(result['parts']):,} parts and `_manifest.json`."]
    return "\n".join(text) + "\n"


def _route(result: Result) -> str:
    route = result["route"]
    text = f"{route['stage']}, epoch {route['epoch']}, champion version {route['champion']['version']}"
    if route["challenger"]:
        text += f", challenger version {route['challenger']['version']} with a share of {route['share']:.0%}"
    return text


def _who(group: Mapping[str, Any]) -> str:
    version = f" (version {group['version']})" if group["version"] else ""
    return f"{group['role']}{version} in {group['stage']}, answered by {group['answered_by']}"
