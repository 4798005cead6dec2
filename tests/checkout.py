"""How does a test get a clone of its own: packages, problems' files and a home that it may edit, rename and remove?"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import pandas as pd

from deployments import servers
from tests.flows import made

__all__ = ["SMALL", "Checkout", "checkout", "until_tomorrow"]

ROOT = Path(__file__).parents[1]
_PACKAGES = ("flows", "tasks", "schemas", "deployments")
SMALL = """\
from dataclasses import replace

from schemas.source import Source
from tests.flows.made import PROBLEM as MADE

PROBLEM = replace(MADE, name={name!r}, source=Source(location="{name}/rows.parquet"), schedule={schedule!r})
"""


@dataclass(frozen=True)
class Checkout:
    """One clone: its code, its home, and what its environment says beside."""

    code: Path
    home: Path
    said: Mapping[str, str] = field(default_factory=dict)

    def env(self) -> dict[str, str]:
        """As `servers` would start it: nothing of the tests' own home and servers, and its code before ours."""
        with_ours = ("PERENNIAL_", "PREFECT_", "MLFLOW_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(with_ours)}
        path = os.pathsep.join(map(str, (self.code, ROOT)))
        own = {"PYTHONPATH": path, "PERENNIAL_HOME": str(self.home), "PERENNIAL_REPORTS": "alarms"}
        silent = {"DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "OMP_NUM_THREADS": "1"}
        return kept | silent | {"PREFECT_SERVER_ANALYTICS_ENABLED": "false"} | own | dict(self.said)

    def run(self, *command: str, **said: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *command],
            env=self.env() | said,
            cwd=self.code,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def start(self, *command: str, log: IO[bytes], **said: str) -> "subprocess.Popen[bytes]":
        """In a process group of its own, which a test may kill as a whole: a machine that dies takes all of it along."""
        env = self.env() | said
        return subprocess.Popen(
            [sys.executable, *command], env=env, cwd=self.code, stdout=log, stderr=log, start_new_session=True
        )

    def file(self, problem: str) -> Path:
        return self.code / "schemas" / "problems" / f"{problem}.py"

    def add(self, problem: str, *, schedule: str = "0 6 * * *") -> None:
        """A small problem: a file, as anybody adds one."""
        self.file(problem).write_text(SMALL.format(name=problem, schedule=schedule))


def checkout(folder: Path, problems: Sequence[str], *, schedule: str = "0 6 * * *", **said: str) -> Checkout:
    """A clone in `folder` with these problems and no others; nothing is in its home."""
    code = folder / "code"
    for package in _PACKAGES:
        shutil.copytree(ROOT / package, code / package, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    for file in (code / "schemas" / "problems").glob("[a-z]*.py"):
        file.unlink()
    made_here = Checkout(code, folder / "home", said)
    for name in problems:
        made_here.add(name, schedule=schedule)
    made_here.home.mkdir(parents=True)
    return made_here


def until_tomorrow(*, days: int = 70, per_day: int = 120) -> pd.DataFrame:
    """The small problems' table, as if its last day were tomorrow: turns of the present find rows to answer."""
    rows = made.readings(days=days, per_day=per_day)
    shift = pd.Timestamp(datetime.now(UTC)).normalize() + timedelta(days=1) - rows["at"].max().normalize()
    return rows.assign(at=rows["at"] + shift, band_at=rows["band_at"] + shift).astype(
        {"at": made.TIME, "band_at": made.TIME}
    )


def free_api() -> str:
    return f"http://127.0.0.1:{servers.free_port()}/api"
