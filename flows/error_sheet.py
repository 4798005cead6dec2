"""Which judged rows does the model get most wrong, for people to look at? Never a row that a retrain is held out for."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from flows.label_room import suspicion
from flows.out_of_sample import Unseen
from flows.pictures import decided
from flows.weak_slices import members
from schemas.diagnosis import Slice, Wrong

__all__ = ["MASKED", "error_sheet"]

MASKED = "•••"
_SHOWN = 80  # the field looks at 50 to 100
_LONGEST = 200  # characters of a value


def error_sheet(judged: Unseen, slices: Sequence[Slice], *, shown: int = _SHOWN) -> tuple[Wrong, ...]:
    """The judged rows with the highest loss, the worst first; personal columns are masked, and a key that is personal gives
    way to the row's place among the judged. Rows without any loss are not wrong, and are left out."""
    problem, framing = judged.fit.problem, judged.fit.problem.framing
    worst = [int(i) for i in np.argsort(-judged.loss, kind="stable")[:shown] if judged.loss[i] > 0]
    doubt = np.clip(suspicion(judged.score, judged.label, framing), 0, 1)
    said = decided(judged.score, framing, judged)
    shown_rows = judged.rows.iloc[worst]
    inside = {one.name: members(shown_rows, one) for one in slices}
    key, label = shown_rows[framing.key].astype(str).tolist(), shown_rows[framing.target].tolist()
    features = judged.fit.recipe.features
    values = zip(*(shown_rows[name].tolist() for name in features), strict=True)
    personal = problem.personal  # read from the contract each time it is asked
    return tuple(
        Wrong(
            key=f"row {i}" if framing.key in personal else key[n],
            label=_masked(personal, framing.target, label[n]),
            said=_said(framing.classes, judged.score[i], said[i]),
            loss=float(judged.loss[i]),
            suspect=float(doubt[i]),
            slices=tuple(name for name, of in inside.items() if of[n]),
            values={name: _masked(personal, name, one) for name, one in zip(features, row, strict=True)},
        )
        for n, (i, row) in enumerate(zip(worst, values, strict=True))
    )


def _said(classes: Sequence[Any], score: Any, decision: float) -> str:
    """The decision, with the score it rests on."""
    if np.ndim(score) == 1:
        return f"{classes[int(decision)]} ({float(np.max(score)):.3f})"
    return f"{float(score):.4g}" if score == decision else f"{int(decision)} ({float(score):.3f})"


def _masked(personal: frozenset[str], name: str, value: Any) -> str:
    if name in personal:
        return MASKED
    return "" if pd.isna(value) else (f"{value:.6g}" if isinstance(value, float) else str(value)[:_LONGEST])
