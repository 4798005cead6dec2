"""Which contracts did this problem have? Each is kept as plain data beside the hash that the ledger recorded."""

import json
import os
from typing import Any

from schemas.problem import Problem
from schemas.settings import Settings
from tasks.contract_changes import plain

__all__ = ["keep", "recall"]


def keep(problem: Problem) -> None:
    """Write the contract under the hash of the problem's rules, once."""
    path = Settings().root / "contracts" / problem.name / f"{problem.rules()}.json"
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(plain(problem.contract), indent=1) + "\n")
    partial.replace(path)


def recall(problem: Problem, rules: str) -> dict[str, Any] | None:
    """The contract that had this hash; None where it was not kept."""
    path = Settings().root / "contracts" / problem.name / f"{rules}.json"
    return json.loads(path.read_text()) if rules and path.exists() else None
