"""Do the features that a model is asked with equal those it would be trained on? The same keys, sent and computed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["Difference", "Equality", "compared"]


@dataclass(frozen=True)
class Difference:
    """One column: on which share of the rows what was sent is not what was computed."""

    column: str
    share: float
    ratio: float  # median of sent over computed where they differ; nan of texts and times. 100 is a change of unit.


@dataclass(frozen=True)
class Equality:
    """`rows` were found in the table by their key, of `asked` that were sent."""

    rows: int
    asked: int
    differences: tuple[Difference, ...]  # a column each, the worst first


def compared(
    served: pd.DataFrame, computed: pd.DataFrame, columns: Sequence[str], *, key: str, tolerance: float = 1e-6
) -> Equality:
    """Hold the rows that were served against the same keys as computed from the table.

    `served` has its key as text in `served_key`. Numbers differ when they are further apart than `tolerance`, relative to the
    computed one. A column that no row was sent with is left out: a client need not send what its model does not read.
    """
    keyed = computed.assign(_key=[_text(value) for value in computed[key]]).drop_duplicates("_key").set_index("_key")
    found = served[served["served_key"].isin(keyed.index)]
    beside = keyed.loc[found["served_key"]]
    sent = [name for name in columns if name in served.columns and found[name].notna().any()]
    each = [_difference(name, found[name], beside[name], tolerance) for name in sent]
    return Equality(len(found), len(served), tuple(sorted(each, key=lambda one: (-one.share, one.column))))


def _difference(name: str, sent: pd.Series, computed: pd.Series, tolerance: float) -> Difference:
    missing = sent.isna().to_numpy(), computed.isna().to_numpy()
    apart = missing[0] != missing[1]
    there = ~(missing[0] | missing[1])
    ratio = np.nan
    if pd.api.types.is_numeric_dtype(computed):
        a, b = sent.to_numpy(dtype=float)[there], computed.to_numpy(dtype=float, na_value=np.nan)[there]
        differs = np.abs(a - b) > tolerance * np.maximum(np.abs(b), 1e-9)
        divided = differs & (b != 0)
        ratio = float(np.median(a[divided] / b[divided])) if divided.any() else np.nan
    elif pd.api.types.is_datetime64_any_dtype(computed):
        times = pd.to_datetime(sent[there], utc=True, format="ISO8601" if sent.dtype == object else None)
        differs = times.to_numpy() != pd.to_datetime(computed[there], utc=True).to_numpy()
    else:
        differs = sent[there].astype(str).to_numpy() != computed[there].astype(str).to_numpy()
    apart[there] = differs
    return Difference(name, float(apart.mean()) if len(apart) else 0.0, ratio)


def _text(value: object) -> str:
    """A key as the log writes it."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
