"""What is started from a shell: the demo, a replay of real data, the servers, the deployments."""

import argparse
import os
import sys
from dataclasses import asdict
from pathlib import Path

from flows.border import GOES_ON, AddCommand, Args, Done, Parser, adding, command_line
from schemas.errors import PerennialError

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 done, 1 refused or something did not happen, 2 wrong usage, 130 stopped by Ctrl-C."""
    return command_line(_parser, arguments)


def _demo(_args: Args) -> Done:
    from deployments import demo

    return demo.run()


def _loop(args: Args) -> Done:
    from deployments import loop

    return loop.run(args.problem, data=args.data, plain=args.plain)


def _up(args: Args) -> Done:
    from deployments import up

    return up.run(prefect_port=args.prefect_port, mlflow_port=args.mlflow_port, gateway_port=args.gateway_port)


def _prefect(args: Args) -> Done:
    from deployments import servers

    return servers.run(servers.prefect_start(args.host, args.port))


def _mlflow(args: Args) -> Done:
    from deployments import servers

    return servers.run(servers.mlflow_start(args.host, args.port))


def _backup(args: Args) -> Done:
    from flows.backup import backup

    made = backup(args.to)
    size = made.stat().st_size
    print(f"{made}  {size / 2**20:,.1f} MB")
    return Done({"file": made, "bytes": size})


def _restore(args: Args) -> Done:
    from flows.restoring import restore

    found = restore(args.source, force=args.force)
    for name, rows in found.rows.items():
        print(f"{name}: {rows} rows of the ledger, each follows from the one before")
    for what in found.missing:
        print(f"not in the backup: {what}")
    print(f"restored as it was at {found.taken}; erasures since then are to be made again")
    return Done(asdict(found))


def _rollback(args: Args) -> Done:
    from deployments import rollback

    return rollback.run(args.problem, reason=args.reason, url=args.url, actor=args.actor)


def _evidently(args: Args) -> Done:
    from tasks import monitoring

    monitoring.serve(host=args.host, port=args.port)
    return Done({})


def _traffic(args: Args) -> Done:
    from deployments import traffic

    return traffic.run(args.problem, rate=args.rate, url=args.url, days=args.days)


def _deploy(_args: Args) -> Done:
    _server()
    from deployments.deploy import deploy
    from flows.orphans import orphans

    deployed, left = deploy(), [str(orphan) for orphan in orphans()]
    for name in deployed:
        print(f"deployed {name}")
    for orphan in left:
        print(orphan)
    return Done({"deployments": deployed, "orphans": left})


def _undeploy(args: Args) -> Done:
    _server()
    from deployments.deploy import undeploy

    removed = undeploy(args.of)
    print(f"removed {removed} deployments of this clone")
    return Done({"removed": removed})


def _server() -> None:
    """Speak to the Prefect server that is named."""
    from deployments import servers

    if "PREFECT_API_URL" not in os.environ:
        raise PerennialError("no Prefect server is named: set PREFECT_API_URL, or run `make up`, which deploys too.")
    servers.use(os.environ["PREFECT_API_URL"])


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m deployments", description="Perennial: where and when it runs.")
    command = adding(parser)
    for add in (_replays, _servers, _state, _loops):
        add(command)
    return parser


def _replays(command: AddCommand) -> None:
    """A year, or a table, as it would have been."""
    says = ("turns", "seconds", "ledger_rows", "drift_found_day", "happened")
    demo = command("demo", _demo, "a compressed year of card payments through the real loop", says=says, problem=None)
    about = "replay a problem's history, against a frozen and a monthly model"
    ways = ("loop", "loop_without_rollout", "frozen", "monthly", "weekly_all", "weekly_trailing")
    counts = ("retrains", "promotions", "turns", "weekly_retrains", "seconds")
    loop = command("loop", _loop, about, says=("problem", "metric", "rows", *ways, *counts))
    loop.add_argument("--data", type=Path, help="the table; remembered by a link in the data folder")
    loop.add_argument("--plain", action="store_true", help="turn the crank in plain Python, without flow runs")
    for goes_on in (demo, loop):
        goes_on.set_defaults(stopped=GOES_ON)


def _servers(command: AddCommand) -> None:
    """What runs until it is ended."""
    about = "Prefect, MLflow and the deployments, until Ctrl-C"
    up = command("up", _up, about, says=("prefect", "mlflow", "gateways"), problem=None)
    # A default that is text is read like what is typed, and refused like it.
    up.add_argument("--prefect-port", type=int, default=os.environ.get("PREFECT_PORT", "4200"), help="of its UI")
    up.add_argument("--mlflow-port", type=int, default=os.environ.get("MLFLOW_PORT", "5000"), help="of its UI")
    up.add_argument(
        "--gateway-port", type=int, default=os.environ.get("GATEWAY_PORT", "8000"), help="of the first gateway"
    )
    for name, run, port in (("prefect", _prefect, 4200), ("mlflow", _mlflow, 5000)):
        about = f"the {name} server alone, over our database, as a container runs it"
        server = command(name, run, about, says=(), problem=None)
        server.add_argument("--host", default="127.0.0.1", help="it asks nobody who they are: loopback by default")
        server.add_argument("--port", type=int, default=port, help="to listen on")
    evidently = command("evidently", _evidently, "Evidently's own UI over the reports", says=(), problem=None)
    evidently.add_argument("--port", type=int, default=os.environ.get("EVIDENTLY_PORT", "8085"), help="of its UI")
    evidently.add_argument("--host", default="127.0.0.1", help="it asks nobody who they are: loopback by default")


def _state(command: AddCommand) -> None:
    """All that is kept, out of the way and back."""
    about = "all state as one file, taken while turns run"
    backup = command("backup", _backup, about, says=("file", "bytes"), problem=None)
    backup.add_argument("to", type=Path, help="a folder, or the file NAME.tar.gz")
    about = "bring a backup's state back, verified first"
    restore = command("restore", _restore, about, says=("rows", "taken", "missing"), problem=None)
    restore.add_argument("source", type=Path, help="the file")
    restore.add_argument("--force", action="store_true", help="replace what is there")


def _loops(command: AddCommand) -> None:
    """What is done to a loop that runs."""
    about = "send a problem's rows to its gateway, labels late, time compressed"
    traffic = command("traffic", _traffic, about, says=("problem", "answered", "refused"))
    traffic.add_argument("--rate", type=float, default=200.0, help="requests a second")
    traffic.add_argument("--url", default="http://127.0.0.1:8000", help="where its gateway is")
    traffic.add_argument("--days", type=int, help="of the table's time; all there is by default")
    about = "back to the previous champion, now, and see that it serves"
    rollback = command("rollback", _rollback, about, says=("problem", "stage", "champion", "seconds", "verified"))
    rollback.add_argument("--reason", default="a person asked", help="why; it stands in the ledger for good")
    rollback.add_argument("--actor", default="", help="who asks; by default whoever runs this")
    rollback.add_argument("--url", help="its gateway; without one the registry is all that is looked at")
    command(
        "deploy",
        _deploy,
        "register deployments, schedules and automations",
        says=("deployments", "orphans"),
        problem=None,
    )
    about = "remove from the Prefect server what this clone has deployed there"
    undeploy = command("undeploy", _undeploy, about, says=("removed",), problem=None)
    undeploy.add_argument("--of", metavar="LEDGER", help="what was deployed over a ledger that is gone")


if __name__ == "__main__":
    sys.exit(main())
