"""Which process runs the deployments? One, from code: `python -m deployments.serve` registers them and serves until told to end."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable

from deployments import servers
from schemas.errors import PerennialError
from schemas.settings import Settings

__all__ = ["main", "serve"]


def main() -> int:
    """Serve on the Prefect server of PREFECT_API_URL; 0 when told to end, 1 when there is none."""
    try:
        serve()
    except PerennialError as error:
        print(f"perennial: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        pass  # told to end before it began to serve
    return 0


def serve() -> None:
    """Register what is declared, and run it in subprocesses of this one until SIGTERM or SIGINT."""
    api = os.environ.get("PREFECT_API_URL")
    if not api:
        raise PerennialError("no Prefect server is named: set PREFECT_API_URL, or run `make up`, which starts one.")
    if pool := Settings().work_pool:
        raise PerennialError(
            f"PERENNIAL_WORK_POOL is {pool!r}: runs are started by a worker of that pool. Register with `make deploy` and start one "
            f"(prefect worker start --pool {pool}), or unset it to serve from this process."
        )
    # Runs inherit this environment: our folder as an absolute path, telemetry off, heartbeats on.
    servers.use(api)
    asyncio.run(_serve())


async def _serve() -> None:
    # Prefect reads the environment when it is imported.
    from prefect.runner import Runner

    from deployments.deploy import register

    loop, myself = asyncio.get_running_loop(), asyncio.current_task()
    assert myself is not None
    _on_end(loop, myself.cancel)
    # Pausing on the way out would, in a rolling restart, pause what the next process has just begun to serve.
    runner = Runner(name="perennial", pause_on_shutdown=False)
    names = await register(runner.aadd_deployment)
    print(f"serving {', '.join(names)}", flush=True)
    serving = asyncio.create_task(runner.start())
    await asyncio.sleep(0)
    # The runner has put up a handler of its own by now, which ends in a traceback; ours replaces it.
    told = asyncio.Event()
    _on_end(loop, told.set)
    ending = asyncio.create_task(told.wait())
    await asyncio.wait({serving, ending}, return_when=asyncio.FIRST_COMPLETED)
    if runner.started:
        await runner.astop()
    else:
        serving.cancel()
    await serving
    print("ended", flush=True)


def _on_end(loop: asyncio.AbstractEventLoop, act: Callable[[], object]) -> None:
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, act)


if __name__ == "__main__":
    sys.exit(main())
