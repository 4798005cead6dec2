"""What is a client told about one request? A status, and for 200 the answer a row."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.framing import Framing
from tasks.door import Breach

__all__ = ["Reply", "decisions_as_said", "joined", "positions", "predictions_as_said"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a client is told: an HTTP status, and for 200 the answer a row."""

    status: int
    says: str = ""
    breaches: tuple[Breach, ...] = ()
    predictions: list[Any] = field(default_factory=list)
    decisions: list[Any] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)
    version: str = ""
    epoch: int = 0
    request: int = 0
    seconds: float = 0.0
    explored: tuple[int, ...] = ()  # positions of rows whose decision was drawn

    @classmethod
    def unready(cls) -> "Reply":
        return cls(503, "no model is loaded yet; ask again in some seconds.")

    @classmethod
    def failed(cls) -> "Reply":
        return cls(500, "the gateway itself failed on this request; its log says how.")

    @classmethod
    def unlogged(cls) -> "Reply":
        return cls(
            503, "the prediction log cannot be written, and an answer that is not logged is not given; ask again."
        )

    @classmethod
    def unanswered(cls, request: int) -> "Reply":
        return cls(503, "no model could answer a row of this request; it was logged.", request=request)

    @classmethod
    def conflict(cls) -> "Reply":
        return cls(409, "this request id was used for another payload; give each request an id of its own.")

    @classmethod
    def of_rows(cls, rows: Sequence[dict[str, Any]], framing: Framing, request: int) -> "Reply":
        """The reply that was given when these rows were logged."""
        if any(row["answer_decision"] is None for row in rows):
            return cls.unanswered(request)
        if framing.task == "multiclass":
            score = [json.loads(row["answer_scores"]) if row["answer_scores"] else None for row in rows]
        else:
            score = [row["answer_score"] for row in rows]
        decisions = [row["answer_decision"] for row in rows]
        return cls(
            200,
            predictions=predictions_as_said(score, framing),
            decisions=decisions_as_said(decisions, framing),
            # Logged is who was to answer; where the challenger raised, the champion did.
            roles=["champion" if row["role"] == "challenger" and row["rival_error"] else row["role"] for row in rows],
            version=joined([row["version"] for row in rows]),
            epoch=rows[0]["epoch"],
            request=request,
            explored=positions([row["explored"] for row in rows]),
        )


def positions(flags: Iterable[Any]) -> tuple[int, ...]:
    """Where the flags are set."""
    return tuple(position for position, flag in enumerate(flags) if flag)


def predictions_as_said(score: Sequence[Any], framing: Framing) -> list[Any]:
    """As MLflow's own server gives them: of two classes both probabilities."""
    if framing.task == "binary":
        return [[1.0 - p, p] for p in score]
    return list(score)


def decisions_as_said(decisions: Sequence[float], framing: Framing) -> list[Any]:
    """0 or 1, a class by its name, or the prediction."""
    if framing.task == "multiclass":
        return [framing.classes[int(d)] if d is not None and d == d else None for d in decisions]
    return [int(d) for d in decisions] if framing.task == "binary" and None not in decisions else list(decisions)


def joined(values: Sequence[Any]) -> str:
    return ",".join(dict.fromkeys(map(str, values)))
