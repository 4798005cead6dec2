"""What could be tried next? A typed change to a recipe, or a request to people, with what is hoped of it."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from schemas.diagnosis import Constraint
from schemas.experiment import Gain
from schemas.recipe import Recipe

__all__ = ["Choice", "Idea", "Kind", "Purpose", "Quadrant", "Tried"]


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

    @property
    def runs(self) -> bool:
        """A machine can try it; a request waits for people."""
        return bool(self.change) or self.search is not None

    def applied(self, parent: Recipe) -> Recipe:
        """The parent with this one change; ValueError where the two do not fit."""
        return Recipe.model_validate(parent.model_dump(mode="json") | self.change)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"kind": str(self.kind), "mends": [str(one) for one in self.mends]}

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> "Idea":
        mends = tuple(Constraint(one) for one in said.get("mends", ()))
        return cls(**(said | {"kind": Kind(said["kind"]), "mends": mends}))


class Purpose(StrEnum):
    """Why an idea's turn came."""

    ASKED = "asked for"
    EXPLOIT = "exploiting"  # what is expected to gain most for its cost
    EXPLORE = "exploring"  # what may gain most, by a draw of what is not known yet
    MOONSHOT = "moonshot"  # what seldom works, on the share of the runs that is set aside for it


@dataclass(frozen=True)
class Choice:
    """An idea whose turn it is, and what is foretold of it."""

    idea: Idea
    chance: float  # that it gains, history counted
    gain: float  # loss a row, where it does
    quadrant: Quadrant
    purpose: Purpose
    why: str  # one sentence: this one, now

    @property
    def expected(self) -> float:
        """Loss a row that it gains on average."""
        return self.chance * self.gain

    def to_json(self) -> dict[str, Any]:
        said = {"quadrant": str(self.quadrant), "purpose": str(self.purpose)}
        return asdict(self) | {"idea": self.idea.to_json()} | said

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> "Choice":
        typed = {"quadrant": Quadrant(said["quadrant"]), "purpose": Purpose(said["purpose"])}
        return cls(**(said | {"idea": Idea.from_json(said["idea"])} | typed))


@dataclass(frozen=True)
class Tried:
    """One idea that was run, in the highest tier it came to: what was foretold, and what came."""

    problem: str
    idea: Idea
    recipe: Recipe  # what was trained: the parent with the idea's change, and with what a search found
    binding: Constraint | None  # what bound the parent, when it was chosen; None where nothing was diagnosed
    chance: float
    expected: float  # gain that was foretold for the case that it works
    worked: bool  # the gain was shown in the tier that decides, and the recipe became the parent
    gain: Gain | None = None  # over its parent, in `tier`; None where it raised
    tier: str = ""
    seconds: float = 0.0  # of all its tiers
    rows: str = ""  # sha256 of the development rows: on others the same recipe is another experiment

    def to_json(self) -> dict[str, Any]:
        said = {"idea": self.idea.to_json(), "recipe": self.recipe.model_dump(mode="json")}
        return asdict(self) | said | {"binding": None if self.binding is None else str(self.binding)}

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> "Tried":
        gain = None if said.get("gain") is None else Gain(**said["gain"])
        binding = None if said.get("binding") is None else Constraint(said["binding"])
        idea, recipe = Idea.from_json(said["idea"]), Recipe.model_validate(said["recipe"])
        return cls(**(said | {"idea": idea, "recipe": recipe, "binding": binding, "gain": gain}))
