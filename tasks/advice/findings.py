"""What is a finding: how much it matters, what it is, on what evidence, and what to do next?"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Severity", "ordered", "several"]


class Severity(StrEnum):
    """In the order in which a person would act."""

    MUST = "must fix"  # the first turn, or every rollout, would fail
    SHOULD = "should fix"  # it runs, and what it says is worth less
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """One thing to know, and the exact next step."""

    severity: Severity
    what: str
    evidence: str
    next_step: str
    check: str = ""  # which of the checks found it


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """By severity; among equals as they were found, which is the order in which one rests on the other."""
    return sorted(findings, key=lambda finding: list(Severity).index(finding.severity))


def several(names: Iterable[str], *, most: int = 3) -> str:
    """The first few names, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
