"""What is started from a shell: the demo, a replay of real data, the servers, the deployments."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from flows.border import GOES_ON, exit_code
from schemas.errors import PerennialError
from schemas.settings import Settings
from tasks.home import makeable

if TYPE_CHECKING:
    from flows.backup import Restored

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 done, 1 refused or something did not happen, 2 wrong usage, 130 stopped by Ctrl-C."""
    args = _parser().parse_args(arguments)

    def run() -> int:
        for name, value in Settings().silence.items():  # before any library is imported that would tell its maker
            os.environ.setdefault(name, value)
        return _run(args)

    return exit_code(run, stopped=lambda: GOES_ON if args.command in ("demo", "loop") else "stopped")


def _run(args: argparse.Namespace) -> int:
    makeable()
    match args.command:
        case "demo":
            from deployments import demo

            return demo.run()
        case "loop":
            from deployments import loop

            return loop.run(args.problem, data=args.data, plain=args.plain)
        case "up":
            from deployments import up

            return up.run(prefect_port=args.prefect_port, mlflow_port=args.mlflow_port, gateway_port=args.gateway_port)
        case "prefect" | "mlflow":
            from deployments import servers

            start = servers.prefect_start if args.command == "prefect" else servers.mlflow_start
            return servers.run(start(args.host, args.port))
        case "backup":
            from flows.backup import backup

            made = backup(args.to)
            print(f"{made}  {made.stat().st_size / 2**20:,.1f} MB")
            return 0
        case "restore":
            from flows.backup import restore

            return _restored(restore(args.source, force=args.force))
        case "rollback":
            from deployments import rollback

            return rollback.run(args.problem, reason=args.reason, url=args.url)
        case "evidently":
            from tasks import monitoring

            monitoring.serve(host=args.host, port=args.port)
            return 0
        case "traffic":
            from deployments import traffic

            return traffic.run(args.problem, rate=args.rate, url=args.url, days=args.days)
        case _:
            from deployments import servers

            if "PREFECT_API_URL" not in os.environ:
                raise PerennialError(
                    "no Prefect server is named: set PREFECT_API_URL, or run `make up`, which deploys too."
                )
            servers.use(os.environ["PREFECT_API_URL"])
            from deployments.deploy import deploy, undeploy
            from flows.orphans import orphans

            if args.command == "undeploy":
                print(f"removed {undeploy(args.of)} deployments of this clone")
                return 0

            for name in deploy():
                print(f"deployed {name}")
            for orphan in orphans():
                print(orphan)
            return 0


def _restored(found: "Restored") -> int:
    for name, rows in found.rows.items():
        print(f"{name}: {rows} rows of the ledger, each follows from the one before")
    for what in found.missing:
        print(f"not in the backup: {what}")
    print(f"restored as it was at {found.taken}; erasures since then are to be made again")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deployments", description="Perennial: where and when it runs.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("demo", help="a compressed year of card payments through the real loop")
    loop = commands.add_parser("loop", help="replay a problem's history, against a frozen and a monthly model")
    loop.add_argument("problem")
    loop.add_argument("--data", type=Path, help="the table; remembered by a link in the data folder")
    loop.add_argument("--plain", action="store_true", help="turn the crank in plain Python, without flow runs")
    # A default that is text is read like what is typed, and refused like it.
    up = commands.add_parser("up", help="Prefect, MLflow and the deployments, until Ctrl-C")
    up.add_argument("--prefect-port", type=int, default=os.environ.get("PREFECT_PORT", "4200"))
    up.add_argument("--mlflow-port", type=int, default=os.environ.get("MLFLOW_PORT", "5000"))
    up.add_argument("--gateway-port", type=int, default=os.environ.get("GATEWAY_PORT", "8000"))
    for name, port in (("prefect", 4200), ("mlflow", 5000)):
        server = commands.add_parser(name, help=f"the {name} server alone, over our database, as a container runs it")
        server.add_argument("--host", default="127.0.0.1", help="it asks nobody who they are: loopback by default")
        server.add_argument("--port", type=int, default=port)
    backup = commands.add_parser("backup", help="all state as one file, taken while turns run")
    backup.add_argument("to", type=Path, help="a folder, or the file NAME.tar.gz")
    restore = commands.add_parser("restore", help="bring a backup's state back, verified first")
    restore.add_argument("source", type=Path)
    restore.add_argument("--force", action="store_true", help="replace what is there")
    traffic = commands.add_parser("traffic", help="send a problem's rows to its gateway, labels late, time compressed")
    traffic.add_argument("problem")
    traffic.add_argument("--rate", type=float, default=200.0, help="requests a second")
    traffic.add_argument("--url", default="http://127.0.0.1:8000", help="where its gateway is")
    traffic.add_argument("--days", type=int, help="of the table's time; all there is by default")
    evidently = commands.add_parser("evidently", help="Evidently's own UI over the reports, until Ctrl-C")
    evidently.add_argument("--port", type=int, default=os.environ.get("EVIDENTLY_PORT", "8085"))
    evidently.add_argument("--host", default="127.0.0.1", help="it asks nobody who they are: loopback by default")
    rollback = commands.add_parser("rollback", help="back to the previous champion, now, and see that it serves")
    rollback.add_argument("problem")
    rollback.add_argument("--reason", default="a person asked")
    rollback.add_argument("--url", help="its gateway; without one the registry is all that is looked at")
    commands.add_parser("deploy", help="register deployments, schedules and automations")
    undeploy = commands.add_parser("undeploy", help="remove from the Prefect server what this clone has deployed there")
    undeploy.add_argument("--of", metavar="LEDGER", help="what was deployed over a ledger that is gone")
    return parser


if __name__ == "__main__":
    sys.exit(main())
