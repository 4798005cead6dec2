"""Do three classes go the whole way round, from nothing to a new champion, as two do?"""

import json
from collections.abc import Iterator

import numpy as np
import pytest

from flows.replay import plain_turn
from schemas.problem import known_problems, load_problem
from schemas.stage import Stage
from tasks import database, ledger, predictions, registry, scoring, tracking
from tests.flows import made

BEGIN = made.START + 38 * made.DAY  # four weeks of training rows, then validation, test and maturity
NAME = made.PROBLEM.name


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ledger.Row]]:
    """The ledger of a loop turned daily from COLD until its first challenger is the champion and out of probation."""
    folder = tmp_path_factory.mktemp("multiclass")
    made.settle(folder / "home", made.PROBLEM, made.readings(days=59))
    with made.added(made.PROBLEM, folder), pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(folder / "home"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for day in range(17):
            plain_turn(NAME, BEGIN + day * made.DAY)
            state = ledger.state_of(NAME)
            if state.stage is Stage.HEALTHY and state.ended:
                break
        yield list(ledger.rows(NAME))
        database.close_databases()


def turns(rows: list[ledger.Row]) -> list[tuple[str, str, str]]:
    return [
        (row.facts["before"], row.facts["arrow"], row.facts["stage"]) for row in rows if row.facts["kind"] == "turn"
    ]


def test_a_problem_of_classes_is_added_as_any_other_by_adding_a_file(rows):
    assert NAME in known_problems()
    assert load_problem(NAME) is made.PROBLEM


def test_from_nothing_to_a_new_champion_it_takes_every_stage_in_order(rows):
    forward = [turn for turn in turns(rows) if turn[1] != "WAIT"]
    assert forward == [
        ("COLD", "PASS", "HEALTHY"),
        ("HEALTHY", "FAIL", "RETRAIN"),
        ("RETRAIN", "PASS", "SHADOW"),
        ("SHADOW", "PASS", "CANARY"),
        ("CANARY", "PASS", "AB"),
        ("AB", "PASS", "PROBATION"),
        ("PROBATION", "PASS", "HEALTHY"),
    ]
    assert ledger.verify(NAME) == len(rows)


def test_the_base_rates_serve_first_and_a_trained_model_after(rows):
    champions = [row.state.champion.name for row in rows if row.state.champion]
    assert (champions[0], champions[-1]) == ("naive baseline", "boosting")
    assert rows[-1].state.previous.name == "naive baseline"


def test_every_gate_of_the_plan_spoke_of_the_challenger(rows):
    (judged,) = [row for row in rows if row.facts["before"] == "RETRAIN" and row.facts["arrow"] != "WAIT"]
    said = {gate: outcome for gate, outcome, _ in judged.notes["gates"]}
    assert len(said) >= 12
    assert set(said.values()) == {"PASS"}
    assert "fresh process" in next(reason for gate, _, reason in judged.notes["gates"] if gate == "serveability")


def test_the_shares_of_its_decisions_on_held_out_rows_are_what_the_shadow_holds_it_to(rows):
    challenger = next(row.state.challenger for row in rows if row.state.challenger)
    shares = {name: value for name, value in challenger.held_out.items() if name.startswith("share of ")}
    assert set(shares) == {f"share of {band}" for band in made.BANDS}
    assert sum(shares.values()) == pytest.approx(1)
    looked = [row for row in rows if row.facts["before"] == "SHADOW"][-1]
    for band in made.BANDS:
        found = [value for key, value in looked.facts["statistics"].items() if key.endswith("held_out") and band in key]
        assert found == [pytest.approx(shares[f"share of {band}"])]


def test_the_registry_says_what_the_ledger_says(rows):
    registered = tracking.api().get_registered_model(NAME)
    state = rows[-1].state
    assert {role: str(number) for role, number in registered.aliases.items()} == {
        "champion": state.champion.version,
        "previous": state.previous.version,
    }
    assert json.loads(registered.tags["route"])["stage"] == "HEALTHY"


def test_every_reading_was_answered_with_a_probability_a_class_by_the_champion_of_its_time(rows):
    logged = predictions.cohort(made.PROBLEM, since=BEGIN, now=rows[-1].state.at, matured=False)
    assert len(logged) == (rows[-1].state.scored - BEGIN) / made.DAY * 120
    assert logged["champion_error"].isna().all()
    said = scoring.logged(logged["champion_score"], logged["champion_decision"], made.PROBLEM.framing)
    assert said.score.shape == (len(logged), 3)
    assert said.score.sum(axis=1) == pytest.approx(1)
    assert set(logged["champion"]) == {rows[-1].state.champion.sha256, rows[-1].state.previous.sha256}


def test_what_the_log_holds_is_what_the_registered_model_says_of_those_rows(rows):
    state = rows[-1].state
    shadow = predictions.cohort(made.PROBLEM, since=BEGIN, now=state.at, stages=("SHADOW",), matured=False)
    assert set(shadow["rival"]) == {state.champion.sha256}
    readings = made.readings(days=59).set_index("id").loc[shadow["key"].astype(int)]
    model = registry.load(made.PROBLEM, state.champion)
    again = scoring.score(model, readings, made.PROBLEM.framing)
    logged = scoring.logged(shadow["rival_score"], shadow["rival_decision"], made.PROBLEM.framing)
    np.testing.assert_array_equal(logged.score, again.score)
    np.testing.assert_array_equal(logged.decision, again.decision)
    truth = scoring.class_indices(readings["band"], made.PROBLEM.framing)
    known = shadow["label"].notna().to_numpy()
    np.testing.assert_array_equal(shadow["label"][known], truth[known])
    assert (again.decision == truth).mean() > 0.6
