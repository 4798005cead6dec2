"""What changed between two contracts? As plain data, so that one of yesterday can be read and held against rows again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa

from schemas.columns import about_of
from tasks.compiled import is_compiled

__all__ = ["Change", "changes", "plain", "rebuilt"]

Plain = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Change:
    """One difference between two contracts, in words."""

    column: str
    what: str  # added, removed, type, nullable, required, rule, known
    before: str
    after: str

    def __str__(self) -> str:
        if self.what == "added":
            return f"+ {self.column}: {self.after}"
        if self.what == "removed":
            return f"- {self.column}: {self.before}"
        return f"  {self.column}, {self.what}: {self.before or 'none'} → {self.after or 'none'}"


def plain(contract: pa.DataFrameSchema) -> dict[str, dict[str, Any]]:
    """The contract as JSON can carry it: by column its type, whether null and absence are allowed, its rules, when it is known."""
    return {
        name: {
            "dtype": _spelled(contract.dtype or column.dtype),
            "nullable": bool(column.nullable),
            "required": bool(column.required),
            "rules": [_rule(check) for check in column.checks],
            **about_of(column).model_dump(mode="json", include={"known", "personal"}),
        }
        for name, column in contract.columns.items()
    }


def changes(before: Plain, after: Plain) -> list[Change]:
    """Every difference, by column: first those of the contract before, in its order, then columns that are new."""
    found = []
    for name, old in before.items():
        if name not in after:
            found.append(Change(name, "removed", _described(old), ""))
            continue
        new = after[name]
        for what, key in (("type", "dtype"), ("nullable", "nullable"), ("required", "required"), ("known", "known")):
            if old.get(key) != new.get(key):
                found.append(Change(name, what, str(old.get(key)), str(new.get(key))))
        if _says(old) != _says(new):
            found.append(Change(name, "rules", ", ".join(_says(old)), ", ".join(_says(new))))
        if old.get("personal") != new.get("personal"):
            found.append(Change(name, "personal", str(old.get("personal")), str(new.get("personal"))))
    return found + [Change(name, "added", "", _described(new)) for name, new in after.items() if name not in before]


def rebuilt(kept: Plain) -> tuple[pa.DataFrameSchema, list[str]]:
    """The contract that `plain` was made of, and the rules it cannot hold again: functions of a team's own."""
    columns, lost = {}, []
    for name, column in kept.items():
        checks = []
        for rule in column["rules"]:
            if rule["check"] is None:
                lost.append(f"{name}: {rule['says']}")
            else:
                checks.append(getattr(pa.Check, rule["check"])(**{k: _read(v) for k, v in rule["with"].items()}))
        columns[name] = pa.Column(column["dtype"], checks, nullable=column["nullable"], required=column["required"])
    return pa.DataFrameSchema(columns), lost


def _spelled(dtype: Any) -> str:
    return "str" if isinstance(getattr(dtype, "type", None), pd.StringDtype) else str(dtype)


def _rule(check: pa.Check) -> dict[str, Any]:
    says = str(check.error or check.name)
    given = {name: _written(value) for name, value in check._check_kwargs.items()}
    if not is_compiled(check) or any(value is NotImplemented for value in given.values()):
        return {"check": None, "says": says}
    return {"check": check._check_fn.__name__, "with": given, "says": _short(check, given) or says}


def _short(check: pa.Check, given: Mapping[str, Any]) -> str:
    """A set's members in order: pandera's own text has them in any."""
    members = next(iter(given.values())) if check._check_fn.__name__ in ("isin", "notin") else None
    return f"{check._check_fn.__name__}({members})" if members is not None else ""


def _written(value: Any) -> Any:
    """As JSON, or NotImplemented."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, datetime):
        return {"time": value.isoformat()}
    if isinstance(value, set | frozenset | list | tuple):
        return sorted((_written(one) for one in value), key=lambda one: (str(type(one)), str(one)))
    return value if value is None or isinstance(value, str | int | float | bool) else NotImplemented


def _read(value: Any) -> Any:
    return datetime.fromisoformat(value["time"]) if isinstance(value, dict) else value


def _says(column: Mapping[str, Any]) -> list[str]:
    return sorted(rule["says"] for rule in column["rules"])


def _described(column: Mapping[str, Any]) -> str:
    null = "may be null" if column["nullable"] else "never null"
    return ", ".join([str(column["dtype"]), null, *_says(column)])
