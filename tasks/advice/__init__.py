"""What should be mended before the first turn, and in which order? Facts in, findings out; nothing is looked up here."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from tasks.advice.exploration import selective_labels
from tasks.advice.facts import Facts
from tasks.advice.feasibility import rollout
from tasks.advice.findings import Finding, Severity, ordered
from tasks.advice.ground import environment, looked_at, stores
from tasks.advice.screen import screen
from tasks.advice.table import contract, delay, key_and_time, labels, leaks, split
from tasks.advice.worth import baselines, explained, light, questions, resolution, risks

__all__ = ["CHECKS", "Facts", "Finding", "Severity", "advise", "screen"]

# In the order in which one rests on the other: what is first is to be mended first.
CHECKS: dict[str, Callable[[Facts], Iterator[Finding]]] = {
    "environment": environment,
    "stores": stores,
    "looked at": looked_at,
    "key and time": key_and_time,
    "contract": contract,
    "labels": labels,
    "label delay": delay,
    "split": split,
    "leaks": leaks,
    "selective labels": selective_labels,
    "rollout": rollout,
    "explainability": explained,
    "framing": questions,
    "size of the model": light,
    "worth": baselines,
    "resolution": resolution,
    "risks": risks,
}


def advise(facts: Facts) -> list[Finding]:
    """Every finding, what must be fixed first. No finding that must be means: ready for the first turn."""
    return ordered(replace(finding, check=name) for name, check in CHECKS.items() for finding in check(facts))
