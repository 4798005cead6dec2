"""Is the model of a run made again from what the run says, and would we be told if it were another one?"""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from flows.__main__ import main
from flows.operations import ask
from flows.replay import plain_turn
from flows.reproduction import reproduce
from flows.training import make_challenger
from flows.turn import Turn
from schemas.errors import PerennialError
from schemas.plans import Gate, Reason
from schemas.recipe import Recipe
from schemas.stage import Stage
from schemas.verdict import Outcome
from tasks import database, ledger, snapshots, tracking
from tasks.transitions import Decision
from tests.flows import made
from tests.flows.made import DAY

NAME = "again"
BEGIN = made.START + 45 * DAY
PROBLEM = made.bare(
    NAME,
    recipe=Recipe(
        family="forest",
        features=("x", "z", "kind"),
        window=28 * DAY,
        parameters={"n_estimators": 10, "max_depth": 6},
        balance=0.8,
        drop_suspects=0.02,
        calibration="sigmoid",
        half_life=30 * DAY,
    ),
    retraining=made.HIGH.retraining.model_copy(update={"gates": (Gate.CONSTANT,), "start_rows": 50, "test_rows": 200}),
)


@pytest.fixture(scope="module")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Decision]:
    """What was decided of a first challenger, in a home in which it was trained and accepted."""
    folder = tmp_path_factory.mktemp("again")
    made.settle(folder / "home", PROBLEM, made.readings(days=62))
    with made.added(PROBLEM, folder), pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(folder / "home"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        plain_turn(NAME, BEGIN)
        ask(NAME, kind="retrain", note="the first", actor="test", now=BEGIN)
        plain_turn(NAME, BEGIN + 5 * DAY)
        state = ledger.state_of(NAME)
        assert state.stage is Stage.RETRAIN
        decision = make_challenger(Turn(NAME, state, BEGIN + 6 * DAY))
        assert decision.verdict.outcome is Outcome.PASS, decision.verdict.reason
        yield decision
        database.close_databases()


def run_of(decision: Decision) -> str:
    return str(decision.notes["run"])


def test_it_is_made_again_to_its_last_digit(accepted, capsys):
    decision = accepted
    assert main(["reproduce", run_of(decision)]) == 0
    said = capsys.readouterr().out
    assert f"of run {run_of(decision)} is made again" in said
    assert "its content     the same" in said
    assert "the same versions" in said
    found = reproduce(run_of(decision))
    assert (found.model, found.largest, found.decisions, found.tolerance) == (decision.model.sha256, 0.0, 0, 0.0)
    assert found.same_content
    assert found.rows == 30
    assert not found.rules_changed


def test_its_figures_are_kept_for_scripts(accepted, capsys):
    from schemas.settings import Settings

    main(["reproduce", run_of(accepted)])
    kept = json.loads((Settings().root / "figures" / "reproduce.json").read_text())
    assert (kept["equal"], kept["largest"], kept["versions"]) == (True, 0.0, {})


def test_rows_that_are_gone_here_come_from_the_run_itself(accepted):
    run = run_of(accepted)
    place = snapshots.place(NAME, tracking.api().get_run(run).data.tags["fitted_on"])
    moved = place.rename(place.with_suffix(".away"))
    try:
        assert reproduce(run).same_content
    finally:
        moved.rename(place)


@pytest.mark.parametrize(
    "tag, changed",
    [
        ("refit", lambda said: json.dumps(json.loads(said) | {"seed": 99})),
        ("refit", lambda said: json.dumps(json.loads(said) | {"threshold": 0.9})),
        ("recipe", lambda said: json.dumps(json.loads(said) | {"half_life": None})),
    ],
)
def test_a_run_that_says_otherwise_than_it_was_is_told(accepted, capsys, tag, changed):
    run, client = run_of(accepted), tracking.api()
    before = client.get_run(run).data.tags[tag]
    client.set_tag(run, tag, changed(before))
    try:
        assert main(["reproduce", run]) == 1
        assert not reproduce(run).same_content
    finally:
        client.set_tag(run, tag, before)
    assert "is NOT made again" in capsys.readouterr().out


def test_other_versions_are_named_and_allow_a_last_digit(accepted, capsys):
    run, client = run_of(accepted), tracking.api()
    before = client.get_run(run).data.tags["version.numpy"]
    client.set_tag(run, "version.numpy", "2.0.0")
    try:
        assert main(["reproduce", run]) == 0
    finally:
        client.set_tag(run, "version.numpy", before)
    said = capsys.readouterr().out
    assert f"numpy 2.0.0 then, {before} now" in said
    assert "may differ by   1e-06: library versions differ" in said


def test_one_that_was_made_from_the_champion_is_made_from_it_again(accepted):
    decision = accepted
    recipe = PROBLEM.recipe.model_copy(update={"start": "recalibrated"}).model_dump(mode="json")
    now = BEGIN + 14 * DAY
    ask(NAME, kind="retrain", note="map anew", actor="test", recipe=recipe, now=now)
    state = ledger.state_of(NAME)
    wanted = replace(state, stage=Stage.RETRAIN, champion=decision.model, rollout=9, tried=now, since=now)
    wanted = replace(wanted, order=wanted.request, promotion="non-inferiority", why=Reason.PERSON)
    mapped = make_challenger(Turn(NAME, wanted, now))
    assert mapped.verdict.outcome is Outcome.PASS, mapped.verdict.reason
    found = reproduce(run_of(mapped))
    assert found.same_content
    assert found.model == mapped.model.sha256 != decision.model.sha256


def test_what_cannot_be_made_again_says_why(accepted):
    first = next(row.notes["run"] for row in ledger.rows(NAME) if "run" in row.notes)
    with pytest.raises(PerennialError, match=r"no tag 'refit'.*no training of the loop"):
        reproduce(first)
    with pytest.raises(PerennialError, match="has no run '0000'"):
        reproduce("0000")
