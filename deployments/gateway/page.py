"""What does a person see who opens the gateway? Stage, versions, shares, the evidence so far, the last verdicts."""

from html import escape
from typing import TYPE_CHECKING

from schemas.problem import Problem

if TYPE_CHECKING:
    from deployments.gateway.follower import Follower
    from deployments.gateway.signals import Signals
    from deployments.gateway.worker import Worker

__all__ = ["render"]


def render(problem: Problem, worker: "Worker", follower: "Follower", signals: "Signals") -> str:
    return f"<!doctype html><title>{escape(problem.name)}</title>"
