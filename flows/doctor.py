"""Is everything ready for the first turn, and if not, what is to be mended first? Looked up here, decided in tasks.advice."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import ibis
import pandas as pd

from flows import orphans
from flows.baselines import suspected, worth_of
from schemas.errors import PerennialError, told
from schemas.framing import Framing
from schemas.problem import Problem, known_problems, load_problem
from schemas.rows import plain
from schemas.settings import Settings
from tasks import cleaning, contracts, counts, engine_contracts, environment, splits, survey, windows
from tasks.advice import CHECKS, Facts, Finding, Severity, advise, screen
from tasks.advice.facts import Broken, Database, Labels, Parts, Suspect, Worth
from tasks.database import unreachable
from tasks.engine_rules import UntranslatableError
from tasks.figures import keep
from tasks.maturity import measured

__all__ = ["doctor", "gather"]

_T = TypeVar("_T")
_SAMPLE = 50_000  # rows that pandas is shown: an AUC is then known to about .02 with 500 positives
_TICK = timedelta(microseconds=1)  # windows are half-open: the last row lies before their end


def doctor(name: str, *, now: datetime | None = None) -> tuple[list[str], dict[str, Any]]:
    """The screen's lines, and the same for scripts, which is kept among the figures: `must` counts the findings that must be
    fixed before the first turn. Of a problem whose file is gone, what it left."""
    left = _left(name)
    if name not in known_problems() and left:
        return left, {"problem": name, "ready": False, "must": len(left), "left": left}
    facts = gather(load_problem(name), now=now or datetime.now(UTC))
    findings = advise(facts)
    must = sum(finding.severity is Severity.MUST for finding in findings)
    figures = _figures(facts, findings, must) | {"left": left}
    if facts.environment and facts.environment.writable:
        keep(f"doctor-{name}", figures)
    return [*screen(facts, findings, checks=CHECKS), *left], figures


def _left(name: str) -> list[str]:
    """That the ledger holds another name which this problem may have had. One that cannot be read is among the findings."""
    try:
        return list(orphans.about(name))
    except Exception:
        return []


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
    broken = look.at("contract", lambda: _broken(look.bounded, masked, first, end))
    # What a broken contract leaves over is a selection: nothing is measured on it.
    sound = broken is not None and broken.bad <= problem.monitoring.bad_share * broken.rows
    recent = look.at("newest rows", lambda: _held(look.bounded, first, until, as_of=end)) if sound else None
    start = (problem.source.starts or first) + problem.source.history
    past = None
    if recent is not None and start < end and not problem.framing.timeless:
        past = look.at(
            "replay's start", lambda: _held(look.bounded, first, start - problem.framing.maturity, as_of=start)
        )
    parts = [("the newest moment", end, recent), ("the start of the replay", start, past)]
    return replace(
        facts,
        broken=broken,
        labels=look.at("labels", lambda: _labels(problem, masked, until=until, now=end)),
        parts=tuple(held.counted(at, when) for at, when, held in parts if held is not None),
        suspects=look.at("columns", lambda: _suspects(problem, recent)) or (),
        worth=look.at("baselines", lambda: _worth(problem, recent)),
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
    one = "PERENNIAL_DATABASE" if settings.database else ""
    remote = settings.mlflow.startswith(("http://", "https://"))
    says = environment.answers(settings.mlflow) if remote else unreachable(settings.mlflow)
    return (
        Database("ledger", (not settings.ledger_url and one) or "PERENNIAL_LEDGER_URL", unreachable(settings.ledger)),
        Database("prediction log", (not settings.log_url and one) or "PERENNIAL_LOG_URL", unreachable(settings.log)),
        Database("MLflow store", (not settings.tracking_uri and one) or "MLFLOW_TRACKING_URI", says),
        Database("database of Prefect's server", one, unreachable(settings.prefect_database) if one else ""),
    )


@dataclass(frozen=True)
class _Held:
    """Labelled rows as a retrain would part them, on a sample that holds `share` of them."""

    framing: Framing
    rows: pd.DataFrame
    folds: tuple[splits.Split, ...]
    share: float

    def counted(self, at: str, now: datetime) -> Parts:
        whole = splits.pooled(self.framing, self.folds)
        return Parts(at, now, *(round(len(part) / self.share) for part in (whole.train, whole.validation, whole.test)))


def _broken(problem: Problem, masked: ibis.Table, first: datetime, end: datetime) -> Broken:
    """Every row held to the contract where it is; a rule that no engine knows is asked of a sample."""
    try:
        whole = engine_contracts.check_table(problem, masked)
        return Broken(whole.rows, whole.bad_rows, whole.counts)
    except UntranslatableError:
        checked = _checked(problem, first, end, as_of=end)[0]
        return Broken(checked.rows, len(checked.bad), checked.counts)


def _checked(problem: Problem, start: datetime, end: datetime, *, as_of: datetime) -> tuple[contracts.Checked, float]:
    rows, share = windows.read_sample(problem, start, end, as_of=as_of)
    return contracts.check(problem, rows), share


def _held(problem: Problem, first: datetime, until: datetime, *, as_of: datetime) -> _Held:
    """Valid labelled rows as far back as a retrain would read them, in its parts."""
    plan, window = problem.retraining, problem.recipe.window
    reach = None if window is None else window + plan.validation + splits.embargo_of(problem) + plan.test
    start = first if reach is None else max(first, until - reach)
    checked, share = _checked(problem, start, max(start, until), as_of=as_of)
    rows = checked.valid.dropna(subset=[problem.framing.target])
    if problem.retraining.copies == "drop":
        rows, _ = cleaning.without_copies(rows, [name for name in rows if name != problem.framing.key])
    folds = splits.folds(problem, rows, until=until, window=window, disjoint_from=None)
    return _Held(problem.framing, rows, folds, share)


def _labels(problem: Problem, masked: ibis.Table, *, until: datetime, now: datetime) -> Labels:
    found = survey.labels_of(masked, problem, until=until)
    if problem.framing.timeless:
        return found
    delays = measured(counts.delays_in(masked, problem.framing, now=now), problem.framing)
    return survey.slowest_of(delays, found, maturity=problem.framing.maturity)


def _suspects(problem: Problem, held: _Held | None) -> tuple[Suspect, ...]:
    return () if held is None or held.rows.empty else suspected(problem, held.rows, seed=Settings().seed)


def _worth(problem: Problem, held: _Held | None) -> Worth | None:
    return None if held is None else worth_of(problem, held.folds, seed=Settings().seed)


def _figures(facts: Facts, findings: list[Finding], must: int) -> dict[str, Any]:
    """What was found as JSON takes it; counts and names only."""
    looked = {"shape": facts.shape, "labels": facts.labels, "worth": facts.worth, "contract": facts.broken}
    return plain(
        {
            "problem": facts.problem.name,
            "ready": must == 0,
            "must": must,
            "findings": [asdict(finding) for finding in findings],
            "could_not_look": dict(facts.failed),
            **{name: asdict(value) if value is not None else None for name, value in looked.items()},
            "parts": [asdict(part) for part in facts.parts],
            "features": [asdict(suspect) for suspect in facts.suspects],
        }
    )
