"""What does one row of the ledger hold, and what is the state of a problem after it?"""

import json
import math
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Literal

from schemas.plans import Promotion, Reason
from schemas.stage import Stage
from schemas.verdict import Verdict

__all__ = [
    "ANSWER",
    "SCORED",
    "Approval",
    "Entry",
    "Model",
    "Pause",
    "Request",
    "State",
    "canonical",
    "chained",
    "facts_of",
    "plain",
    "state_from",
]

_ANSWERED = (
    "problem",
    "key",
    "event_time",
    "entity",
    "rollout",
    "epoch",
    "stage",
    "role",
    "probability",
    "champion",
    "rival",
    "champion_score",
    "champion_decision",
    "champion_error",
    "rival_score",
    "rival_decision",
    "rival_error",
    "answer_score",
    "answer_decision",
    "latency_ms",
    "champion_scores",
    "rival_scores",
    "answer_scores",
)
_DRAWN = (
    "propensity",  # probability, in (0, 1], with which the decision that went out was made
    "explored",  # it was drawn, and not taken from the model's score
)
# One row of the prediction log, whoever answered it.
SCORED = (*_ANSWERED, *_DRAWN)
# And what a gateway's rows have besides, in the order in which it gives them. What is new comes last: a row that the
# version before spilled is the beginning of one of these.
ANSWER = (*_ANSWERED, "request", "position", "version", *_DRAWN)

Kind = Literal["turn", "request", "adopt", "rules", "approval", "pause"]


@dataclass(frozen=True)
class Model:
    """A registered model by what it is (sha256 of its content), and by MLflow's number for it."""

    sha256: str
    version: str
    name: str  # what people call it: heuristic, naive baseline, boosting, adopted
    why: str = ""  # the reason it was made for
    trained_from: datetime | None = None
    trained_until: datetime | None = None  # no row from here on was trained on; None: trained on nothing
    held_out: dict[str, float] = field(
        default_factory=dict
    )  # what the offline gate measured; what decay is held against
    snapshot: str = ""  # sha256 of the rows it was trained on, where we froze them
    base: str = ""  # sha256 of the champion it was made from; empty: trained anew

    @property
    def trained(self) -> bool:
        """Whether this is a trained model, and no rule or baseline that the first trained model has to beat."""
        return self.name not in ("heuristic", "naive baseline")

    def __str__(self) -> str:
        return f"version {self.version} ({self.name})"


@dataclass(frozen=True)
class Request:
    """A retrain (or a revert) that somebody asked for."""

    kind: Literal["retrain", "revert"]
    reason: Reason
    note: str
    actor: str
    window_days: float | None = None
    recipe: dict[str, Any] | None = None  # Recipe as JSON; None takes the problem's own


@dataclass(frozen=True)
class Approval:
    """A person's answer about one stage of one rollout. A name is claimed unless an operator's token proved it."""

    stage: str
    actor: str
    note: str
    answer: Literal["approve", "reject"] = "approve"
    claimed: bool = True

    @property
    def who(self) -> str:
        return _who(self.actor, self.claimed)


@dataclass(frozen=True)
class Pause:
    """A person's word that nothing goes forward: no retrain, no promotion, no larger share. What goes back still does."""

    actor: str
    note: str
    since: datetime
    until: datetime | None = None  # None: until somebody resumes
    claimed: bool = True

    @property
    def who(self) -> str:
        return _who(self.actor, self.claimed)

    def holds(self, now: datetime) -> bool:
        return self.until is None or now < self.until


def _who(actor: str, claimed: bool) -> str:
    return f"{actor} (a claimed name)" if claimed else actor


@dataclass(frozen=True)
class State:
    """All that the next turn needs to know. The newest ledger row carries it, so nothing is replayed to read it."""

    problem: str
    sequence: int = 0
    at: datetime | None = None
    turned: datetime | None = None  # the newest turn's own moment
    scored: datetime | None = None  # requests up to here are answered and logged
    stage: Stage = Stage.COLD
    since: datetime | None = None  # when the stage began
    share: float = 0.0  # of requests that the challenger answers
    share_since: datetime | None = None
    rollout: int = 0  # ordinal of the newest rollout
    epoch: int = 0  # changes whenever the route does
    champion: Model | None = None
    challenger: Model | None = None
    previous: Model | None = None
    snapshot: str | None = None  # what the challenger was trained on
    why: Reason | None = None
    promotion: Promotion | None = None
    request: Request | None = None  # waiting, one deep: the latest wins
    order: Request | None = None  # the request that the rollout under way answers
    awaits: datetime | None = None  # since when a PASS of this stage waits for a person's approval
    approval: Approval | None = None  # of the stage that would come next
    paused: Pause | None = None
    judged_by: str = ""  # the rules this rollout began under
    ended: datetime | None = None  # when the last rollout ended: the cooldown counts from here
    tried: datetime | None = None  # when the last retrain began: the schedule counts from here
    rules: str = ""
    hash: str = "0" * 64


@dataclass(frozen=True)
class Entry:
    """One ledger row: the state after it, how it came about, and what stands beside it under the second hash."""

    state: State
    kind: Kind
    before: Stage
    arrow: str  # PASS, FAIL, WAIT or REVERT
    verdict: Verdict
    notes: dict[str, Any] = field(default_factory=dict)


def facts_of(entry: Entry) -> dict[str, Any]:
    """What the inputs determine, ready for the chained hash: no run ids, version numbers, wall time or links."""
    facts = plain(asdict(replace(entry.state, hash="")))
    del facts["hash"]
    for role in ("champion", "challenger", "previous"):
        if facts[role]:
            del facts[role]["version"]
    return facts | {
        "kind": entry.kind,
        "before": str(entry.before),
        "arrow": entry.arrow,
        "gate": entry.verdict.gate,
        "outcome": str(entry.verdict.outcome),
        "statistics": entry.verdict.statistics(),
    }


def chained(prior: str, content: dict[str, Any]) -> str:
    """sha256 of the row before and this row's content in canonical JSON."""
    return sha256(f"{prior}\n{canonical(content)}".encode()).hexdigest()


def canonical(content: dict[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def state_from(facts: dict[str, Any], notes: dict[str, Any], row_hash: str) -> State:
    """The state that a stored row carries."""
    known: dict[str, Any] = {name: facts[name] for name in _AS_WRITTEN}
    known |= {name: _moment(facts[name]) for name in _MOMENTS}
    known |= {name: _model(facts, notes, name) for name in ("champion", "challenger", "previous")}
    known |= {name: _request(facts[name]) for name in ("request", "order")}
    known["stage"] = Stage(facts["stage"])
    known["awaits"] = _moment(facts.get("awaits"))  # rows from before there were approvals lack both
    known["approval"] = Approval(**said) if (said := facts.get("approval")) else None
    known["paused"] = _pause(facts.get("paused"))
    known["why"] = Reason(facts["why"]) if facts["why"] else None
    known["promotion"] = Promotion(facts["promotion"]) if facts["promotion"] else None
    return State(**known, hash=row_hash)


_AS_WRITTEN = ("problem", "sequence", "share", "rollout", "epoch", "snapshot", "judged_by", "rules")
_MOMENTS = ("at", "turned", "scored", "since", "share_since", "ended", "tried")


def _moment(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None


def _model(facts: dict[str, Any], notes: dict[str, Any], role: str) -> Model | None:
    """A model as it was written, with MLflow's number for it, which stands beside the facts."""
    known = facts[role]
    if not known:
        return None
    times = {name: _moment(known[name]) for name in ("trained_from", "trained_until")}
    return Model(**(known | times), version=notes["versions"][role])


def _request(asked: dict[str, Any] | None) -> Request | None:
    return Request(**(asked | {"reason": Reason(asked["reason"])})) if asked else None


def _pause(said: dict[str, Any] | None) -> Pause | None:
    return Pause(**(said | {name: _moment(said[name]) for name in ("since", "until")})) if said else None


def plain(value: Any) -> Any:
    """`value` as JSON carries it: times as text, floats to 12 significant digits, undefined ones as text."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, float):
        return float(f"{value:.12g}") if math.isfinite(value) else str(value)
    return str(value) if isinstance(value, Stage | Reason | Promotion) else value
