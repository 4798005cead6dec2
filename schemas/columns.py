"""What is a contract's column besides its type: when is it known, is it personal, who answers for it, what does it cost?"""

from datetime import timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["About", "about", "about_of"]

_KEY = "perennial"


class About(BaseModel):
    """Said in a contract as `pa.Column(..., metadata=about(known="with the label", owner="risk"))`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    known: Literal["at event", "with delay", "with the label"] = "at event"
    known_at: str | None = Field(default=None, description="With delay: the column that says when it was filled in.")
    delay: timedelta | None = Field(default=None, description="With delay, where no column says: this long after.")
    personal: bool = Field(default=False, description="Masked wherever rows are shown.")
    owner: str = Field(default="", description="Who is asked when it is wrong.")
    cost: float = Field(default=0.0, ge=0, description="What a value costs, in the framing's currency.")

    @model_validator(mode="after")
    def _says_when(self) -> "About":
        late = self.known == "with delay"
        if late != ((self.known_at is None) != (self.delay is None)) or (
            not late and (self.known_at or self.delay is not None)
        ):
            raise ValueError(
                f"a column known {self.known!r} has known_at={self.known_at!r} and delay={self.delay!r}; a column known "
                "'with delay' names one of the two, any other neither."
            )
        if self.delay is not None and self.delay <= timedelta(0):
            raise ValueError(f"a delay of {self.delay} is none: leave `known` at 'at event'.")
        return self


def about(**fields: Any) -> dict[str, About]:
    """The metadata of a pandera column."""
    return {_KEY: About(**fields)}


def about_of(column: Any) -> About:
    """What a contract says of a pandera column; by default it is known at the event, and no one's in particular."""
    return (column.metadata or {}).get(_KEY) or About()
