"""What do all makers of ideas look at? A recipe, what was measured of it, and what the rows say."""

from dataclasses import dataclass
from typing import Any

from schemas.diagnosis import Constraint, Diagnosis
from schemas.idea import Idea, Kind
from schemas.problem import Problem
from schemas.recipe import Recipe
from tasks.ideas.facts import Facts
from tasks.ideas.odds import PRIORS, chance_of, impact_of
from tasks.stats.association import Association

__all__ = ["Case"]


@dataclass(frozen=True)
class Case:
    problem: Problem
    recipe: Recipe
    diagnosis: Diagnosis | None
    facts: Facts

    def idea(
        self,
        kind: Kind,
        name: str,
        about: str,
        *,
        mends: tuple[Constraint, ...],
        seen: Association | None = None,
        odds: float = 1.0,
        gain: float = 0.0,
        work: float = 1.0,
        search: dict[str, Any] | None = None,
        **change: Any,
    ) -> Idea:
        """An idea with its chance, and what it gains where it does. `seen` is what its columns explain of what is left
        unexplained: squared loss falls by about that share. `odds` and `gain`, loss a row, are what a maker knows better than
        its kind and its constraint; `work` is that of its fit, in fits of the parent."""
        share = 0.0 if seen is None else seen.share
        chance = chance_of(PRIORS[kind], mends, self.diagnosis, seen=seen, odds=odds)
        impact = max(gain, impact_of(mends, self.diagnosis, share=share))
        return Idea(name, kind, about, change, mends, chance, impact, _cost(work), search=search)


def _cost(work: float) -> float:
    """In experiments of the parent's size. A run is one of those that the plan allows, and is read, whatever its fit takes:
    that counts three times a usual fit."""
    return (3 + work) / 4
