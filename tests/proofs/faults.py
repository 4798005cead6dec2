"""Is a life of a model the same however often its process is killed? kill -9 at every border, and at random moments.

`python -m tests.proofs faults` (make prove NAME=faults) turns one problem from nothing through training, shadow, canary, A/B and
probation to a new champion: once without a disturbance; once killed at each border there is, before and after every task of the
flow and every write to ledger, registry, log and snapshots; and killed at random moments until a hundred have been. On SQLite,
and with ledger, log and MLflow on a real PostgreSQL.
"""

import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import sqlalchemy as sa

from flows.replay import plain_turn
from schemas.stage import Stage
from tasks import database, ledger, predictions, tracking
from tests.flows import made
from tests.tasks import postgres

__all__ = ["BORDERS", "NAME", "Place", "between", "live", "load", "prove", "story"]

NAME = made.PROBLEM.name
BEGIN = made.START + 38 * made.DAY
DAYS = 40  # within which a life comes to its end
KILLS = 100
# What a turn calls to touch the world, and the tasks of its flow.
BORDERS = (
    "flows.replay.begin",
    "flows.replay.take_step",
    "flows.replay.conclude",
    "tasks.ledger.append",
    "tasks.registry.register",
    "tasks.registry.project",
    "tasks.predictions.log",
    "tasks.predictions.log_labels",
    "tasks.snapshots.freeze",
    "tasks.runs.describe",
    "tasks.runs.keep_profile",
    "tasks.contracts.quarantine",
    "tasks.quality_log.keep_figures",
    "tasks.contract_history.keep",
)


@dataclass(frozen=True)
class Place:
    """Where one life is kept: a home, and the databases' addresses where they are not in it."""

    home: Path
    addresses: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def here(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("PERENNIAL_LEDGER_URL", "PERENNIAL_LOG_URL", "MLFLOW_TRACKING_URI"):
                patch.delenv(name, raising=False)
            for name, value in {"PERENNIAL_HOME": str(self.home), **self.addresses}.items():
                patch.setenv(name, value)
            yield
            database.close_databases()


def live() -> None:
    """Turn the crank daily from where the ledger stands, until a challenger is the champion and out of probation."""
    for _ in range(DAYS):
        state = ledger.state_of(NAME)
        if state.stage is Stage.HEALTHY and state.ended:
            return
        plain_turn(NAME, state.turned + made.DAY if state.turned else BEGIN)
    raise AssertionError(f"no life came to its end in {DAYS} turns; it is {ledger.state_of(NAME).stage}")


def story() -> dict[str, Any]:
    """What is left of a life: the ledger's chain, every row of log and labels once, and what is registered."""
    rows = list(ledger.rows(NAME))
    assert ledger.verify(NAME) == len(rows)
    kept = predictions.cohort(made.PROBLEM, since=made.START, now=made.START + 400 * made.DAY, matured=False)
    versions = tracking.api().search_model_versions(f"name='{NAME}'")
    return {
        "head": rows[-1].hash,
        "rows": len(rows),
        "answers": sorted(kept["key"].astype(str)),
        "labelled": int(kept["label"].notna().sum()),
        "models": sorted(version.tags["sha256"] for version in versions),
    }


def forked(place: Place, work: Callable[[], None]) -> int:
    """The id of a process that does `work` there. It is forked from one that has opened nothing: a start costs no imports."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setpgrp()
        with (place.home / "child.log").open("a") as said:
            os.dup2(said.fileno(), sys.stdout.fileno())
            os.dup2(said.fileno(), sys.stderr.fileno())
        with place.here():
            work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def ended(child: int, place: Place) -> bool:
    """Whether it came to its end by itself; one that failed is a fault of the proof's or of ours, and shown."""
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return False
    if os.WEXITSTATUS(status):
        raise AssertionError((place.home / "child.log").read_text()[-4000:])
    return True


def at_each_border(place: Place) -> dict[str, int]:
    """One life, killed once at each border; how often, by border."""
    seen = place.home / "seen"
    while not ended(forked(place, lambda: _dying_at_what_is_new(seen)), place):
        pass
    counted: dict[str, int] = {}
    for line in set(seen.read_text().split()):
        name = line.split("|")[1]
        counted[name] = counted.get(name, 0) + 1
    return counted


def _dying_at_what_is_new(seen: Path) -> None:
    watch(seen, BORDERS, lambda here, before: here not in before)
    live()


def watch(note: Path, borders: Sequence[str], dies: Callable[[str, set[str]], bool]) -> None:
    """From here on this process notes each border that it meets, and is killed at those that `dies` says, given what was met
    before this process. A border is one by its name, its side, the row of the ledger that comes next, and how often it was met
    since."""
    before = set(note.read_text().split()) if note.exists() else set()
    met: dict[str, int] = {}

    def look(name: str, side: str) -> None:
        what = f"{ledger.state_of(NAME).sequence}|{name}|{side}"
        met[what] = met.get(what, 0) + 1
        here = f"{what}|{met[what]}"
        with note.open("a") as file:
            file.write(f"{here}\n")
            file.flush()
            os.fsync(file.fileno())
        if dies(here, before):
            os.kill(os.getpid(), signal.SIGKILL)

    for border in borders:
        module, _, name = border.rpartition(".")
        between(import_module(module), name, look)


def between(module: Any, name: str, look: Callable[[str, str], None]) -> None:
    real = getattr(module, name)

    def watched(*args: Any, **named: Any) -> Any:
        look(name, "before")
        found = real(*args, **named)
        look(name, "after")
        return found

    setattr(module, name, watched)


def at_random(place: Place, dice: random.Random, *, at_most: int, mean: float) -> int:
    """One life, killed at random moments until it ends or was killed so often; the number of kills."""
    kills = 0
    while True:
        child = forked(place, live)
        deadline = time.monotonic() + dice.expovariate(1 / mean)
        while time.monotonic() < deadline or kills >= at_most:
            if _over(child):
                return kills
            time.sleep(0.005)
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        kills += 1


def _over(child: int) -> bool:
    found, status = os.waitpid(child, os.WNOHANG)
    if found and status:
        raise AssertionError(f"a turn that was gone on with after a kill failed: status {status}")
    return bool(found)


@contextmanager
def places(folder: Path, kind: str) -> Iterator[Callable[[str], Place]]:
    """Makes a fresh place by name, with the problem's table and MLflow's tables."""
    with ExitStack() as stack:
        server = stack.enter_context(postgres.running()) if kind == "postgresql" else ""

        def fresh(name: str) -> Place:
            home = folder / f"{kind}-{name}"
            made.settle(home, made.PROBLEM, made.readings(days=70))
            if not server:
                return Place(home)
            return Place(home, _databases(server, name))

        yield fresh


def _databases(server: str, name: str) -> dict[str, str]:
    """Two databases of one life: ours, and MLflow's, which is copied from one whose tables were made once."""
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        there = set(connection.execute(sa.text("select datname from pg_database")).scalars())
        if "mlflow_tables" not in there:
            connection.execute(sa.text("create database mlflow_tables"))
            _mlflow_tables(_named(server, "mlflow_tables"))
        for own, like in ((f"ours_{name}", "template1"), (f"mlflow_{name}", "mlflow_tables")):
            connection.execute(sa.text(f"create database {own.replace('-', '_')} template {like}"))
    engine.dispose()
    ours, mlflow = _named(server, f"ours_{name}"), _named(server, f"mlflow_{name}")
    return {"PERENNIAL_LEDGER_URL": ours, "PERENNIAL_LOG_URL": ours, "MLFLOW_TRACKING_URI": mlflow}


def _named(server: str, name: str) -> str:
    return sa.make_url(server).set(database=name.replace("-", "_")).render_as_string(hide_password=False)


def _mlflow_tables(url: str) -> None:
    from mlflow.store.db.utils import _initialize_tables

    engine = sa.create_engine(url)
    _initialize_tables(engine)
    engine.dispose()


def load() -> None:
    """Import once what every child would; nothing is opened, since a connection must not be shared by a fork."""
    for name in (
        "mlflow.sklearn",
        "skops.io",
        "duckdb",
        "ibis.backends.duckdb",
        "sklearn.ensemble",
        "pandera",
        "scipy.stats",
    ):
        import_module(name)


def prove(*, kills: int = KILLS, kinds: tuple[str, ...] = ("sqlite", "postgresql")) -> dict[str, Any]:
    found: dict[str, Any] = {}
    load()
    with TemporaryDirectory(prefix="perennial-faults-") as scratch, made.added(made.PROBLEM, Path(scratch)):
        for kind in kinds:
            with places(Path(scratch), kind) as fresh:
                found[kind] = _of(fresh, kills, random.Random(8))
            print(f"{kind}: {found[kind]}", flush=True)
    return found | {"holds": all(one["holds"] for one in found.values())}


def _of(fresh: Callable[[str], Place], kills: int, dice: random.Random) -> dict[str, Any]:
    undisturbed = fresh("whole")
    began = time.monotonic()
    assert ended(forked(undisturbed, live), undisturbed)
    whole = time.monotonic() - began
    with undisturbed.here():
        expected = story()
    bordered = fresh("borders")
    borders = at_each_border(bordered)
    with bordered.here():
        same = [story() == expected]
    print(f"  {sum(borders.values())} borders: {borders}, {'the same' if same[0] else 'ANOTHER STORY'}", flush=True)
    done, lives = 0, 0
    while done < kills:
        place = fresh(f"random-{lives}")
        done += at_random(place, dice, at_most=kills - done, mean=whole / 12)
        with place.here():
            same.append(story() == expected)
        shutil.rmtree(place.home)
        lives += 1
        print(f"  life {lives}: {done} kills, {'the same' if same[-1] else 'ANOTHER STORY'}", flush=True)
    return {
        "seconds_undisturbed": round(whole, 1),
        "ledger_rows": expected["rows"],
        "answers": len(expected["answers"]),
        "models": len(expected["models"]),
        "killed_at_borders": sum(borders.values()),
        "borders": borders,
        "killed_at_random": done,
        "lives": lives + 1,
        "same": sum(same),
        "holds": all(same) and len(set(expected["answers"])) == len(expected["answers"]),
    }
