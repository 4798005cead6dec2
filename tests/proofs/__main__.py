"""What does an issue's full judging say? `python -m tests.proofs NAME` runs it and leaves figures/prove-NAME.json."""

import subprocess
import sys
import time
from typing import Any

from tasks.figures import keep


def evidence() -> dict[str, Any]:
    """The statistics suite, the whole gate, a million rows, every mutant of the gates, every drill."""
    import numpy as np

    from schemas.plans import PairedTest, Promotion
    from tasks import gates
    from tests.proofs.whole_gate import prove

    print("the whole gate, offline and live, with a look every hundred rows")
    whole = prove()
    rng = np.random.default_rng(1)
    champion, challenger = rng.random(1_000_000), rng.random(1_000_000)
    seconds = {}
    for test in PairedTest:
        began = time.perf_counter()
        gates.paired_sequential(
            champion,
            challenger,
            promotion=Promotion.SUPERIORITY,
            margin=0.01,
            alpha=0.05,
            enough=True,
            test=test,
        )
        seconds[str(test)] = round(time.perf_counter() - began, 3)
    print(f"one million paired rows judged in {seconds} s")
    commands = {
        "evidence": ["-m", "tests.proofs.evidence"],
        "mutations": ["-m", "tests.proofs.mutations"],
        "drills": ["-m", "flows", "drills"],
    }
    exits = {
        name: subprocess.run([sys.executable, *command], check=False).returncode for name, command in commands.items()
    }
    holds = all(one["holds"] for one in whole) and not any(exits.values())
    return {"whole_gate": whole, "million_rows_seconds": seconds, "exits": exits, "holds": holds}


def histories() -> dict[str, Any]:
    """A thousand random histories of promotions, races, reverts and crashes."""
    from tests.proofs.histories import prove

    return prove()


def gateway() -> dict[str, Any]:
    """Kills under load, a database that stops, swaps under load, a registry that is away, malformed requests."""
    from tests.proofs.gateway import prove

    return prove()


def labels() -> dict[str, Any]:
    """A thousand random tables with labels of any delay, from the file to what a recipe is fitted on."""
    from tests.proofs.labels import prove

    return prove()


def corruptions() -> dict[str, Any]:
    """A hundred corrupted variants of a good table, each in quarantine or in one screen."""
    from tests.proofs.corruptions import prove

    return prove()


def delays() -> dict[str, Any]:
    """Simulated problems whose labels come late for what they say: quality realised, estimated and expected, through the log."""
    from tests.proofs.delays import prove

    return prove()


def drift() -> dict[str, Any]:
    """Sixteen thousand windows without drift, and worlds in which something drifts."""
    from tests.proofs.drift import prove

    return prove()


def incidents() -> dict[str, Any]:
    """Six kinds of incident by thirty worlds and a hundred corruptions: the right action, and one retrain at most."""
    from tests.proofs.incidents import prove

    return prove()


def nights() -> dict[str, Any]:
    """Nights of experiments killed a hundred times, and a text problem that finds its way by the flow alone."""
    from tests.proofs.nights import prove

    return prove()


def selective() -> dict[str, Any]:
    """Labels that a model chose to see: intervals for all rows, through the real log, and over many retrains."""
    from tests.proofs.selective import prove

    return prove()


def causes() -> dict[str, Any]:
    """Eight planted causes by ten worlds: the constraint that binds; and one recipe under other seeds, which is no gain."""
    from tests.proofs.causes import prove

    return prove()


def choosing() -> dict[str, Any]:
    """Problems with a known best action: experiments until it is found, by our choice, at random and in a fixed order."""
    from tests.proofs.choosing import prove

    return prove()


def faults() -> dict[str, Any]:
    """A life from training to promotion, killed at every border and at a hundred random moments, on SQLite and PostgreSQL."""
    from tests.proofs.faults import prove

    return prove()


def crashes() -> dict[str, Any]:
    """A full disk at every border, a database away in every stage, worker and server killed in a training: the next turn goes on."""
    from tests.proofs.crashes import prove

    return prove()


def scoring() -> dict[str, Any]:
    """A month of rows scored as one request that is killed thirty times: each row once, in the log and in the output."""
    from tests.proofs.scoring import prove

    return prove()


def twenty() -> dict[str, Any]:
    """Twenty problems on one machine, 96 turns each as fast as they come: none missed, memory flat, disk bounded, pages quick."""
    from tests.proofs.twenty import prove

    return prove()


def racing() -> dict[str, Any]:
    """Two schedulers, two workers, people and a shell at three problems, one worker killed: every turn once, none beside another."""
    from tests.proofs.racing import prove

    return prove()


def flow_faults() -> dict[str, Any]:
    """The same life by the real flow on a real Prefect server, killed at a sample of borders and at random moments."""
    from tests.proofs.flow_faults import prove

    return prove()


PROOFS = {
    "evidence": evidence,
    "histories": histories,
    "gateway": gateway,
    "corruptions": corruptions,
    "labels": labels,
    "delays": delays,
    "drift": drift,
    "incidents": incidents,
    "nights": nights,
    "selective": selective,
    "causes": causes,
    "choosing": choosing,
    "faults": faults,
    "crashes": crashes,
    "scoring": scoring,
    "twenty": twenty,
    "racing": racing,
    "flow-faults": flow_faults,
}


def main(names: list[str]) -> int:
    if len(names) != 1 or names[0] not in PROOFS:
        print(f"usage: make prove NAME={'|'.join(PROOFS)}", file=sys.stderr)
        return 2
    began = time.monotonic()
    figures = PROOFS[names[0]]()
    keep(f"prove-{names[0]}", figures | {"seconds": round(time.monotonic() - began, 1)})
    print("holds" if figures["holds"] else "DOES NOT HOLD")
    return 0 if figures["holds"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
