"""What is trained: a family, its features, its window and its parameters."""

from datetime import timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["FAMILIES", "Encoding", "Recipe", "Start", "difference"]

Family = Literal["constant", "linear", "sgd", "boosting"]
# Simplest first. `sgd` is a linear model too, found row by row: no simpler one, and none that another is held against.
FAMILIES: tuple[Family, ...] = ("constant", "linear", "boosting")

# What a challenger is made from: rows alone; the champion with its scores re-mapped; the champion, fitted on.
Start = Literal["anew", "recalibrated", "updated"]


# How a column becomes numbers. Numbers stay as they are, texts become codes (boosting) or one column a category (linear), and
# times their parts, unless the recipe says otherwise.
Encoding = Literal["ordinal", "one-hot", "target", "frequency", "text", "date"]


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
    encodings: dict[str, Encoding] = Field(
        default_factory=dict, description="By column; what is not named here is encoded as its type and the family ask."
    )
    interactions: tuple[tuple[str, str], ...] = Field(
        default=(), description="Pairs: the product of numbers, both texts as one category, the days between two times."
    )
    start: Start = Field(
        default="anew",
        description="anew; recalibrated: the champion with its scores re-mapped and its threshold chosen anew on recent matured rows; updated: the champion's partial_fit on rows it has not seen.",
    )
    half_life: timedelta | None = Field(
        default=None, gt=timedelta(0), description="Training rows weigh half as much for each of these they are older."
    )

    relative_to: str | None = Field(
        default=None,
        description="Of a regression: the feature that the target is learned as a ratio to, so that predictions grow with it beyond what training saw; None learns the target itself.",
    )

    @model_validator(mode="after")
    def _starts_from_what_it_can(self) -> "Recipe":
        if self.start == "updated" and self.family != "sgd":
            raise ValueError(f"only the family sgd is updated row by row; the recipe's is {self.family}")
        return self

    @model_validator(mode="after")
    def _names_its_features(self) -> "Recipe":
        named = [self.relative_to] if self.relative_to else []
        named += [*self.encodings, *(name for pair in self.interactions for name in pair)]
        unknown = sorted(set(named) - set(self.features))
        if unknown:
            raise ValueError(f"the recipe encodes or combines {', '.join(unknown)}, which are none of its features")
        blind = sorted(name for name, how in self.encodings.items() if how in ("target", "frequency", "text"))
        if self.unseen_categories == "raise" and blind:
            raise ValueError(
                f"unseen categories cannot raise where the encoding has a number for them: {', '.join(blind)}"
            )
        return self

    def simpler(self) -> "list[Recipe]":
        """The same features and window with each simpler family, simplest first, at its own defaults."""
        if self.start != "anew":  # what is made from the champion is as simple as the champion is
            return []
        below = FAMILIES[: FAMILIES.index("linear" if self.family == "sgd" else self.family)]
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
