"""Which columns are computed from earlier rows of the same table, as they were known at a row's own event time?"""

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["Aggregate", "Feature", "Lag"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(description="The column it becomes; the contract declares it like any other.")
    over: tuple[str, ...] = Field(default=(), description="Whose rows are looked at; () looks at everybody's.")


class Aggregate(_Frozen):
    """What the rows of the `window` before an event say, the event itself and those of the same moment left out.

    A row counts from the moment on at which its value was known: for a label, or another column that is filled in
    later, that is when it was filled in, and the window is over those moments. Half-open: [event time - window, event time).
    """

    window: timedelta = Field(gt=timedelta(0), description="How far back.")
    how: Literal["count", "sum", "mean", "min", "max", "std", "distinct", "last", "share"]
    of: str | None = Field(default=None, description="The column; only a count does without one, and counts rows.")
    value: str | int | float | bool | None = Field(
        default=None, description="A count or a share is of the rows where `of` has this value."
    )

    @property
    def always(self) -> bool:
        """Does it have a value where the window is empty: zero, and not null?"""
        return self.how in ("count", "distinct", "sum")

    @model_validator(mode="after")
    def _says_what_of(self) -> "Aggregate":
        if self.of is None and self.how != "count":
            raise ValueError(f"feature {self.name!r} is the {self.how} of no column; name it: of=...")
        if self.how == "share" and self.value is None:
            raise ValueError(f"feature {self.name!r} is the share of no value; name it: value=...")
        if self.value is not None and (self.how not in ("count", "share") or self.of is None):
            raise ValueError(f"feature {self.name!r}: a value belongs to the count or the share of a column")
        return self


class Lag(_Frozen):
    """The value that `of` had `by` before the event, in the same entity (`over`) or in the same slot of time (`over=()`).

    It is that of the newest row at `event time - by`, or up to `within` before; null where there is none, and where its
    value was not known yet at the event time.
    """

    of: str
    by: timedelta = Field(gt=timedelta(0))
    within: timedelta = Field(default=timedelta(0), ge=timedelta(0), description="How much older the row may be.")

    @property
    def always(self) -> bool:
        return False


Feature = Aggregate | Lag
