"""Does the proof of twenty problems see what it looks for: a turn that is missing or twice, memory that creeps, what grew on disk?"""

import os
import subprocess
import sys

import pytest

from tests.proofs.twenty_counted import astray, cpu, descendants, flatness, growth, rss, sizes
from tests.proofs.twenty_problems import moment

WANTED = [moment(turn) for turn in range(6)]
SOUND = {"missed": 0, "twice": 0, "unasked": 0, "out_of_order": 0}


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        (WANTED, {}),
        (WANTED[:3] + WANTED[4:], {"missed": 1}),
        ([*WANTED, WANTED[5]], {"twice": 1}),
        ([*WANTED, moment(6)], {"unasked": 1}),
        ([WANTED[1], WANTED[0], *WANTED[2:]], {"out_of_order": 1}),
        ([], {"missed": 6}),
    ],
)
def test_each_moment_has_one_turn_in_order(found, wrong):
    assert astray(WANTED, found) == SOUND | wrong


@pytest.mark.parametrize("constant", [1, 250.5])
def test_what_stays_is_flat_whatever_it_loaded_at_first(constant):
    assert flatness([0.1] * 10 + [constant] * 30) == 1


def test_what_creeps_is_not_flat():
    assert flatness(range(100, 140)) == pytest.approx(134.5 / 114.5)


def test_too_few_looks_are_refused():
    with pytest.raises(ValueError, match="a series of 3 has no quarters"):
        flatness([1, 2, 3])


def test_growth_is_told_of_what_came_later_too_and_never_over_no_turns():
    assert growth([(0, {}), (4, {"a": 8}), (8, {"a": 8, "b": 12})]) == {"a": 0, "b": 3}
    with pytest.raises(ValueError, match="no turn was taken"):
        growth([(4, {}), (4, {})])


def test_a_database_is_counted_with_its_journal_and_apart_from_its_folder(tmp_path):
    for name, size in {"ledger.db": 3, "ledger.db-wal": 4, "reports/a/b.html": 5, "prefect/prefect.db": 6}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    assert sizes(tmp_path) == {"ledger.db": 7, "reports": 5, "prefect.db": 6}


def test_a_process_is_seen_while_it_runs_and_is_nothing_once_it_is_gone():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert "input()" in descendants(os.getpid())[child.pid]
    finally:
        child.communicate(b"\n")
    assert child.pid not in descendants(os.getpid())
    assert (rss(child.pid), cpu(child.pid)) == (0, 0)
    assert rss("self") > 2**20
