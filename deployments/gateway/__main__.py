"""`python -m deployments.gateway PROBLEM`: serve one problem's champion, and whoever is on trial beside it."""

import argparse
import asyncio
import gc
import ipaddress
import logging
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Thread
from typing import TYPE_CHECKING, Any

from schemas.errors import PerennialError
from schemas.events import EVENTS, Event
from schemas.problem import Problem, load_problem
from schemas.settings import Settings
from schemas.verdict import Outcome
from tasks import logs

if TYPE_CHECKING:
    from tasks.journal import Trip

__all__ = ["main", "serve"]

log = logging.getLogger("perennial.gateway")
_TURNS_OF_THE_LOOP = 3  # answers are sent in the first, requests that follow are read in the others


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to end; 0 then, 1 when it cannot begin."""
    parser = argparse.ArgumentParser(prog="python -m deployments.gateway", description="The model server of a problem.")
    parser.add_argument("problem")
    parser.add_argument("--host", default="127.0.0.1", help="anything but loopback wants PERENNIAL_GATEWAY_TOKEN")
    parser.add_argument("--port", type=int, default=8000)
    args = parser.parse_args(arguments)
    try:
        logs.begin(Settings().logs, problem=args.problem)
        # Where a handler is there already, as of JSON lines, this does nothing.
        logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        log.setLevel(logging.INFO)
        serve(load_problem(args.problem), host=args.host, port=args.port)
    except PerennialError as error:
        print(f"perennial: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def serve(problem: Problem, *, host: str, port: int) -> None:
    """Answer requests on `host`:`port` until SIGTERM or SIGINT; what was taken in is answered before it ends."""
    # A registry that is away must not hold the look at the next route for minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
    import uvicorn
    from uvicorn.config import LOGGING_CONFIG

    json_lines = Settings().logs == "json"
    app = build(problem, loopback=_is_loopback(host))
    from deployments.gateway.http import LimitedProtocol

    config = uvicorn.Config(
        app,
        http=LimitedProtocol,
        host=host,
        port=port,
        access_log=False,
        log_config=None if json_lines else LOGGING_CONFIG,  # None: uvicorn's lines go where all others go
        proxy_headers=False,
        log_level="warning",
        server_header=False,
        date_header=False,
        ws="none",
        timeout_graceful_shutdown=10,
        timeout_keep_alive=75,
    )
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(uvicorn.Server(config), app))


async def _serve(server: Any, app: Any) -> None:
    loop = asyncio.get_running_loop()
    app.worker.deliver = lambda pairs: loop.call_soon_threadsafe(_deliver, loop, app.worker, pairs)
    await asyncio.to_thread(app.follower.look)
    # A full collection walks every object of the libraries, a quarter of a second in which nobody is answered. What is
    # there by now stays for good.
    gc.collect()
    gc.freeze()
    for thread in (app.worker, app.worker.mirror, app.follower):
        thread.start()
    await server.serve()


def _deliver(loop: asyncio.AbstractEventLoop, worker: Any, pairs: list[tuple[Any, Any]]) -> None:
    """Resolve, and tell the worker when the answers are on their way and what came meanwhile is queued: then it takes all of
    it at once, and no timer waits for a batch to fill."""
    for ask, reply in pairs:
        if not ask.future.done():  # its client has gone
            ask.future.set_result(reply)
    _after(loop, _TURNS_OF_THE_LOOP, worker.delivered.set)


def _after(loop: asyncio.AbstractEventLoop, turns: int, act: Callable[[], None]) -> None:
    if turns:
        loop.call_soon(_after, loop, turns - 1, act)
    else:
        act()


def build(problem: Problem, *, loopback: bool) -> Any:
    """The application with its threads, none of them started yet."""
    from deployments.gateway.app import Access, App
    from deployments.gateway.breaker import Breaker
    from deployments.gateway.follower import Follower
    from deployments.gateway.signals import Signals
    from deployments.gateway.worker import Worker
    from tasks.door import Door
    from tasks.journal import Group, Journal, Numbers
    from tasks.spill import Spill

    settings, signals = Settings(), Signals(problem.name)
    folder = settings.root / "gateway" / problem.name
    door = Door(problem)
    for what in door.listed:
        log.warning("%s: checked beside the answer, and not at the door: %s", problem.name, what)
    journal = Journal(problem, [(name, door.columns[name].kind) for name in door.asked])
    numbers = Numbers(_registered(journal))

    def on_trip(trip: "Trip") -> None:
        log.error("%s: the challenger's breaker tripped: %s", problem.name, trip.reason)
        worker.queue.put(Group(trips=[trip]))
        Thread(target=emit, args=(problem, trip), daemon=True).start()

    breaker = Breaker(problem.serving, problem.rollout, on_trip)
    worker = Worker(problem, journal, Spill(folder / "spill"), numbers, breaker, signals, lambda _pairs: None)

    def swap(serving: Any) -> None:
        worker.serving = serving

    follower = Follower(problem, door, folder, breaker, signals, swap, worker.queue.put, worker.nudge)
    token = settings.gateway_token.get_secret_value() if settings.gateway_token else None
    return App(problem, worker, follower, signals, Access(token, loopback))


def _registered(journal: Any) -> int:
    """This replica's number; while the log is away, a random one."""
    try:
        return int(journal.register(datetime.now(UTC)))
    except PerennialError as error:
        log.error("%s", error)
        return int.from_bytes(os.urandom(2), "big")


def emit(problem: Problem, trip: "Trip") -> None:
    """Tell Prefect, so that the next turn comes at once. Replicas that trip over one challenger tell of one event; a lost one
    only delays: every turn reads the trips."""
    from tasks.posting import post

    said = {
        "verdict": str(Outcome.FAIL),
        "gate": "breaker",
        "reason": trip.reason,
        "evidence": {"rollout": trip.rollout, "model": trip.model[:12]},
    }
    event = Event(EVENTS["trip"], problem.name, f"{trip.rollout}/{trip.model}", said)
    post(event, occurred=trip.at, runbook=Settings().runbook)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    sys.exit(main())
