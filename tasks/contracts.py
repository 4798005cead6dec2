"""Do these rows keep the contract? Bad rows go to quarantine with their reasons; none is ever lost."""

import os
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.config import ValidationDepth, get_config_context

from schemas.errors import PerennialError
from schemas.problem import Problem
from schemas.settings import Settings

__all__ = ["BrokenContractError", "Checked", "check", "quarantine"]


class BrokenContractError(PerennialError, ValueError):
    """A batch, or the environment, cannot be trusted as it is."""


@dataclass(frozen=True)
class Checked:
    """A frame split by its contract: `len(valid) + len(bad) == rows`, always."""

    valid: pd.DataFrame
    bad: pd.DataFrame
    reasons: pd.Series  # of the bad rows: which column broke which rule, never a value
    counts: dict[str, int]

    @property
    def rows(self) -> int:
        return len(self.valid) + len(self.bad)

    @property
    def bad_share(self) -> float:
        return len(self.bad) / self.rows if self.rows else 0.0


def check(problem: Problem, frame: pd.DataFrame) -> Checked:
    """Hold every row to the contract. A rule that names no row (a missing column, a wrong type) refuses the batch."""
    if os.environ.get("PANDERA_VALIDATION_ENABLED", "true").lower() in {"false", "0", "no"}:
        raise BrokenContractError("PANDERA_VALIDATION_ENABLED switches every contract off; unset it and run again.")
    config = get_config_context()
    if not config.validation_enabled or config.validation_depth is ValidationDepth.SCHEMA_ONLY:
        raise BrokenContractError(
            "pandera is set to look at no row (PANDERA_VALIDATION_ENABLED, PANDERA_VALIDATION_DEPTH); unset it and run again."
        )
    # pandera's own drop_invalid_rows drops good rows under duplicate index labels: positions are ours.
    frame = frame.reset_index(drop=True)
    reasons = np.full(len(frame), "", dtype=object)
    counts: dict[str, int] = {}
    if len(frame):
        for column, rule, position in _failures(problem, frame):
            what = f"{column}: {rule}"
            counts[what] = counts.get(what, 0) + 1
            reasons[position] = f"{reasons[position]}; {what}" if reasons[position] else what
    duplicated = frame[problem.framing.key].duplicated().to_numpy()
    if duplicated.any():
        counts[f"{problem.framing.key}: duplicated"] = int(duplicated.sum())
        reasons[duplicated] = f"{problem.framing.key}: duplicated"
    bad = reasons != ""
    checked = Checked(
        frame[~bad].reset_index(drop=True),
        frame[bad].reset_index(drop=True),
        pd.Series(reasons[bad], dtype=str),
        counts,
    )
    assert checked.rows == len(frame), "a row was lost between contract and quarantine"
    return checked


def quarantine(problem: Problem, checked: Checked, *, start: datetime, end: datetime) -> str | None:
    """Keep the bad rows with their reasons, and return where; the same window writes the same file."""
    if not len(checked.bad):
        return None
    folder = Settings().root / "quarantine" / problem.name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{start:%Y%m%dT%H%M%S}-{end:%Y%m%dT%H%M%S}.parquet"
    checked.bad.assign(reason=checked.reasons.to_numpy()).to_parquet(path, index=False)
    return str(path)


def _failures(problem: Problem, frame: pd.DataFrame) -> list[tuple[str, str, int]]:
    try:
        problem.contract.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        failed = errors.failure_cases
    else:
        return []
    whole = failed[failed["index"].isna()]
    if len(whole):
        # The error's own text can reach 40 MB and quotes data: say which rules broke, and no more.
        broken = sorted({f"{row.column or row.failure_case}: {row.check}" for row in whole.itertuples()})
        raise BrokenContractError(
            f"the table of {problem.name!r} breaks its contract as a whole ({'; '.join(broken[:5])}). "
            f"Mend the table, or change the contract in schemas/problems/{problem.name}.py."
        )
    return [
        (str(row.column), str(row.check), int(row.position))
        for row in failed.rename(columns={"index": "position"}).itertuples()
    ]
