"""What can happen to a model that somebody should hear of? One table of every event: when, how grave, and what a person does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal
from uuid import NAMESPACE_URL, UUID, uuid5

from schemas.settings import Settings

__all__ = ["EVENTS", "RUNS", "Event", "Happening", "Severity", "of_problem", "resource_of"]


class Severity(StrEnum):
    """How soon a person looks; in rising order."""

    RECORD = "record"  # kept in the feed, and nobody is told
    INFO = "info"  # good to know
    WARNING = "warning"  # today
    CRITICAL = "critical"  # now: wrong answers may be given, or none

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


@dataclass(frozen=True)
class Happening:
    """One row of the table. Its entry in RUNBOOK.md stands under its name."""

    name: str
    when: str
    severity: Severity
    do: str
    starts: Literal["", "retrain", "lifecycle"] = ""  # the deployment that an automation runs at once
    cause: str = ""  # of the retrain it starts
    form: str = ""  # the deployment whose form a person answers by
    heard: str = ""  # the event of Prefect's own that says it; empty: we emit it ourselves

    @property
    def event(self) -> str:
        return self.heard or f"perennial.{self.name}"


_R, _I, _W, _C = Severity

_OURS = (
    Happening("verdict", "A live turn took its step.", _R, "Nothing: it is the feed of all verdicts."),
    # What serves, and what wants to.
    Happening(
        "first-champion",
        "The loop began: a rule or the naive baseline serves as version 1.",
        _I,
        "Nothing: the first trained model has to beat it.",
    ),
    Happening(
        "nothing-serves", "The loop could not begin: nothing serves yet.", _W, "Ask make doctor what is missing."
    ),
    Happening(
        "retrain",
        "A challenger is wanted: the first model, the schedule, new labels, or somebody asked.",
        _I,
        "Nothing: the next turn trains.",
    ),
    Happening("challenger", "A challenger passed the offline gates and scores in shadow.", _I, "Nothing."),
    Happening(
        "rejected",
        "A challenger was refused before it answered a request; the champion stays.",
        _I,
        "Read which gate refused it, and whether the next one can be better.",
    ),
    Happening(
        "approval-waiting",
        "A stage is passed, and the plan wants a person's yes before the next one.",
        _W,
        "Look at the evidence, then approve or reject it by the form, or let it lapse.",
        form="approve",
    ),
    Happening(
        "approval-lapsed",
        "Nobody answered in time for a stage that waited for a person: its challenger goes, the champion stays.",
        _W,
        "See that whoever should answer hears of it, and ask for a retrain if one is still wanted.",
        form="retrain",
    ),
    Happening("promotion", "A challenger became the champion; the previous one scores in its shadow.", _I, "Nothing."),
    Happening("confirmed", "A new champion came through its probation.", _I, "Nothing."),
    Happening(
        "rollback",
        "A challenger that answered requests, or a new champion, was taken back.",
        _W,
        "Read why; the model that served before serves again.",
    ),
    Happening(
        "trip",
        "A gateway's breaker took the challenger off the answers within seconds.",
        _C,
        "Find what broke it; the champion answers meanwhile.",
        starts="lifecycle",
    ),
    Happening(
        "pause",
        "A person paused the loop: no retrain, no promotion, no larger share until it ends.",
        _W,
        "Nothing, if you know why; whoever wants it to go on resumes.",
    ),
    Happening("resume", "A pause is over, by a person's word or by its own time: the loop goes on.", _I, "Nothing."),
    # Why a champion is no longer the right one.
    Happening(
        "drift",
        "A window is further from the reference than this problem's own windows are, and that calls for a retrain.",
        _W,
        "Read the report: is this the world, or a fault that looks like it?",
        starts="retrain",
        cause="drift",
    ),
    Happening(
        "decay",
        "The champion's matured loss or a live requirement is shown to be worse than when it was accepted.",
        _W,
        "Say so to whoever uses the answers until a challenger is through.",
        starts="retrain",
        cause="decay",
    ),
    Happening(
        "staleness",
        "By the problem's own past rollouts, a model of this age costs more than a retrain.",
        _I,
        "Nothing.",
        starts="retrain",
        cause="staleness",
    ),
    Happening(
        "recalibration",
        "The share of outcomes moved while the relation held: a recalibrated champion is the challenger.",
        _W,
        "Check that the outcomes moved, and not the way they are recorded.",
        starts="retrain",
        cause="recalibration",
    ),
    Happening(
        "concept-drift",
        "The relation between inputs and outcome moved, and no retrain follows at once.",
        _W,
        "Read why none follows, and ask for one if you know better.",
    ),
    Happening(
        "label-shift",
        "The share of outcomes moved, and no challenger follows at once.",
        _W,
        "Read why none follows; whoever counts on the share of positives should know.",
    ),
    Happening(
        "covariate-shift", "Inputs moved, and the champion is not shown to be worse for it: noted.", _I, "Nothing."
    ),
    Happening("seasonal", "Inputs moved as they did a cycle ago: noted.", _I, "Nothing."),
    # What is wrong with the data, the labels or the model.
    Happening(
        "fault",
        "Data break the contract, or came late, twice or half empty: the loop holds.",
        _C,
        "Mend the data at their source; nothing is trained on them.",
    ),
    Happening(
        "meaning-change",
        "A column means something else than before: a unit, an encoding, a silent default.",
        _C,
        "Ask its owner what changed, and mend it or change the contract.",
    ),
    Happening(
        "skew",
        "Clients send other features than the table has for the same rows: the loop holds.",
        _C,
        "Compare the client's code with the table's, column by column.",
    ),
    Happening(
        "label-pipeline",
        "Labels are missing, late or changed in a way that is no property of the world.",
        _W,
        "Mend the label pipeline; nothing is judged on its labels until then.",
    ),
    Happening(
        "model-bug",
        "The champion fails where the data are sound.",
        _C,
        "Roll back if there is a previous champion, then mend the recipe.",
        form="roll-back",
    ),
    Happening(
        "unanswered", "Requests got no answer: the model raised.", _W, "Read the error, and roll back if it lasts."
    ),
    Happening(
        "unjudged",
        "A check raised instead of judging, so the turn waits or fails.",
        _W,
        "Read the error in the turn's log and mend its cause.",
    ),
    Happening(
        "foreign-edit",
        "Somebody changed aliases or tags in the MLflow registry by hand.",
        _W,
        "Find out who and why; ask the loop for what was wanted.",
    ),
    # What needs a person.
    Happening(
        "budget",
        "A retrain is called for, and the month's are used up: nothing is done by itself.",
        _W,
        "Read what called for them, then ask for one or leave it.",
        form="retrain",
    ),
    Happening(
        "oscillation",
        "The champion came back to a former model, again: nothing is done by itself.",
        _W,
        "Look for what differs between the windows that chose each, and say which serves.",
        form="retrain",
    ),
    Happening(
        "person-wanted",
        "Triage found something that it does not decide alone.",
        _W,
        "Read its evidence and choose: retrain, revert, or mend the data.",
        form="retrain",
    ),
)
RUNS = (
    Happening("run-failed", "A run ended in an error.", _W, "Read its log.", heard="prefect.flow-run.Failed"),
    Happening(
        "run-crashed",
        "A run's process is gone.",
        _W,
        "Nothing once; more often, look at memory and at the host.",
        heard="prefect.flow-run.Crashed",
    ),
    Happening(
        "run-stuck",
        "A run was told to end: a turn ran for half a day, or somebody cancelled it.",
        _W,
        "Read the last line of its log: what did it wait for?",
        heard="prefect.flow-run.Cancelling",
    ),
    Happening(
        "run-late",
        "A run should have begun and has not.",
        _W,
        "See that the process that serves the deployments lives.",
        heard="prefect.flow-run.Late",
    ),
)
EVENTS: Mapping[str, Happening] = {known.name: known for known in (*_OURS, *RUNS)}

_SPACE = uuid5(NAMESPACE_URL, "perennial:events")
_LONGEST = 1_000  # characters of a sentence
_MOST = 20  # numbers of evidence: who wants more follows the link


@dataclass(frozen=True)
class Event:
    """One happening, and what it is about. What is about the same is the same event, however often it is told."""

    known: Happening
    problem: str
    about: str  # the ledger row, by sequence and hash; or the rollout and model that a gateway stopped
    payload: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> UUID:
        return uuid5(_SPACE, f"{Settings().named(self.problem)}/{self.about}/{self.known.name}")

    def told(self, *, runbook: str) -> dict[str, Any]:
        """Event, resource, payload and id, as Prefect takes them; `runbook` is where RUNBOOK.md can be read."""
        known, said = self.known, {**of_problem(self.problem), **self.payload}
        said["reason"] = str(said["reason"])[:_LONGEST]
        said["evidence"] = {name: _short(value) for name, value in list(said["evidence"].items())[:_MOST]}
        said |= {"severity": str(known.severity), "what": known.when, "do": known.do}
        said["runbook"] = f"{runbook}#{known.name}"
        return {"id": self.id, "event": known.event, "resource": resource_of(self.problem, known), "payload": said}


def of_problem(problem: str) -> dict[str, Any]:
    """The payload's fields, each with what stands there when nothing is known."""
    return {
        "problem": problem,
        "stage": "",
        "before": "",
        "verdict": "",
        "gate": "",
        "reason": "",
        "evidence": {},
        "incident": "",
        "action": "",
        "worth": "",
        "report": "",
        "mlflow": "",
        "form": "",
        "sequence": None,
    }


def resource_of(problem: str, known: Happening) -> dict[str, str]:
    """Labels that automations choose by: severity, and the name, so that each is debounced for itself."""
    return {
        "prefect.resource.id": f"{Settings().mark}.problem.{problem}",
        "prefect.resource.name": problem,
        "perennial.event": known.name,
        "perennial.severity": str(known.severity),
    }


def _short(value: Any) -> Any:
    return value[:200] if isinstance(value, str) else value
