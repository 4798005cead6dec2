"""How does one machine run all of it? Prefect, MLflow and the process that serves the deployments, until Ctrl-C."""

import signal
import subprocess
import sys
from contextlib import ExitStack
from types import FrameType

from deployments import servers
from schemas.settings import Settings

__all__ = ["run"]


def run(*, prefect_port: int, mlflow_port: int) -> int:
    """Start the three, say where they are, and end them in order when told to."""
    signal.signal(signal.SIGTERM, _interrupt)
    with ExitStack() as stack:
        print("starting Prefect and MLflow ...", flush=True)
        api = stack.enter_context(servers.prefect_server(prefect_port))
        tracking = stack.enter_context(servers.mlflow_server(mlflow_port))
        env = servers.environment(api_url=api) | {"PERENNIAL_UI_URL": tracking, "MLFLOW_TRACKING_URI": tracking}
        server = subprocess.Popen([sys.executable, "-m", "deployments.serve"], env=env, start_new_session=True)
        stack.callback(servers.end, server)
        print(
            f"\n  Prefect      {api.removesuffix('/api')}\n"
            f"  MLflow       {tracking}\n"
            f"  state        {Settings().root}\n"
            f"  from a shell export PREFECT_API_URL={api}\n\n"
            "Ctrl-C ends all of it.\n",
            flush=True,
        )
        try:
            return server.wait()
        except KeyboardInterrupt:
            print("\nending ...", flush=True)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            return 0


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
