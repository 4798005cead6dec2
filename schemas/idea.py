"""What could be tried next? A typed change to a recipe, or a request to people, with what is hoped of it."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from schemas.diagnosis import Constraint
from schemas.recipe import Recipe

__all__ = ["Idea", "Kind", "Quadrant"]


class Kind(StrEnum):
    FAMILY = "family"
    CAPACITY = "capacity"
    REGULARISATION = "regularisation"
    CLASS_WEIGHT = "class weight"
    FEATURES = "features"
    INTERACTIONS = "interactions"
    ENCODING = "encoding"
    WINDOW = "window"
    RESAMPLING = "resampling"
    RECALIBRATION = "recalibration"
    THRESHOLD = "threshold"
    SUSPECTS = "drop suspected labels"
    TUNE = "tune"
    REQUEST = "request to people"  # collect data, mend labels, ask an expert: nothing that a machine runs


class Quadrant(StrEnum):
    QUICK_WIN = "quick win"
    INCREMENTAL = "incremental"
    MOONSHOT = "moonshot"
    AVOID = "avoid"


@dataclass(frozen=True)
class Idea:
    """One item of the backlog. `change` maps fields of a recipe to their new values, as JSON carries them; a request has
    none, and says in `about` what people are asked for."""

    name: str  # what people read and name it by; unique in a backlog
    kind: Kind
    about: str  # one sentence: what it does, and why it could help
    change: dict[str, Any] = field(default_factory=dict)
    mends: tuple[Constraint, ...] = ()
    chance: float = 0.3  # that it gains, before any history: set by kind and diagnosis
    impact: float = 0.0  # loss a row that it gains where it does
    cost: float = 1.0  # in experiments of the parent's size
    by: str = "diagnosis"  # or the name of the person who added it
    search: dict[str, Any] | None = None  # of a tuning: schemas.search.Search as JSON

    def applied(self, parent: Recipe) -> Recipe:
        """The parent with this one change; ValueError where the two do not fit."""
        return Recipe.model_validate(parent.model_dump(mode="json") | self.change)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"kind": str(self.kind), "mends": [str(one) for one in self.mends]}

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> "Idea":
        mends = tuple(Constraint(one) for one in said.get("mends", ()))
        return cls(**(said | {"kind": Kind(said["kind"]), "mends": mends}))
