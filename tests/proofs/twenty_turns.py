"""How does one long-lived process turn cranks as fast as they come? `python -m tests.proofs.twenty_turns FILE TURNS UNTIL NAME ...`

Each turn is a flow run of the problem's deployment, made, taken and run as a runner's process does it; what is spared is the start
of a process, and its imports. After each a line goes to FILE: problem, turn, seconds, memory, and what went wrong. No round of its
problems begins after UNTIL, in seconds since 1970.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.flow_engine import run_flow
from prefect.states import Pending, Scheduled
from prefect.utilities.engine import propose_state_sync

import flows.lifecycle
from flows import overview
from schemas.rows import Entry
from tasks import ledger
from tests.proofs.twenty_counted import rss
from tests.proofs.twenty_problems import moment

_tell = flows.lifecycle.tell


def main(arguments: list[str]) -> int:
    file, turns, until, *names = arguments
    flows.lifecycle.tell = _as_live
    with get_client(sync_client=True) as client, Path(file).open("a") as out:
        ids = {name: client.read_deployment_by_name(f"lifecycle/{name}").id for name in names}
        for turn in range(int(turns)):
            for name in names if time.time() < float(until) else ():
                if (state := ledger.state_of(name)).turned and state.turned >= moment(turn):
                    continue  # a process of its own took it
                out.write(json.dumps(_turned(client, ids[name], name, turn)) + "\n")
                out.flush()
    return 0


def _turned(client: SyncPrefectClient, deployment: UUID, name: str, turn: int) -> dict[str, Any]:
    began, wrong = time.perf_counter(), ""
    run = client.create_flow_run_from_deployment(
        deployment,
        parameters={"problem": name, "now": moment(turn).isoformat()},
        state=Scheduled(),
        idempotency_key=f"{name}/{turn}",
    )
    waited = 0
    while not propose_state_sync(client, Pending(), flow_run_id=run.id).is_pending():
        waited += 1  # the deployment's only slot is not free yet
        time.sleep(0.5)
    try:
        run_flow(flows.lifecycle.lifecycle, flow_run=client.read_flow_run(run.id))
    except Exception as error:  # a turn that fails is a turn that is missed: the next one comes all the same
        wrong = f"{type(error).__name__}: {error}"[:500]
    taken = time.perf_counter() - began
    return {"problem": name, "turn": turn, "seconds": taken, "waited": waited, "rss": rss("self"), "wrong": wrong}


def _as_live(entry: Entry, *, live: bool) -> None:
    """What a live turn shows beyond a replay's: the table of problems. Its events would start flows at the present moment."""
    _tell(entry, live=live)
    overview.tell()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
