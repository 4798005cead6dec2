"""What is trained: a family, its features, its rows, its parameters, and what becomes of its scores."""

from datetime import timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["FAMILIES", "READABLE", "Encoding", "Family", "Recipe", "Start", "changed", "difference"]

Family = Literal["constant", "linear", "sgd", "tree", "neighbours", "forest", "boosting", "own"]
# Simplest first, as a person counts: what can be read as a whole, what can be shown by examples, what can only be asked.
FAMILIES: tuple[Family, ...] = ("constant", "linear", "sgd", "tree", "neighbours", "forest", "boosting", "own")
READABLE: frozenset[Family] = frozenset({"constant", "linear", "sgd", "tree"})
# What every other family is held against before it is promoted. Two, not all that are simpler: each costs a fit a retrain,
# and what a tree or neighbours know that neither of these does is worth having whatever it is called.
_YARDSTICKS: tuple[Family, ...] = ("constant", "linear")

# What a challenger is made from: rows alone; the champion with its scores re-mapped; the champion, fitted on.
Start = Literal["anew", "recalibrated", "updated"]


# How a column becomes numbers. Numbers stay as they are, texts become codes (boosting) or one column a category (linear), and
# times their parts, unless the recipe says otherwise.
Encoding = Literal["ordinal", "one-hot", "target", "frequency", "text", "date"]


class Recipe(BaseModel):
    """All of what is trained. Two equal recipes on one snapshot with one seed give one model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: Family = "boosting"
    estimator: str | None = Field(
        default=None,
        pattern=r"^(schemas\.problems|sklearn)(\.\w+)+:\w+$",
        description="Of the family own: a scikit-learn compatible class, as schemas.problems.churn:MyEstimator or sklearn.naive_bayes:GaussianNB. Code of this repository or of scikit-learn, and no other: its models are brought to life wherever they are loaded.",
    )
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
    vocabulary: int = Field(
        default=500, ge=10, description="Of a text: its most frequent words, so many, that become numbers."
    )
    ngrams: int = Field(
        default=1, ge=1, le=3, description="Of a text: so many words in a row count as one as well; 2 reads pairs."
    )
    start: Start = Field(
        default="anew",
        description="anew; recalibrated: the champion with its scores re-mapped and its threshold chosen anew on recent matured rows; updated: the champion's partial_fit on rows it has not seen.",
    )
    half_life: timedelta | None = Field(
        default=None, gt=timedelta(0), description="Training rows weigh half as much for each of these they are older."
    )

    balance: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Share of the rows of every class but the rarest that is fitted on, each for as many as it stands for: less to compute, and scores mean what they meant. Never fewer than the rarest class has.",
    )
    class_weight: Literal["balanced"] | None = Field(
        default=None,
        description="balanced: each class counts alike, however rare. Scores are then those of a world in which classes are equally common, far above what comes true of a rare one: choose the threshold on validation rows, or set `calibration`, which maps them back.",
    )
    drop_suspects: float | None = Field(
        default=None,
        gt=0,
        lt=0.5,
        description="Share of the training rows whose labels models fitted on other rows find least likely, left out of the fit; of each class alike, so that their shares stay. Rows that judge are never left out.",
    )
    calibration: Literal["sigmoid", "isotonic"] | None = Field(
        default=None,
        description="How a classifier's scores are mapped to what came true, on predictions out of fold of its training rows. isotonic follows any shape and wants a thousand rows of the rarer class.",
    )
    threshold: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Of two classes: the score from which on a row is acted on. None: where it costs least on validation rows, or 0.5 where the loss has no decisions to cost.",
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
    def _names_its_estimator(self) -> "Recipe":
        if (self.family == "own") != (self.estimator is not None):
            said = f"the recipe's family is {self.family!r} and its estimator {self.estimator!r}"
            raise ValueError(f"an estimator belongs to the family own, and the family own has one; {said}")
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
        """The same features and rows with each simpler family that others are held against, simplest first, at its own
        defaults."""
        if self.start != "anew":  # what is made from the champion is as simple as the champion is
            return []
        # A linear model found row by row is no less simple than one found at once.
        place = FAMILIES.index("linear" if self.family == "sgd" else self.family)
        below = [family for family in _YARDSTICKS if FAMILIES.index(family) < place]
        return [self.model_copy(update={"family": name, "parameters": {}, "estimator": None}) for name in below]


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


def changed(old: Recipe, new: Recipe) -> tuple[str, ...]:
    """The changes that `new` makes to `old`, by the field that says them: what comes of two at once is nobody's merit.

    A field that only follows is no change of its own: an estimator and emptied parameters follow another family, and how a
    column is read or combined follows whether it is there.

    >>> changed(Recipe(features=("a",), parameters={"max_iter": 9}), Recipe(family="linear", features=("a",)))
    ('family',)
    """
    found = difference(old, new)
    follow: set[str] = set()
    if "family" in found:
        follow |= {"estimator"} | (set() if new.parameters else {"parameters"})
    if "features" in found:
        kept = set(old.features) & set(new.features)
        same_reading = _of(old.encodings, kept) == _of(new.encodings, kept)
        same_pairs = _within(old.interactions, kept) == _within(new.interactions, kept)
        follow |= ({"encodings"} if same_reading else set()) | ({"interactions"} if same_pairs else set())
    return tuple(name for name in found if name not in follow)


def _of(encodings: dict[str, Encoding], columns: set[str]) -> dict[str, Encoding]:
    return {name: how for name, how in encodings.items() if name in columns}


def _within(pairs: tuple[tuple[str, str], ...], columns: set[str]) -> list[tuple[str, str]]:
    return [pair for pair in pairs if set(pair) <= columns]
