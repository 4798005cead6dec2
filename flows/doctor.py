"""Is everything ready for the first turn, and if not, what is to be mended first? Looked up here, decided in tasks.advice."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import ibis
import numpy as np
import pandas as pd

from flows.baselines import suspected, worth_of
from schemas.errors import PerennialError, told
from schemas.problem import Problem, UnknownProblemError, load_problem
from schemas.rows import plain
from schemas.settings import Settings
from tasks import contracts, environment, survey, training, windows
from tasks.advice import CHECKS, Facts, Finding, Severity, advise, screen
from tasks.advice.facts import Broken, Database, Parts, Suspect, Worth
from tasks.database import unreachable
from tasks.figures import keep

__all__ = ["doctor", "gather"]

_T = TypeVar("_T")
_SAMPLE = 50_000  # rows that pandas is shown: an AUC is then known to about .02 with 500 positives
_TICK = timedelta(microseconds=1)  # windows are half-open: the last row lies before their end


def doctor(name: str, *, now: datetime | None = None) -> tuple[list[str], int]:
    """The screen's lines, and how many findings must be fixed before the first turn; the same as JSON among the figures."""
    facts = gather(_loaded(name), now=now or datetime.now(UTC))
    findings = advise(facts)
    must = sum(finding.severity is Severity.MUST for finding in findings)
    lines = list(screen(facts, findings, checks=CHECKS))
    if not (facts.environment and facts.environment.writable):
        return lines, must
    keep(f"doctor-{name}", _figures(facts, findings, must))
    return lines, must


def _loaded(name: str) -> Problem:
    """A file that makes no problem is one clear sentence, whatever it raises."""
    try:
        return load_problem(name)
    except UnknownProblemError:
        raise
    except Exception as error:
        said = str(error) if isinstance(error, ValueError | PerennialError) else told(error)
        raise PerennialError(
            f"schemas/problems/{name}.py makes no problem: {said.rstrip('.')}. Correct it, then make doctor PROBLEM={name}."
        ) from None


def gather(problem: Problem, *, now: datetime) -> Facts:
    """All that the advice rests on. Each look is taken by itself: one that raises leaves the others."""
    look = _Looks(problem, now)
    facts = Facts(
        problem=problem,
        now=now,
        environment=look.at("environment", environment.look),
        databases=look.at("stores", _databases) or (),
    )
    table = look.at("table", lambda: windows.whole_table(look.bounded))
    shape = None if table is None else look.at("table", lambda: survey.shape_of(table, problem, now=now))
    facts = replace(facts, shape=shape)
    if shape is None or shape.first is None or shape.last is None:
        return replace(facts, failed=look.failed)
    first, end = shape.first, shape.last + _TICK
    until = end if problem.framing.timeless else end - problem.framing.maturity
    masked = windows.window_table(look.bounded, first, end, as_of=end)
    whole = look.at("contract", lambda: _checked(look.bounded, first, end, as_of=end))
    # What a broken contract leaves over is a selection: nothing is measured on it.
    sound = whole is not None and whole.bad_share <= problem.monitoring.bad_share
    recent = look.at("newest rows", lambda: _recent(look.bounded, first, until, as_of=end)) if sound else None
    rows = None if recent is None else recent.dropna(subset=[problem.framing.target])
    return replace(
        facts,
        broken=None if whole is None else Broken(whole.rows, len(whole.bad), whole.counts),
        labels=look.at("labels", lambda: survey.labels_of(masked, problem, until=until)),
        parts=look.at("split", lambda: _parts(look.bounded, masked, first, end)) or (),
        suspects=look.at("columns", lambda: _suspects(problem, rows)) or (),
        worth=look.at("baselines", lambda: _worth(problem, rows, until)),
        failed=look.failed,
    )


@dataclass
class _Looks:
    """One look after the other; why one could not be taken is kept."""

    problem: Problem
    now: datetime
    failed: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = min(_SAMPLE, self.problem.data.frame_rows)
        # One object for all looks: the table is opened once a problem.
        self.bounded = replace(self.problem, data=self.problem.data.model_copy(update={"frame_rows": rows}))

    def at(self, what: str, look: Callable[[], _T]) -> _T | None:
        try:
            return look()
        except Exception as error:
            ours = isinstance(error, PerennialError)  # and then it ends with the next step
            step = f"Correct schemas/problems/{self.problem.name}.py or the table."
            self.failed[what] = str(error) if ours else f"{told(error).rstrip('.')}. {step}"
            return None


def _databases() -> tuple[Database, ...]:
    settings = Settings()
    found = [
        Database("ledger", "PERENNIAL_LEDGER_URL", unreachable(settings.ledger)),
        Database("prediction log", "PERENNIAL_LOG_URL", unreachable(settings.log)),
    ]
    remote = settings.mlflow.startswith(("http://", "https://"))
    says = environment.answers(settings.mlflow) if remote else unreachable(settings.mlflow)
    return (*found, Database("MLflow store", "MLFLOW_TRACKING_URI", says))


def _checked(problem: Problem, start: datetime, end: datetime, *, as_of: datetime) -> contracts.Checked:
    rows, _ = windows.read_sample(problem, start, end, as_of=as_of)
    return contracts.check(problem, rows)


def _recent(problem: Problem, first: datetime, until: datetime, *, as_of: datetime) -> pd.DataFrame:
    """Valid rows as far back as a retrain would read them."""
    plan, window = problem.retraining, problem.recipe.window
    start = first if window is None else max(first, until - (window + plan.validation + plan.test))
    if start >= until:
        raise PerennialError(
            f"no row is older than the maturity of {problem.framing.maturity}: nothing is known yet. "
            "Wait, or lower Framing.maturity if labels come sooner."
        )
    return _checked(problem, start, until, as_of=as_of).valid


def _spans(problem: Problem, first: datetime, until: datetime) -> dict[str, tuple[datetime, datetime]]:
    """Train, validation and test as a retrain cuts them."""
    plan, window = problem.retraining, problem.recipe.window
    test, validation = until - plan.test, until - plan.test - plan.validation
    train = first if window is None else max(first, validation - window)
    return {"train": (train, validation), "validation": (validation, test), "test": (test, until)}


def _parts(problem: Problem, masked: ibis.Table, first: datetime, end: datetime) -> tuple[Parts, ...]:
    if problem.framing.timeless:
        return ()
    maturity = problem.framing.maturity
    newest = survey.parts_of(masked, problem, _spans(problem, first, end - maturity), at="the newest moment", now=end)
    start = (problem.source.starts or first) + problem.source.history
    if start >= end:
        return (newest,)
    known = windows.window_table(problem, first, start, as_of=start)
    began = survey.parts_of(
        known, problem, _spans(problem, first, start - maturity), at="the start of the replay", now=start
    )
    return newest, began


def _split(problem: Problem, rows: pd.DataFrame, until: datetime) -> training.Split:
    if not problem.framing.timeless:
        plan, window = problem.retraining, problem.recipe.window
        return training.split(problem.framing, rows, until=until, plan=plan, window=window, disjoint_from=None)
    drawn = np.random.default_rng(Settings().seed).permutation(len(rows)) / max(len(rows), 1)
    return training.Split(rows[drawn < 0.6], rows[(drawn >= 0.6) & (drawn < 0.8)], rows[drawn >= 0.8])


def _suspects(problem: Problem, rows: pd.DataFrame | None) -> tuple[Suspect, ...]:
    return () if rows is None or rows.empty else suspected(problem, rows, seed=Settings().seed)


def _worth(problem: Problem, rows: pd.DataFrame | None, until: datetime) -> Worth | None:
    return None if rows is None else worth_of(problem, _split(problem, rows, until), seed=Settings().seed)


def _figures(facts: Facts, findings: list[Finding], must: int) -> dict[str, Any]:
    """What was found as JSON takes it; counts and names only."""
    looked = {"shape": facts.shape, "labels": facts.labels, "worth": facts.worth, "contract": facts.broken}
    return plain(
        {
            "problem": facts.problem.name,
            "ready": must == 0,
            "findings": [asdict(finding) for finding in findings],
            "could_not_look": dict(facts.failed),
            **{name: asdict(value) if value is not None else None for name, value in looked.items()},
            "parts": [asdict(part) for part in facts.parts],
            "features": [asdict(suspect) for suspect in facts.suspects],
        }
    )
