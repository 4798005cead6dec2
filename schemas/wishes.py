"""What do people want of the backlog? Items of their own, vetoes, and what comes first; as a form and as a file."""

from typing import Any

from pydantic import Field, model_validator

from schemas.frozen import Frozen
from schemas.idea import Idea, Kind
from schemas.recipe import Recipe

__all__ = ["Wish", "Wishes"]


class Wish(Frozen):
    """One idea of a person's: the same recipe with these fields changed."""

    name: str = Field(min_length=1, title="Name", description="What it is called by; unique in the backlog.")
    change: dict[str, Any] = Field(
        min_length=1, title="Change", description='Fields of the recipe and their new values: {"family": "linear"}.'
    )
    kind: Kind = Field(default=Kind.FEATURES, title="Kind", description="Of which kind: its history is learned from.")
    about: str = Field(default="", title="Why", description="Why it could help.")
    chance: float = Field(default=0.5, gt=0, lt=1, title="Chance", description="That it gains, as far as you know.")
    impact: float | None = Field(
        default=None,
        gt=0,
        title="Gain",
        description="Loss a row, where it gains; empty: as much as the best of the rest.",
    )
    cost: float = Field(default=1.0, gt=0, title="Cost", description="In experiments of the usual size.")
    by: str = Field(default="a person", title="Whose idea it is")

    @model_validator(mode="after")
    def _changes_a_recipe(self) -> "Wish":
        unknown = sorted(set(self.change) - set(Recipe.model_fields))
        if unknown:
            known = ", ".join(Recipe.model_fields)
            raise ValueError(f"{self.name!r} changes {', '.join(unknown)}; a recipe has {known}")
        if self.kind is Kind.REQUEST:
            raise ValueError(f"{self.name!r} is a request to people, and changes a recipe: give it another kind")
        return self

    def idea(self, *, impact: float) -> Idea:
        """As an item of the backlog; `impact` is what it is held to gain where nobody said."""
        gain = self.impact if self.impact is not None else impact
        about = self.about or f"{self.by} asked for it"
        return Idea(self.name, self.kind, about, self.change, (), self.chance, gain, self.cost, self.by)


class Wishes(Frozen):
    """People's word over the backlog. Names are those of the backlog's items; one that nobody knows is said, and waits."""

    added: tuple[Wish, ...] = Field(default=(), title="Ideas of your own")
    veto: tuple[str, ...] = Field(default=(), title="Never run these", description="Names of items of the backlog.")
    first: tuple[str, ...] = Field(default=(), title="Run these first", description="Names, in this order.")

    @model_validator(mode="after")
    def _agree(self) -> "Wishes":
        names = [one.name for one in self.added]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"added under one name: {', '.join(twice)}")
        both = sorted(set(self.veto) & set(self.first))
        if both:
            raise ValueError(f"asked for first, and vetoed: {', '.join(both)}")
        return self

    def and_then(self, later: "Wishes") -> "Wishes":
        """These, and what was said later: its items replace those of the same name, its vetoes undo an earlier "first"."""
        added = {one.name: one for one in (*self.added, *later.added)}
        veto = tuple(name for name in dict.fromkeys((*self.veto, *later.veto)) if name not in later.first)
        first = tuple(name for name in dict.fromkeys((*later.first, *self.first)) if name not in veto)
        return Wishes(added=tuple(added.values()), veto=veto, first=first)

    def without(self, *names: str) -> "Wishes":
        """These, with nothing said of what is called so: no item of one's own, no veto, no turn before others."""
        return Wishes(
            added=tuple(one for one in self.added if one.name not in names),
            veto=tuple(name for name in self.veto if name not in names),
            first=tuple(name for name in self.first if name not in names),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that something is said of, each once."""
        return tuple(dict.fromkeys((*(one.name for one in self.added), *self.first, *self.veto)))
