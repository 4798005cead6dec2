"""Where does a night of experiments stand? What it set out with, what it has tried, and the best recipe so far with its backlog."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from flows.job import Looked
from schemas.diagnosis import Constraint, Diagnosis
from schemas.experiment import Job
from schemas.idea import Idea, Tried
from schemas.night import Step
from schemas.plans.improvement import ImprovementPlan, Tier
from schemas.problem import Problem
from schemas.recipe import Recipe
from schemas.search import Search
from tasks.screening import tiers_for
from tasks.strategy import Rated

__all__ = ["Setting", "Taken", "View"]


@dataclass(frozen=True)
class Setting:
    """What a night sets out with; it goes on with the same after a kill."""

    problem: Problem
    night: str
    began: datetime
    plan: ImprovementPlan
    rows: str  # sha256 of the development rows
    n_rows: int
    start: Recipe
    seed: int
    base: Recipe | None = (
        None  # by which an earlier night won over this start on these rows; None: it begins at the start
    )

    @property
    def origin(self) -> Recipe:
        """The recipe whose neighbours are tried first."""
        return self.base or self.start

    def job(self, recipe: Recipe, tier: Tier, search: dict[str, Any] | None = None) -> Job:
        wanted = None if search is None else Search.model_validate(search)
        return Job(self.problem.name, self.rows, recipe, tier, self.seed, wanted)

    @property
    def last(self) -> Tier:
        """The tier that decides."""
        return self.tiers[-1]

    @cached_property
    def tiers(self) -> tuple[Tier, ...]:
        return tiers_for(self.plan, self.n_rows)

    @property
    def worthwhile(self) -> float:
        return self.plan.worthwhile or self.problem.framing.margin / 10


@dataclass(frozen=True)
class Taken:
    """One idea that was tried: what people read of it, what is learned from it, and whether it became the parent."""

    step: Step
    tried: Tried
    adopted: bool

    def to_json(self) -> dict[str, Any]:
        return {"step": self.step.to_json(), "tried": self.tried.to_json(), "adopted": self.adopted}

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> "Taken":
        return cls(Step.from_json(said["step"]), Tried.from_json(said["tried"]), said["adopted"])


@dataclass(frozen=True)
class View:
    """Where the night stands: the best recipe so far, what was found of it, and what could be tried."""

    recipe: Recipe
    looked: Looked
    ideas: list[Idea]
    backlog: list[Rated]

    @property
    def diagnosis(self) -> Diagnosis:
        return self.looked.diagnosis

    @property
    def binding(self) -> Constraint | None:
        return self.diagnosis.binding.constraint if self.diagnosis.rooms else None
