"""Where in its life is a problem, and which arrow does a verdict take from there?"""

from enum import StrEnum

from schemas.verdict import Outcome

__all__ = ["NEXT", "REVERT", "ROLLOUT", "Stage", "diagram"]

REVERT = "REVERT"  # HEALTHY's extra arrow: a person or triage restores the previous champion


class Stage(StrEnum):
    COLD = "COLD"  # nothing serves
    HEALTHY = "HEALTHY"  # the champion serves everything
    RETRAIN = "RETRAIN"  # a challenger is wanted
    SHADOW = "SHADOW"  # the challenger scores the same requests, only the champion answers
    CANARY = "CANARY"  # the challenger answers a share
    AB = "AB"  # half and half, for the business effect
    PROBATION = "PROBATION"  # the new champion serves, the previous one scores in its shadow


ROLLOUT = frozenset({Stage.RETRAIN, Stage.SHADOW, Stage.CANARY, Stage.AB, Stage.PROBATION})

# Every arrow there is. WAIT always stays; a deadline turns it into FAIL.
NEXT: dict[Stage, dict[str, Stage]] = {
    Stage.COLD: {Outcome.PASS: Stage.HEALTHY, Outcome.FAIL: Stage.COLD, Outcome.WAIT: Stage.COLD},
    Stage.HEALTHY: {
        Outcome.PASS: Stage.HEALTHY,
        Outcome.FAIL: Stage.RETRAIN,
        Outcome.WAIT: Stage.HEALTHY,
        REVERT: Stage.HEALTHY,
    },
    Stage.RETRAIN: {Outcome.PASS: Stage.SHADOW, Outcome.FAIL: Stage.HEALTHY, Outcome.WAIT: Stage.RETRAIN},
    Stage.SHADOW: {Outcome.PASS: Stage.CANARY, Outcome.FAIL: Stage.HEALTHY, Outcome.WAIT: Stage.SHADOW},
    Stage.CANARY: {Outcome.PASS: Stage.AB, Outcome.FAIL: Stage.HEALTHY, Outcome.WAIT: Stage.CANARY},
    Stage.AB: {Outcome.PASS: Stage.PROBATION, Outcome.FAIL: Stage.HEALTHY, Outcome.WAIT: Stage.AB},
    Stage.PROBATION: {
        Outcome.PASS: Stage.HEALTHY,
        Outcome.FAIL: Stage.HEALTHY,
        Outcome.WAIT: Stage.PROBATION,
    },
}


def diagram() -> str:
    """NEXT as a mermaid state diagram; the README holds this text and a test compares them.

    >>> diagram().splitlines()[:2]
    ['stateDiagram-v2', '    [*] --> COLD']
    """
    lines = ["stateDiagram-v2", "    [*] --> COLD"]
    for stage, arrows in NEXT.items():
        labels: dict[Stage, list[str]] = {}
        for arrow, target in arrows.items():
            labels.setdefault(target, []).append(str(arrow))
        lines += [f"    {stage} --> {target}: {', '.join(names)}" for target, names in labels.items()]
    return "\n".join(lines)
