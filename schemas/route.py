"""Which models answer requests now, and which share of them? What the registry projects and a gateway follows."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from schemas.errors import PerennialError
from schemas.rows import Model, State, canonical
from schemas.stage import Stage

__all__ = ["BrokenRouteError", "Route", "Served"]


class BrokenRouteError(PerennialError, ValueError):
    """Text that is no route."""


@dataclass(frozen=True)
class Served:
    """A registered model by its content (sha256) and by MLflow's number for it."""

    sha256: str
    version: str
    name: str


@dataclass(frozen=True)
class Route:
    """The part of a ledger state that answering needs. `epoch` rises by one whenever any of the rest changes."""

    problem: str
    epoch: int
    stage: Stage
    share: float
    rollout: int
    champion: Served
    challenger: Served | None = None
    previous: Served | None = None

    @property
    def key(self) -> str:
        """The routing key of this rollout: entities are dealt anew for each."""
        return f"{self.problem}/{self.rollout}"

    @property
    def answers_a_share(self) -> bool:
        return self.stage in (Stage.CANARY, Stage.AB) and self.challenger is not None

    @property
    def rival(self) -> Served | None:
        """Who scores beside the champion: the challenger, or in probation the previous champion."""
        return self.challenger or (self.previous if self.stage is Stage.PROBATION else None)

    @classmethod
    def of(cls, state: State) -> "Route | None":
        """The route of a ledger state; None while nothing serves."""
        if state.champion is None:
            return None
        return cls(
            problem=state.problem,
            epoch=state.epoch,
            stage=state.stage,
            share=state.share,
            rollout=state.rollout,
            champion=_served(state.champion),
            challenger=_served(state.challenger) if state.challenger else None,
            previous=_served(state.previous) if state.previous else None,
        )

    def to_json(self) -> str:
        return canonical(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Route":
        try:
            said: dict[str, Any] = json.loads(text)
            models = {
                role: Served(**said[role]) if said[role] else None for role in ("champion", "challenger", "previous")
            }
            route = cls(**(said | models | {"stage": Stage(said["stage"])}))
        except (ValueError, TypeError, KeyError) as error:
            raise BrokenRouteError(f"this is no route of a problem ({type(error).__name__}).") from None
        if not isinstance(route.champion, Served):
            raise BrokenRouteError("this route names no champion.")
        return route


def _served(model: Model) -> Served:
    return Served(model.sha256, model.version, model.name)
