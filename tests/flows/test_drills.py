"""Does every planted fault meet the verdict it has to, on problems of all three tasks, and would we be told if one did not?"""

import importlib
import os
import pkgutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flows import drills
from flows.__main__ import main
from flows.drills.world import Drill, Faulty, World, build, scratch_home
from schemas.errors import PerennialError
from schemas.problem import load_problem
from schemas.problems._fraud_simulator import START, payments
from schemas.verdict import Outcome, Verdict
from tasks import windows
from tests.flows import made

FAIL, PASS, WAIT = Outcome.FAIL, Outcome.PASS, Outcome.WAIT
NOW = made.START + 58 * made.DAY
ASKED_FOR = (
    "shuffled labels",
    "target leaked into a feature",
    "a feature known only later",
    "constant model",
    "missing metric",
    "exception inside a metric",
    "exception in champion look-up",
    "sign-flipped cost",
    "stale champion",
    "overlapping rows",
    "near-duplicate leak",
    "collapsed slice",
    "slow model",
    "huge model",
    "NaN scores",
    "mis-calibrated scores",
    "challenger compared with itself",
    "champion re-trained on the test window",
    "flipped score direction",
    "empty window",
    "one class only",
    "labels in arrival order",
    "labels that never come",
    "pooled ramp",
    "peeking",
    "sample-ratio mismatch",
    "better offline and harmful live",
    "a race of two promoters",
    "a skipped stage",
)


@pytest.fixture(scope="module")
def payment_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A hundred days of card payments, and a sound challenger."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(tmp_path_factory.mktemp("drills")))
        windows.materialise(load_problem("fraud"), payments(seed=7, days=100, per_day=1_500))
        return drills.world_of("fraud", START + timedelta(days=99))


@pytest.fixture(scope="module")
def bands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with the readings of three classes; the problem is one of the team's meanwhile."""
    folder = tmp_path_factory.mktemp("bands")
    (folder / "home").mkdir()
    with made.added(made.PROBLEM, folder), pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(folder / "home"))
        windows.materialise(made.PROBLEM, made.readings(days=60))
        yield folder / "home"


@pytest.fixture(scope="module")
def world(bands: Path) -> World:
    return build(made.PROBLEM, NOW, seed=7)


def drill(name: str) -> Drill:
    return next(one for one in drills.ALL if one.name == name)


def run(world: World, one: Drill) -> dict[str, Any]:
    with scratch_home():
        return drills.run_drill(world, one)


# All of them, on problems of each task.


@pytest.mark.parametrize("one", drills.ALL, ids=lambda one: one.name)
def test_on_payments_each_planted_fault_gets_the_verdict_that_must_follow(payment_world, one):
    assert one.applies(payment_world.problem)
    found = run(payment_world, one)
    assert found["right"], found
    assert found["reason"]


def test_on_three_classes_each_planted_fault_gets_the_verdict_that_must_follow(bands, monkeypatch):
    monkeypatch.setenv("PERENNIAL_HOME", str(bands))
    shown = []
    figures = drills.run_drills("bands", NOW, show=shown.append)
    assert "\n".join(f"{one['name']}: {one['reason']}" for one in figures["drills"] if not one["right"]) == ""
    assert shown == figures["drills"]
    assert figures["right"] == len(figures["drills"]) == len(drills.ALL) - 1  # a threshold is a matter of two classes


def test_on_real_hours_each_planted_fault_gets_the_verdict_that_must_follow(tmp_path, monkeypatch):
    table = Path(os.environ.get("PERENNIAL_DATA", "")) / "bike_sharing/hour.csv"
    if not os.environ.get("PERENNIAL_DATA") or not table.exists():
        pytest.skip("PERENNIAL_DATA names no folder with bike_sharing/hour.csv")
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path))
    windows.link(load_problem("bikes"), table)
    figures = drills.run_drills("bikes", datetime(2012, 6, 1, tzinfo=UTC))
    assert "\n".join(f"{one['name']}: {one['reason']}" for one in figures["drills"] if not one["right"]) == ""
    assert len(figures["drills"]) == len(drills.ALL) - 2  # nor has it classes, of which one could be alone


@pytest.mark.parametrize("name", ASKED_FOR)
def test_every_fault_that_was_asked_for_is_drilled_once(name):
    assert sum(name in one.name for one in drills.ALL) >= 1


def test_there_are_many_and_each_has_a_name_of_its_own():
    assert len(drills.ALL) >= 25
    assert len({one.name for one in drills.ALL}) == len(drills.ALL)
    rooms = [importlib.import_module(f"flows.drills.{m.name}") for m in pkgutil.iter_modules(drills.__path__)]
    declared = [drill.name for room in rooms for drill in getattr(room, "DRILLS", [])]
    assert sorted(declared) == sorted(drill.name for drill in drills.ALL)


def test_no_drill_is_passed_by_gates_that_always_give_the_same_answer():
    expected = [one.expected for one in drills.ALL]
    assert {outcome: expected.count(outcome) > 1 for outcome in Outcome} == dict.fromkeys(Outcome, True)


# A runner that could not say no would prove nothing.


def passes(*_args: Any, **_more: Any) -> Verdict:
    return Verdict("gate", PASS, "it always says yes")


@pytest.mark.parametrize(
    "gate, name",
    [
        ("paired_offline", "shuffled labels"),
        ("paired_offline", "flipped score direction"),
        ("paired_offline", "exception in champion look-up"),
        ("finite", "constant model"),
        ("finite", "NaN scores"),
        ("requirement", "missing metric"),
        ("requirement", "one class only"),
        ("no_overlap", "overlapping rows"),
        ("no_overlap", "champion re-trained on the test window"),
        ("no_overlap", "champion's training rows unknown"),
        ("no_duplicates", "near-duplicate leak"),
        ("fresh_test_set", "worn-out test set"),
        ("slices", "collapsed slice"),
        ("calibrated", "mis-calibrated scores"),
        ("fair", "unfair between groups"),
        ("behaves", "broken behaviour"),
        ("simplest", "a simpler model is as good"),
        ("serveable", "slow model"),
        ("paired_sequential", "target leaked into a feature"),
        ("paired_sequential", "better offline and harmful live"),
        ("paired_sequential", "labels in arrival order"),
        ("labels_complete", "labels that never come"),
        ("paired_sequential", "peeking at two equal models"),
        ("same_pair", "stale champion"),
        ("same_pair", "challenger compared with itself"),
        ("same_pair", "shadow rows that were trained on"),
        ("error_guardrail", "an erring challenger on a ramp"),
        ("shares_held", "sample-ratio mismatch"),
    ],
)
def test_a_gate_that_always_says_yes_is_found_out(world, gate, name, monkeypatch):
    # An exception in the look-up is the gate's FAIL through `closed`: where it is looked up and nothing comes of it.
    change = {"champion": lambda: world.naive} if name == "exception in champion look-up" else {}
    monkeypatch.setattr(f"tasks.gates.{gate}", passes)
    if change:
        monkeypatch.setattr("tasks.gates.closed", lambda name, _gate: passes())
    found = run(world, drill(name))
    assert (found["right"], found["got"]) == (False, "PASS"), found


@pytest.mark.parametrize("name", ["a sound challenger", "pooled ramp, both arms alike"])
def test_gates_that_always_say_no_are_found_out(world, name, monkeypatch):
    for gate in ("finite", "error_guardrail"):
        monkeypatch.setattr(f"tasks.gates.{gate}", lambda *_, **__: Verdict("gate", FAIL, "it always says no"))
    found = run(world, drill(name))
    assert (found["right"], found["got"], found["expected"]) == (False, "FAIL", "PASS")


@pytest.mark.parametrize("name", ["a skipped stage", "a step that leaves no champion"])
def test_a_ledger_that_takes_every_row_is_found_out(world, name, monkeypatch):
    monkeypatch.setattr("tasks.ledger._illegal", lambda *_: [])
    found = run(world, drill(name))
    assert (found["right"], found["got"]) == (False, "PASS")


def test_a_ledger_in_which_both_promoters_win_is_found_out(world, monkeypatch):
    from tasks import ledger

    real = ledger.append

    def both(prior, entry):
        try:
            return real(prior, entry)
        except ledger.LostRaceError:
            return prior

    monkeypatch.setattr(ledger, "append", both)
    assert run(world, drill("a race of two promoters"))["got"] == "PASS"


def test_a_drill_that_raises_is_not_right_whatever_it_expects(world):
    def falls_over(_world: World) -> Verdict:
        raise ZeroDivisionError("nothing was drilled")

    for expected in Outcome:
        found = run(world, Drill("falls over", expected, falls_over))
        assert (found["right"], found["got"]) == (False, "error")
        assert found["reason"].startswith(f"ZeroDivisionError in {__name__}:")


@pytest.mark.parametrize("got", Outcome)
@pytest.mark.parametrize("expected", Outcome)
def test_only_the_expected_verdict_is_right(world, expected, got):
    found = run(world, Drill("x", expected, lambda _world: Verdict("gate", got, "so it is")))
    assert found["right"] is (expected is got)


@pytest.mark.parametrize(
    "reason, because, refusal, right",
    [
        ("it is worse on hour > 5", "worse on", False, True),
        ("it is worse on hour > 5", "", False, True),
        ("300 rows are too few", "worse on", False, False),
        ("x could not be judged: KeyError in pandas.core:3", "", False, False),
        ("x could not be judged: KeyError in pandas.core:3", "KeyError", False, False),
        ("x could not be judged: KeyError in pandas.core:3", "could not be judged: KeyError", False, True),
        ("x could not be judged: KeyError in pandas.core:3", "could not be judged: TypeError", False, False),
        ("x could not be judged: LostRaceError: too late", "LostRaceError", True, True),
        ("x could not be judged: KeyError in pandas.core:3", "LostRaceError", True, False),
        ("too few rows; x could not be judged: KeyError", "too few rows", False, False),
    ],
)
def test_right_for_another_reason_is_wrong(world, reason, because, refusal, right):
    """A gate that broke down refuses too, and has shown nothing of what was planted."""
    one = Drill("x", FAIL, lambda _world: Verdict("gate", FAIL, reason), because, refusal)
    found = run(world, one)
    assert (found["right"], found["got"], found["reason"]) == (right, "FAIL", reason)
    other = Drill("x", PASS, one.ask, because, refusal)
    assert not run(world, other)["right"]


@pytest.mark.parametrize(
    "gate, name",
    [
        ("no_duplicates", "near-duplicate leak"),
        ("calibrated", "mis-calibrated scores"),
        ("fair", "unfair between groups"),
    ],
)
def test_a_gate_that_breaks_down_refuses_and_is_found_out(world, gate, name, monkeypatch):
    def broken(*_args: Any, **_more: Any) -> Verdict:
        raise KeyError("an option nobody knows")

    monkeypatch.setattr(f"tasks.gates.{gate}", broken)
    found = run(world, drill(name))
    assert (found["right"], found["got"], found["expected"]) == (False, "FAIL", "FAIL")


def test_nearly_every_drill_says_why_it_has_to_end_as_it_does():
    assert [one.name for one in drills.ALL if not one.because and not one.refusal] == [
        "target leaked into a feature",
        "a feature known only later",
    ]


def test_a_ledger_that_forgets_on_which_rows_it_decided_is_found_out(world, monkeypatch):
    monkeypatch.setattr("tasks.ledger.decisions_on", lambda *_: 0)
    found = run(world, drill("worn-out test set"))
    assert (found["right"], found["got"]) == (False, "PASS")


def test_a_ledger_that_counts_twice_is_found_out(world, monkeypatch):
    monkeypatch.setattr("tasks.ledger.decisions_on", lambda *_: 2)
    assert not run(world, drill("worn-out test set"))["right"]


WRONG = [
    Drill("says yes", FAIL, lambda _world: passes()),
    Drill("says no", FAIL, lambda _world: Verdict("gate", FAIL, "no")),
    Drill("for others", FAIL, lambda _world: passes(), applies=lambda problem: problem.name == "fraud"),
]


def test_the_command_counts_what_went_wrong_and_fails(bands, monkeypatch, capsys):
    monkeypatch.setenv("PERENNIAL_HOME", str(bands))
    monkeypatch.setattr(drills, "ALL", WRONG)
    assert main(["drills", "bands"]) == 1
    said = capsys.readouterr().out
    assert "WRONG  says yes" in said
    assert "1 of 2 drills right on bands" in said
    monkeypatch.setattr(drills, "ALL", WRONG[1:])
    assert main(["drills", "bands"]) == 0


def test_the_flow_fails_with_the_names_of_what_went_wrong(bands, monkeypatch):
    monkeypatch.setenv("PERENNIAL_HOME", str(bands))
    monkeypatch.setattr(drills, "ALL", WRONG)
    monkeypatch.setattr(drills, "task", lambda **_: lambda run: run)  # no server is asked to record it
    tables: list[Any] = []
    monkeypatch.setattr(drills, "create_table_artifact", lambda **artifact: tables.append(artifact))
    with pytest.raises(
        drills.WrongVerdictError, match="1 of 2 drills on 'bands' went wrong: says yes: expected FAIL, got PASS"
    ):
        drills.drills.fn("bands", now=NOW)
    assert [row["name"] for row in tables[0]["table"]] == ["says yes", "says no"]


def test_with_too_few_rows_there_is_nothing_to_drill_and_it_says_so(bands, monkeypatch):
    monkeypatch.setenv("PERENNIAL_HOME", str(bands))
    with pytest.raises(PerennialError, match="Run them at a later moment"):
        drills.run_drills("bands", made.START + 3 * made.DAY)


# A team's own state.


def everything(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_teams_own_home_ledger_and_log_are_untouched(bands, monkeypatch, tmp_path):
    urls = {name: f"sqlite:///{tmp_path / name}.db" for name in ("PERENNIAL_LEDGER_URL", "PERENNIAL_LOG_URL")}
    urls["PERENNIAL_DATABASE"] = "postgresql://nobody@127.0.0.1:1/perennial"
    for name, value in {"PERENNIAL_HOME": str(bands), **urls}.items():
        monkeypatch.setenv(name, value)
    before = everything(bands)
    drills.run_drills("bands", NOW)
    after = {name: kept for name, kept in everything(bands).items() if not name.startswith("figures/")}
    assert after == {name: kept for name, kept in before.items() if not name.startswith("figures/")}
    assert list(tmp_path.iterdir()) == []
    assert {name: os.environ[name] for name in urls} == urls
    assert os.environ["PERENNIAL_HOME"] == str(bands)


@pytest.mark.parametrize("kept", [{}, {"PERENNIAL_HOME": "mine", "PERENNIAL_LOG_URL": "sqlite:///mine.db"}])
def test_the_environment_is_as_it_was_even_after_an_error(kept, monkeypatch):
    names = ("PERENNIAL_HOME", "PERENNIAL_LEDGER_URL", "PERENNIAL_LOG_URL")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    for name, value in kept.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RuntimeError), scratch_home():
        scratch = Path(os.environ["PERENNIAL_HOME"])
        assert scratch.is_dir()
        assert set(os.environ) & set(names) == {"PERENNIAL_HOME"}
        raise RuntimeError("a drill fell over")
    assert not scratch.exists()
    assert {name: os.environ[name] for name in names if name in os.environ} == kept


# What faults are planted into.


def test_the_world_has_its_rows_in_order_and_none_twice(world):
    parts = [*vars(world.parts).values(), world.live]
    whole = pd.concat(parts)
    assert whole["at"].is_monotonic_increasing
    assert whole["id"].is_unique
    assert whole["band"].notna().all()
    assert (whole["at"] < NOW - made.PROBLEM.framing.maturity).all()


def test_a_faulty_model_says_what_its_change_makes_of_it_and_is_otherwise_the_same(world):
    rows, sound = world.parts.test.head(20)[list(made.PROBLEM.recipe.features)], world.challenger
    same = Faulty(sound, lambda said, _: said)
    np.testing.assert_array_equal(same.predict_proba(rows), sound.predict_proba(rows))
    np.testing.assert_array_equal(same.classes_, sound.classes_)
    turned = Faulty(sound, lambda said, _: said[:, ::-1])
    np.testing.assert_array_equal(turned.predict_proba(rows), sound.predict_proba(rows)[:, ::-1])


def test_equal_seeds_draw_equal_faults(world):
    first, second = (run(world, drill("shuffled labels")) for _ in range(2))
    assert first == second
