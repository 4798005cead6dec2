"""What was measured of a model on a cohort of rows, and when was it known?"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

__all__ = ["Figure", "FigureKind"]

# realised: all labels of the cohort are due. partly matured: some are, and each counts for those still under way.
# expected: none is, and the relation between inputs and label is taken to be what it was. served: needs no label.
FigureKind = Literal["realised", "partly matured", "expected", "served"]


@dataclass(frozen=True)
class Figure:
    """One figure of one cohort. `low` and `high` are the ends of a 95 % interval; None where none can be given."""

    kind: FigureKind
    metric: str
    start: datetime
    end: datetime
    model: str  # sha256 of the model that it is about
    rows: int
    value: float
    low: float | None = None
    high: float | None = None
    note: str = ""  # what has to be said beside it
    known_at: datetime | None = None  # the moment whose knowledge it is

    @property
    def interval(self) -> str:
        """The value with its interval, as people read it."""
        if self.low is None or self.high is None:
            return f"{self.value:.4g}"
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"
