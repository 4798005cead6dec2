"""Do these rows keep the contract? Bad rows go to quarantine with their reasons; none is ever lost."""

import copy
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.config import ValidationDepth, get_config_context

from schemas.errors import PerennialError
from schemas.problem import Problem
from schemas.settings import Settings
from tasks.values import EXACT

__all__ = [
    "BrokenContractError",
    "Checked",
    "check",
    "kept_file",
    "quarantine",
    "quarantine_part",
    "refuse_if_switched_off",
    "refuse_if_whole",
    "sample_of",
    "strict",
]

MASKED = "•••"
_SAID, _LENGTH = 5, 120  # rules that an error names, and letters of each: one screen, whatever the contract


class BrokenContractError(PerennialError, ValueError):
    """A batch, or the environment, cannot be trusted as it is."""


@dataclass(frozen=True)
class Checked:
    """A frame split by its contract: `len(valid) + len(bad) == rows`, always."""

    valid: pd.DataFrame
    bad: pd.DataFrame
    reasons: pd.Series  # of the bad rows: which column broke which rule, never a value
    counts: dict[str, int]
    positions: np.ndarray = field(
        default_factory=lambda: np.array([], dtype=int)
    )  # of the bad rows, in the frame given
    missing: dict[str, float] = field(default_factory=dict)  # share of null a column; of no rows, nothing
    extra: tuple[str, ...] = ()  # columns the contract does not know: noted, and no fault
    personal: frozenset[str] = frozenset()

    @property
    def rows(self) -> int:
        return len(self.valid) + len(self.bad)

    @property
    def bad_rows(self) -> int:
        return len(self.bad)

    @property
    def bad_share(self) -> float:
        return len(self.bad) / self.rows if self.rows else 0.0

    def some_bad(self, n: int) -> pd.DataFrame:
        """At most `n` bad rows with their reasons, unmasked."""
        return self.bad.head(n).assign(reason=self.reasons.head(n).to_numpy())


def check(problem: Problem, frame: pd.DataFrame) -> Checked:
    """Hold every row to the contract. A rule that names no row (a missing column, a wrong type) refuses the batch.

    Beyond pandera, infinity in a column of real numbers breaks the rule `finite`. Of valid rows with one key the first stays.
    """
    refuse_if_switched_off()
    # pandera's own drop_invalid_rows drops good rows under duplicate index labels: positions are ours.
    frame = frame.reset_index(drop=True)
    contract, frame, restored = _fitted(strict(problem.contract), frame)
    reasons = np.full(len(frame), "", dtype=object)
    counts: dict[str, int] = {}
    for what, positions in _broken(problem, contract, frame):
        counts[what] = counts.get(what, 0) + len(positions)
        reasons[positions] = [f"{said}; {what}" if said else what for said in reasons[positions]]
    bad = reasons != ""
    texts = [name for name, column in contract.columns.items() if name in frame and frame[name].dtype == object]
    restored |= {
        name: "str" for name in texts if isinstance(getattr(contract.columns[name].dtype, "type", None), pd.StringDtype)
    }
    checked = Checked(
        frame[~bad].reset_index(drop=True).astype(restored),
        frame[bad].reset_index(drop=True),
        pd.Series(reasons[bad], dtype=str),
        counts,
        np.flatnonzero(bad),
        {name: float(frame[name].isna().mean()) for name in contract.columns if len(frame) and name in frame},
        tuple(str(name) for name in frame.columns if name not in contract.columns),
        problem.personal,
    )
    assert checked.rows == len(frame), "a row was lost between contract and quarantine"
    return checked


def refuse_if_switched_off() -> None:
    """Nothing is checked, and so nothing may pass, while pandera is told to look away."""
    if os.environ.get("PANDERA_VALIDATION_ENABLED", "true").lower() in {"false", "0", "no"}:
        raise BrokenContractError("PANDERA_VALIDATION_ENABLED switches every contract off; unset it and run again.")
    config = get_config_context()
    if not config.validation_enabled or config.validation_depth is ValidationDepth.SCHEMA_ONLY:
        raise BrokenContractError(
            "pandera is set to look at no row (PANDERA_VALIDATION_ENABLED, PANDERA_VALIDATION_DEPTH); unset it and run again."
        )


def strict(contract: pa.DataFrameSchema) -> pa.DataFrameSchema:
    """The contract without what makes pandera change, drop or pass over rows instead of naming them."""
    columns = list(contract.columns.values())
    soft = contract.drop_invalid_rows or contract.coerce or contract.parsers
    soft = soft or any(c.drop_invalid_rows or c.coerce or c.parsers or c.default is not None for c in columns)
    if not soft and all(rule.n_failure_cases is None for part in (contract, *columns) for rule in part.checks):
        return contract
    contract = copy.deepcopy(contract)
    for part in (contract, *contract.columns.values()):
        part.drop_invalid_rows, part.coerce, part.parsers = False, False, []
        for rule in part.checks:
            rule.n_failure_cases = None
    for column in contract.columns.values():
        column.default = None
    return contract


def refuse_if_whole(problem: Problem, contract: pa.DataFrameSchema, frame: pd.DataFrame) -> pd.DataFrame:
    """The failures of single rows, by pandera's columns; a rule that names no row is a fault of the whole table."""
    try:
        contract.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        failed = errors.failure_cases
    else:
        return pd.DataFrame({"column": [], "check": [], "index": []})
    whole = failed[failed["index"].isna() | _is_retyped(failed, frame)]
    if len(whole):
        # The error's own text can reach 40 MB and quotes data: say which rules broke, and no more. Of a column of another
        # type nothing else is worth saying.
        said = {(_where(row.column, row.check, row.failure_case), _rule(row.check)) for row in whole.itertuples()}
        retyped = {where for where, rule in said if rule.startswith("dtype(")}
        broken = sorted(f"{where}: {rule}" for where, rule in said if rule.startswith("dtype(") or where not in retyped)
        more = f"; and {len(broken) - _SAID} more" if len(broken) > _SAID else ""
        raise BrokenContractError(
            f"the table of {problem.name!r} breaks its contract as a whole ({'; '.join(broken[:_SAID])}{more}). "
            f"Mend the table, or change the contract in schemas/problems/{problem.name}.py."
        )
    return failed


def quarantine(problem: Problem, checked: Checked, *, start: datetime, end: datetime) -> str | None:
    """Keep the bad rows with their reasons, and return where; the same window writes the same file."""
    if not len(checked.bad):
        return None
    path = kept_file(problem, start=start, end=end)
    _put(checked.bad.assign(reason=checked.reasons.to_numpy()), path)
    return str(path)


def quarantine_part(problem: Problem, bad: pd.DataFrame, *, request: str, part: int) -> str | None:
    """Keep the bad rows (the last column says why) of a part of a request, and return where; done again, the same file."""
    if not len(bad):
        return None
    path = _kept(problem) / f"score-{request}-{part:05d}.parquet"
    _put(bad, path)
    return str(path)


def kept_file(problem: Problem, *, start: datetime, end: datetime) -> Path:
    """Where the bad rows of a window are kept, in a folder that nobody else reads."""
    return _kept(problem) / f"{start:%Y%m%dT%H%M%S}-{end:%Y%m%dT%H%M%S}.parquet"


def _kept(problem: Problem) -> Path:
    folder = Settings().root / "quarantine" / problem.name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _put(bad: pd.DataFrame, path: Path) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.touch(mode=0o600)
        bad.to_parquet(partial, index=False)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)  # on a full disk it would be what fills it


def sample_of(checked: Checked, n: int = 10) -> pd.DataFrame:
    """At most `n` bad rows with their reasons, for people to look at: personal columns are masked, null stays null."""
    shown = checked.some_bad(n)
    for name in checked.personal & set(shown.columns):
        shown[name] = shown[name].astype(object).where(shown[name].isna(), MASKED)
    return shown


def _broken(problem: Problem, contract: pa.DataFrameSchema, frame: pd.DataFrame) -> Iterable[tuple[str, np.ndarray]]:
    """Each broken rule with the positions of the rows that break it."""
    if not len(frame):
        return
    failed = refuse_if_whole(problem, contract, frame)
    good = np.ones(len(frame), dtype=bool)
    for (column, rule), cases in failed.groupby(["column", "check"], sort=False):
        positions = np.unique(cases["index"].to_numpy(dtype=int))
        good[positions] = False
        yield f"{column}: {rule}", positions
    for name, column in contract.columns.items():
        if name in frame and pd.api.types.is_float_dtype(frame[name]):
            infinite = np.isinf(frame[name].to_numpy(dtype=float, na_value=np.nan))
            good &= ~infinite
            if infinite.any():
                yield f"{name}: finite", np.flatnonzero(infinite)
        if name == problem.framing.key and column.nullable and frame[name].isna().any():
            good &= frame[name].notna().to_numpy()
            yield f"{name}: not_nullable", np.flatnonzero(frame[name].isna())
    valid = np.flatnonzero(good)
    duplicated = valid[frame[problem.framing.key].iloc[valid].duplicated().to_numpy()]
    if len(duplicated):
        yield f"{problem.framing.key}: duplicated", duplicated


def _fitted(
    contract: pa.DataFrameSchema, frame: pd.DataFrame
) -> tuple[pa.DataFrameSchema, pd.DataFrame, dict[str, str]]:
    """The contract as this frame can be held to it, the frame as it can be, and the dtypes its valid rows get back.

    pandas has no null among whole numbers or booleans, and makes floats or objects of the whole column: one row without a
    value is no reason to refuse the others. A column of nulls alone has no type of its own.
    """
    restored, empty = {}, {}
    for name, column in contract.columns.items():
        dtype = getattr(contract.dtype or column.dtype, "type", None)
        if name not in frame or dtype is None or not frame[name].hasnans:
            continue
        whole = isinstance(dtype, np.dtype) and dtype.kind in "iub"
        if frame[name].isna().all():
            empty[name] = "float64" if whole else dtype
        if whole and (name in empty or _only_lacks(frame[name], dtype)):
            restored[name] = str(dtype)
            contract = contract.update_column(name, dtype=str(empty.get(name, frame[name].dtype)), nullable=False)
    return contract, frame.astype(empty) if empty else frame, restored


def _only_lacks(column: pd.Series, dtype: np.dtype) -> bool:
    """Would the column be of `dtype`, did no value lack?"""
    given = column.dropna()
    if dtype.kind in "iu" and column.dtype == np.float64:
        low, high = max(-EXACT, float(np.iinfo(dtype).min)), min(EXACT, float(np.iinfo(dtype).max))
        return bool(((given >= low) & (given <= high) & (given == np.floor(given))).all())
    return dtype.kind == "b" and column.dtype == object and all(type(value) is bool for value in given)


def _is_retyped(failed: pd.DataFrame, frame: pd.DataFrame) -> pd.Series:
    """Of each failure: is it of a column in which not one value has the contract's type? pandera looks at texts one by one."""
    typed = failed["check"].astype(str).str.startswith("dtype(")
    given = {name: int(frame[name].notna().sum()) for name in failed.loc[typed, "column"].unique()}
    times = failed["column"].where(typed).map(failed.loc[typed, "column"].value_counts())
    return typed & (times >= failed["column"].map(given))


def _where(column: object, rule: object, case: object) -> str:
    """The column that a fault of the whole table is about. Only of rules about names is the failing case itself a name."""
    named = str(rule).startswith("column_")
    return str(column) if column is not None and column == column and not named else str(case) if named else "rows"


def _rule(rule: object) -> str:
    said = str(rule)
    return said if len(said) <= _LENGTH else f"{said[:_LENGTH]}..."
