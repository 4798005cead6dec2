"""How does one machine run all of it? Prefect, MLflow, the deployments, and a gateway a problem that wants one, until Ctrl-C."""

import json
import signal
import subprocess
import sys
from contextlib import ExitStack
from types import FrameType

from deployments import servers
from flows.border import Done
from schemas.problem import known_problems, load_problem
from schemas.settings import Settings

__all__ = ["run"]


def run(*, prefect_port: int, mlflow_port: int, gateway_port: int) -> Done:
    """Start them, say where they are, and end them in order when told to."""
    signal.signal(signal.SIGTERM, _interrupt)
    with ExitStack() as stack:
        print("starting Prefect and MLflow ...", flush=True)
        api = stack.enter_context(servers.prefect_server(prefect_port))
        tracking = stack.enter_context(servers.mlflow_server(mlflow_port))
        env = servers.environment(api_url=api) | {"PERENNIAL_UI_URL": tracking, "MLFLOW_TRACKING_URI": tracking}
        gateways = {
            name: f"http://127.0.0.1:{port}" for port, name in enumerate(_served_by_gateway(), start=gateway_port)
        }
        env = {"PERENNIAL_GATEWAYS": json.dumps(gateways)} | env  # turns link the status pages
        server = subprocess.Popen([sys.executable, "-m", "deployments.serve"], env=env, start_new_session=True)
        stack.callback(servers.end, server)
        for port, name in enumerate(gateways, start=gateway_port):
            command = [sys.executable, "-m", "deployments.gateway", name, "--port", str(port)]
            stack.callback(servers.end, subprocess.Popen(command, env=env, start_new_session=True))
        print(
            f"\n  Prefect      {api.removesuffix('/api')}\n"
            f"  MLflow       {tracking}\n"
            + "".join(f"  gateway      {url}   {name}\n" for name, url in gateways.items())
            + f"  state        {Settings().root}\n"
            f"  from a shell export PREFECT_API_URL={api}\n\n"
            "Ctrl-C ends all of it.\n",
            flush=True,
        )
        said = {"prefect": api, "mlflow": tracking, "gateways": gateways}
        try:
            return Done(said, server.wait())
        except KeyboardInterrupt:
            print("\nending ...", flush=True)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            return Done(said)


def _served_by_gateway() -> list[str]:
    override = Settings().serving
    plans = {name: load_problem(name).serving.answered_by for name in known_problems()}
    return [name for name, plan in plans.items() if (override or plan) == "gateway"]


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
