"""What is trained: a family, its features, its window and its parameters."""

from datetime import timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["FAMILIES", "Recipe", "difference"]

Family = Literal["constant", "linear", "boosting"]
FAMILIES: tuple[Family, ...] = ("constant", "linear", "boosting")  # simplest first


class Recipe(BaseModel):
    """All of what is trained. Two equal recipes on one snapshot with one seed give one model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: Family = "boosting"
    features: tuple[str, ...]
    window: timedelta | None = Field(
        default=None,
        description="How far back training rows reach from the newest matured row; None takes all of them.",
    )
    parameters: dict[str, Any] = Field(default_factory=dict, description="Passed to the estimator as they are.")
    unseen_categories: Literal["accept", "raise"] = Field(
        default="accept", description="What the encoder does with a category that training never saw."
    )

    def simpler(self) -> "list[Recipe]":
        """The same features and window with each simpler family, simplest first, at its own defaults."""
        below = FAMILIES[: FAMILIES.index(self.family)]
        return [self.model_copy(update={"family": family, "parameters": {}}) for family in below]


def difference(old: Recipe, new: Recipe) -> dict[str, tuple[Any, Any]]:
    """Which fields differ, as {field: (old value, new value)}.

    >>> difference(Recipe(features=("a",)), Recipe(features=("a", "b")))
    {'features': (('a',), ('a', 'b'))}
    """
    return {
        name: (getattr(old, name), getattr(new, name))
        for name in Recipe.model_fields
        if getattr(old, name) != getattr(new, name)
    }
