"""Is a life the same when the flow engine runs it and is killed? The real `lifecycle` flow, a real Prefect server, kill -9.

`python -m tests.proofs flow-faults` (make prove NAME=flow-faults) takes one problem from nothing to a new champion out of probation
by the flow, on one real server over SQLite: once without a disturbance, and in further lives at once, each a clone of its own on
that server, which are killed at a sample of the borders that the first one met (before and after the flow's tasks, and every write
to ledger, registry, log and snapshots) and at random moments of a turn. A killed turn keeps its problem's slot until its lease is
over: the next one waits for that, as it would in production. A life that was killed at random just after a model was registered
does not register it again: a border that is not met again for such a reason is counted, and at most one in ten may be.
"""

import json
import os
import random
import signal
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments import servers
from flows.lifecycle import lifecycle
from flows.replay import quick_flows
from schemas.stage import Stage
from tasks import ledger
from tests.flows import made
from tests.proofs import faults
from tests.proofs.faults import BEGIN, BORDERS, DAYS, NAME, Place, ended, forked, story

__all__ = ["prove"]

LIVES, BORDERS_A_LIFE, RANDOM_A_LIFE = 5, 4, 2
FLOW = ("flows.lifecycle.open_turn", "flows.lifecycle.take_step", "flows.lifecycle.close_turn", "flows.lifecycle.tell")
WATCHED = (*FLOW, *(border for border in BORDERS if not border.startswith("flows.")))


def live(api: str) -> None:
    """As `faults.live`, by the flow, on the server: the moment is given, as a replay gives it."""
    with temporary_settings({PREFECT_API_URL: api}), quick_flows():
        for _ in range(DAYS):
            state = ledger.state_of(NAME)
            if state.stage is Stage.HEALTHY and state.ended:
                return
            lifecycle(NAME, now=state.turned + made.DAY if state.turned else BEGIN)
    raise AssertionError(f"no life came to its end in {DAYS} turns; it is {ledger.state_of(NAME).stage}")


def watched(note: Path, die_at: set[str], api: str) -> None:
    """A life that notes each border that it meets, and is killed at those of `die_at` that were not met before."""
    faults.watch(note, WATCHED, lambda here, before: here in die_at - before)
    live(api)


def disturbed(place: Place, borders: list[str], dice: random.Random, *, turn: float, api: str) -> dict[str, int]:
    """One life, killed at those borders, and as often as wanted a random time after a turn has begun; the kills."""
    note, kills = place.home / "met", {"border": 0, "random": 0}
    deadly = sorted(
        dice.sample(range(1, 10), RANDOM_A_LIFE)
    )  # rows of the ledger before which a random moment is the last
    while True:
        began = len(note.read_text().split()) if note.exists() else 0
        child = forked(place, lambda: watched(note, set(borders), api))
        deadline: float | None = None
        while True:
            found, status = os.waitpid(child, os.WNOHANG)
            if found:
                break
            new = note.read_text().split()[began:] if note.exists() else []
            at = next((one for one in reversed(new) if "|open_turn|before|" in one), None)
            if deadline is None and at and deadly and int(at.split("|")[0]) >= deadly[0]:
                deadline = time.monotonic() + dice.uniform(0, turn)
            if deadline is not None and time.monotonic() >= deadline:
                os.killpg(child, signal.SIGKILL)
                deadly, deadline = deadly[1:], None
                kills["random"] += 1
            time.sleep(0.01)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0, (place.home / "child.log").read_text()[-4000:]
            kills["border"] = len(set(borders) & set(note.read_text().split()))
            return kills


def chosen(met: list[str], dice: random.Random) -> list[list[str]]:
    """Borders for each life, at most one before each row of the ledger: each is met before its life is disturbed there."""
    shares = []
    for _ in range(LIVES):
        by_row: dict[str, list[str]] = {}
        for one in met:
            if one.endswith("|1"):
                by_row.setdefault(one.split("|")[0], []).append(one)
        shares.append(
            [dice.choice(by_row[row]) for row in dice.sample(sorted(by_row), min(BORDERS_A_LIFE, len(by_row)))]
        )
    return shares


def prove() -> dict[str, Any]:
    faults.load()
    dice = random.Random(9)
    with TemporaryDirectory(prefix="perennial-flow-faults-") as scratch, made.added(made.PROBLEM, Path(scratch)):
        folder = Path(scratch)
        with faults.places(folder, "sqlite") as fresh, pytest.MonkeyPatch.context() as patch:
            for name in [one for one in os.environ if one.startswith("PREFECT_")]:
                patch.delenv(name)
            patch.setenv("PERENNIAL_HOME", str(folder / "server"))
            with servers.prefect_server() as api:
                return _of(fresh, dice, api)


def _of(fresh: Any, dice: random.Random, api: str) -> dict[str, Any]:
    whole, note = _place(fresh, "whole"), "met"
    began = time.monotonic()
    assert ended(forked(whole, lambda: watched(whole.home / note, set(), api)), whole)
    seconds = time.monotonic() - began
    met = (whole.home / note).read_text().split()
    with whole.here():
        expected = story()
    print(f"undisturbed: {expected['rows']} rows in {seconds:.0f} s, {len(met)} borders", flush=True)
    shares, lives = chosen(met, dice), []
    for number, borders in enumerate(shares):
        place = _place(fresh, f"life{number}")
        work = partial(_disturb, place, borders, random.Random(100 + number), turn=seconds / expected["rows"], api=api)
        supervisor = forked(place, work)
        lives.append((place, borders, supervisor))
    kills, same, which = {"border": 0, "random": 0}, [], []
    for place, borders, supervisor in lives:
        assert ended(supervisor, place)
        told = json.loads((place.home / "kills.json").read_text())
        kills = {kind: kills[kind] + told[kind] for kind in kills}
        with place.here():
            same.append(story() == expected)
        which += borders
        print(f"  {place.home.name}: {told}, {'the same' if same[-1] else 'ANOTHER STORY'}", flush=True)
    return {
        "seconds_undisturbed": round(seconds, 1),
        "ledger_rows": expected["rows"],
        "answers": len(expected["answers"]),
        "borders_met": len(met),
        "killed_at_borders": kills["border"],
        "not_met_again": len(which) - kills["border"],
        "killed_at_random": kills["random"],
        "borders": sorted(which),
        "lives": len(lives),
        "same": sum(same),
        "holds": all(same)
        and len(set(expected["answers"])) == len(expected["answers"])
        and kills["border"] >= 0.9 * len(which)
        and kills["random"] == LIVES * RANDOM_A_LIFE,
    }


def _place(fresh: Any, name: str) -> Place:
    """A life is a clone of its own: its problem's limit on the server is no other life's."""
    place = fresh(name)
    return Place(place.home, {**place.addresses, "PERENNIAL_CLONE": name})


def _disturb(place: Place, borders: list[str], dice: random.Random, *, turn: float, api: str) -> None:
    kills = disturbed(place, borders, dice, turn=turn, api=api)
    (place.home / "kills.json").write_text(json.dumps(kills))
