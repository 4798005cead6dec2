"""How well were chances and gains foretold? Brier score against its baseline, and realised gain against predicted."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schemas.idea import Tried

__all__ = ["TrackRecord", "track_record"]


@dataclass(frozen=True)
class TrackRecord:
    """What foretelling was worth. Brier scores lie in [0, 1], lower is better; nan where nothing was tried."""

    tried: int
    worked: int
    brier: float
    baseline: float  # Brier score of saying the overall share of gains each time, known only afterwards
    predicted: float  # sum over what was tried of chance x gain, loss a row
    realised: float  # sum of the gains that were shown
    ratio: float  # of what worked: realised over predicted gain; nan where nothing did
    says: str


def track_record(history: Sequence[Tried]) -> TrackRecord:
    """Predicted against realised, over all that was tried."""
    if not history:
        nan = float("nan")
        return TrackRecord(0, 0, nan, nan, 0.0, 0.0, nan, "nothing has been tried yet")
    chance = np.array([one.chance for one in history])
    came = np.array([one.worked for one in history], dtype=float)
    brier, baseline = float(np.mean((chance - came) ** 2)), float(came.mean() * (1 - came.mean()))
    predicted = float(sum(one.chance * one.expected for one in history))
    won = [one for one in history if one.worked and one.gain is not None]
    realised = float(sum(one.gain.estimate for one in won if one.gain is not None))
    promised = sum(one.expected for one in won)
    ratio = realised / promised if promised > 0 else float("nan")
    says = _says(len(history), int(came.sum()), brier, baseline, predicted, realised)
    return TrackRecord(len(history), int(came.sum()), brier, baseline, predicted, realised, ratio, says)


def _says(tried: int, worked: int, brier: float, baseline: float, predicted: float, realised: float) -> str:
    better = "better than" if brier < baseline else "no better than"
    return (
        f"{worked} of {tried} gained; the chances foretold score {brier:.3f} (Brier), {better} the {baseline:.3f} of saying "
        f"their share each time; {predicted:+.4f} a row was expected of them together, and {realised:+.4f} came"
    )
