"""What is one experiment? One recipe on named rows, and what came of it."""

import json
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any, Literal

from schemas.plans.improvement import Tier
from schemas.recipe import Recipe
from schemas.search import Search

__all__ = ["Gain", "Job", "Part", "Result"]

# What is fitted on, what lies beside it (other days or entities of the same time), and what came later and judges.
Part = Literal["train", "near", "judged"]


@dataclass(frozen=True)
class Job:
    """All that an experiment's outcome depends on. Two equal jobs are one experiment, and it is run once."""

    problem: str
    rows: str  # sha256 of the snapshot that holds the development rows
    recipe: Recipe
    tier: Tier
    seed: int
    search: Search | None = None  # parameters are searched in each fold's training rows before it is fitted

    @property
    def id(self) -> str:
        said = [self.problem, self.rows, self.recipe.model_dump_json(), self.tier.model_dump_json(), self.seed]
        said += [self.search.model_dump_json()] if self.search else []
        return sha256(json.dumps(said).encode()).hexdigest()[:16]

    def __str__(self) -> str:
        return f"{self.recipe.family}{', searched' if self.search else ''}, {self.tier.name}, {self.id}"

    def to_json(self) -> dict[str, Any]:
        return {
            "problem": self.problem,
            "rows": self.rows,
            "recipe": self.recipe.model_dump(mode="json"),
            "tier": self.tier.model_dump(mode="json"),
            "seed": self.seed,
            "search": self.search and self.search.model_dump(mode="json"),
        }

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> "Job":
        recipe, tier = Recipe.model_validate(said["recipe"]), Tier.model_validate(said["tier"])
        search = Search.model_validate(said["search"]) if said.get("search") else None
        return cls(said["problem"], said["rows"], recipe, tier, said["seed"], search)


@dataclass(frozen=True)
class Result:
    """What an experiment showed. Losses are the framing's, a row, lower is better; an experiment that raised has an error
    and nothing else."""

    id: str
    rows: dict[str, int] = field(default_factory=dict)  # by part, of all folds
    loss: dict[str, float] = field(default_factory=dict)  # by part: mean over rows, folds and seeds
    metrics: dict[str, float] = field(default_factory=dict)  # on the judged rows: tasks.training.measure
    by_seed: tuple[tuple[float, ...], ...] = ()  # mean loss of each fold's judged rows, seed by seed
    seconds: float = 0.0  # of fitting and scoring, over all folds and seeds
    found: dict[str, Any] | None = None  # of a search: the recipe that it finds in all development rows, as JSON
    at_edge: tuple[str, ...] = ()  # parameters whose best value lies at the end of what was searched
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"by_seed": [list(fold) for fold in self.by_seed]}

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> "Result":
        lists = {"by_seed": tuple(tuple(fold) for fold in said["by_seed"]), "at_edge": tuple(said["at_edge"])}
        return cls(**(said | lists))


@dataclass(frozen=True)
class Gain:
    """By how much a row the newer recipe loses less than its parent, on the same rows, folds and number of seeds."""

    low: float
    estimate: float
    high: float
    rows: int
    seeds: int

    @property
    def shown(self) -> bool:
        return self.low > 0

    @property
    def excluded(self) -> bool:
        """There is none: even the high end is a loss."""
        return self.high <= 0

    def __str__(self) -> str:
        return f"{self.estimate:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"
