"""What is a prediction problem, and which ones does this team have?"""

import importlib
import pkgutil
import traceback
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pandera.pandas as pa
from pydantic import ValidationError

from schemas.columns import about_of
from schemas.errors import PerennialError, told
from schemas.features import Feature
from schemas.framing import Framing, MinimumFunction
from schemas.plans import DataPlan, ImprovementPlan, MonitoringPlan, RetrainingPlan, RolloutPlan, ServingPlan
from schemas.recipe import Recipe
from schemas.refused import findings
from schemas.risks import known_detectors, unknown_detectors
from schemas.source import Source

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

__all__ = ["BrokenProblemError", "Problem", "UnknownProblemError", "known_problems", "load_problem"]


class UnknownProblemError(PerennialError, LookupError):
    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(
            f"no problem named {name!r}; known problems: {', '.join(known) or 'none'}. "
            f"To add one, create schemas/problems/{name}.py with a PROBLEM."
        )


class BrokenProblemError(PerennialError, ValueError):
    """A problem's file cannot be read as one: what it says, and in which line."""

    def __init__(self, name: str, error: Exception) -> None:
        module = f"schemas.problems.{name}"
        lines = [
            at for frame, at in traceback.walk_tb(error.__traceback__) if frame.f_globals.get("__name__") == module
        ]
        if isinstance(error, SyntaxError) and error.lineno:
            lines.append(error.lineno)
        # What pydantic and we ourselves refuse says what it is about; a library's own words may quote what it was given.
        match error:
            case ValidationError():
                said = f"{error.title}: {findings(error)}"
            case SyntaxError():
                said = f"{type(error).__name__}: {error.msg}"
            case ImportError():
                said = f"{type(error).__name__}: {error}"
            case PerennialError() | ValueError():
                said = str(error)
            case _:
                said = told(error)
        where = f" in line {lines[-1]}" if lines else ""
        super().__init__(
            f"schemas/problems/{name}.py makes no problem: {said.rstrip('.')}. Correct it{where}, then make doctor PROBLEM={name}."
        )


@dataclass(frozen=True)
class Problem:
    """One file says all of it; everything else is the same for every problem."""

    name: str
    statement: str
    contract: pa.DataFrameSchema
    source: Source
    framing: Framing
    recipe: Recipe
    rollout: RolloutPlan = field(default_factory=RolloutPlan)
    monitoring: MonitoringPlan = field(default_factory=MonitoringPlan)
    retraining: RetrainingPlan = field(default_factory=RetrainingPlan)
    serving: ServingPlan = field(default_factory=ServingPlan)
    data: DataPlan = field(default_factory=DataPlan)
    improvement: ImprovementPlan = field(default_factory=ImprovementPlan)
    features: tuple[Feature, ...] = ()  # columns computed from earlier rows, point in time, in the engine
    heuristic: "BaseEstimator | None" = None  # serves first; without one the naive baseline does
    schedule: str = "0 6 * * *"  # cron, UTC: when production turns the crank

    def __post_init__(self) -> None:
        framing = self.framing
        named = [
            framing.key,
            framing.event_time,
            framing.target,
            framing.label_time,
            *framing.slices,
            *framing.annotators,
            *self.recipe.features,
        ]
        named += [framing.entity] if framing.entity else []
        named += [group.column for group in framing.fairness]
        for check in framing.behaviours:
            named += list(check.values) if isinstance(check, MinimumFunction) else [check.column]
        named += [*self.filled_at.values(), *(one.name for one in self.features)]
        missing = sorted(set(named) - set(self.contract.columns))
        if missing:
            raise ValueError(f"problem {self.name!r} names columns its contract lacks: {', '.join(missing)}")
        early = sorted(set(framing.annotators) & set(self.asked))
        if early:
            raise ValueError(
                f"annotators' labels of {self.name!r} are not known at the event: say metadata=about(known='with the label') "
                f"of {', '.join(early)}"
            )
        late = sorted(set(self.recipe.features) - set(self.asked))
        if late:
            raise ValueError(
                f"the recipe of {self.name!r} is trained on {', '.join(late)}, which a request cannot hold: known later "
                "than the event. Take it out of the recipe, or correct `known` in the contract."
            )
        unknown = unknown_detectors(self)
        if unknown:
            raise ValueError(
                f"problem {self.name!r} has risks whose detector nobody has: {', '.join(map(repr, unknown))}. "
                f"Name one of: {', '.join(known_detectors())}."
            )

        self._check_features()
        self._check_exploration()
        self._check_improvement()

    def _check_improvement(self) -> None:
        wanted, largest = self.improvement.worthwhile, self.framing.largest_loss
        if wanted is not None and wanted > largest:
            raise ValueError(
                f"a gain of {wanted:g} a row is worthwhile to {self.name!r}, and no row of it loses more than {largest:g}, by its "
                f"{self.framing.loss.kind} loss: no experiment could ever gain so much. Lower ImprovementPlan.worthwhile, or "
                "leave it out"
            )

    def _check_exploration(self) -> None:
        plan, framing = self.serving, self.framing
        if plan.explore and framing.task == "regression":
            raise ValueError(f"{self.name!r} predicts a number, and only decisions can be explored: set explore=0")
        if plan.explore_to is not None:
            wanted, seen = framing.decision_of(plan.explore_to), framing.labelled_decision
            if seen is not None and wanted != seen:
                raise ValueError(
                    f"{self.name!r} explores the decision {plan.explore_to!r}, whose label nobody sees: explore_to is "
                    f"{framing.labelled_when!r}, or None"
                )
        if framing.task == "multiclass" and plan.explore_scores != (0.0, 1.0):
            raise ValueError(f"explore_scores of {self.name!r} is a range of the one score that two classes have")

    def _check_features(self) -> None:
        computed = [one.name for one in self.features]
        for one in self.features:
            what = f"feature {one.name!r} of {self.name!r}"
            # Only the contract knows when a column is known; one outside could be filled in later, and nobody would say.
            read = [*one.over, *([one.of] if one.of else [])]
            unknown = [name for name in read if name not in self.contract.columns or name in computed]
            if unknown:
                raise ValueError(f"{what} reads {', '.join(unknown)}; it reads columns of the contract, and no feature")
            late = [name for name in (one.name, *one.over) if name not in self.asked]
            if late:
                raise ValueError(f"{what} needs {', '.join(late)} at the event, and that is filled in later")
            if computed.count(one.name) > 1:
                raise ValueError(f"{what} is declared twice")
            if not one.always and not self.contract.columns[one.name].nullable:
                raise ValueError(f"{what} is null where no earlier row is: say nullable=True in the contract")
        if computed and self.framing.timeless:
            raise ValueError(f"{self.name!r} has no time of its own, and so no earlier rows: {', '.join(computed)}")

    @property
    def asked(self) -> tuple[str, ...]:
        """What a request may hold: every column of the contract but the label, its time, and what is filled in later."""
        return tuple(name for name in self.contract.columns if name not in self.late)

    @property
    def filled_at(self) -> dict[str, str]:
        """The column that holds the time of filling in, by the column that is filled in after the event."""
        said = {name: about_of(column) for name, column in self.contract.columns.items()}
        filled = {name: a.known_at for name, a in said.items() if a.known_at is not None}
        own = (self.framing.target, self.framing.label_time)
        later = {n: self.framing.label_time for n, a in said.items() if a.known == "with the label" and n not in own}
        return filled | later

    @property
    def delays(self) -> dict[str, timedelta]:
        """How long after the event a column is filled in, where no column says when."""
        said = {name: about_of(column) for name, column in self.contract.columns.items()}
        return {name: a.delay for name, a in said.items() if a.delay is not None}

    @property
    def late(self) -> frozenset[str]:
        """Every column that no request holds: the label, its time, and what is filled in later, with its times."""
        filled = self.filled_at
        return frozenset((self.framing.target, self.framing.label_time, *filled, *filled.values(), *self.delays))

    @property
    def personal(self) -> frozenset[str]:
        """Columns that are masked wherever rows are shown."""
        return frozenset(name for name, column in self.contract.columns.items() if about_of(column).personal)

    def rules(self) -> str:
        """Hash of contract and framing: a rollout judged by one set of rules never ends under another."""
        columns = {
            name: (
                str(column.dtype),
                column.nullable,
                column.required,
                [(check.name, str(check.statistics)) for check in column.checks],
                about_of(column).model_dump_json(include={"known", "known_at", "delay"}),
            )
            for name, column in sorted(self.contract.columns.items())
        }
        whole = (self.contract.unique, [(check.name, str(check.statistics)) for check in self.contract.checks])
        # Unsaid, it says what was said before there was such a field: no rollout ends for it.
        unsaid = {"labelled_when"} if self.framing.labelled_when is None else None
        said: tuple[Any, ...] = (columns, whole, self.framing.model_dump_json(exclude=unsaid))
        said += tuple(one.model_dump_json() for one in self.features)
        return sha256(repr(said).encode()).hexdigest()


def known_problems() -> list[str]:
    """Names of the files in schemas/problems, in order; a leading underscore hides a file."""
    return sorted(m.name for m in pkgutil.iter_modules(_problems().__path__) if not m.name.startswith("_"))


def load_problem(name: str) -> Problem:
    """The PROBLEM of schemas/problems/NAME.py."""
    if name not in known_problems():
        raise UnknownProblemError(name, known_problems())
    try:
        module = importlib.import_module(f"schemas.problems.{name}")
    except Exception as error:  # whatever a file raises that is being written
        raise BrokenProblemError(name, error) from error
    problem: Any = getattr(module, "PROBLEM", None)
    if not isinstance(problem, Problem) or problem.name != name:
        raise PerennialError(f"schemas/problems/{name}.py must define PROBLEM = Problem(name={name!r}, ...)")
    return problem


def _problems() -> ModuleType:
    return importlib.import_module("schemas.problems")
