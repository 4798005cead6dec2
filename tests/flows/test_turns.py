"""What may never happen, turn by turn, as plain Python: the same steps that the flow takes, with nobody watching."""

from dataclasses import replace
from datetime import timedelta

import pandas as pd
import pytest
import skops.io

from flows import lifecycle
from flows.operations import adopt, ask
from flows.replay import plain_turn
from schemas.errors import PerennialError
from schemas.plans import Reason
from schemas.problem import load_problem
from schemas.problems import fraud
from schemas.route import Route
from schemas.rows import State
from schemas.settings import Settings
from schemas.stage import Stage
from schemas.verdict import Outcome, Verdict
from tasks import ledger, predictions, registry, splits, tracking, training, windows
from tasks.transitions import Decision
from tests.flows.conftest import CUT_OFF, Killed

PROBLEM = fraud.PROBLEM
DAY = timedelta(days=1)


def state() -> State:
    return ledger.state_of("fraud")


def newest() -> ledger.Row:
    return list(ledger.rows("fraud"))[-1]


def aliases() -> dict[str, str]:
    return {role: str(n) for role, n in tracking.api().get_registered_model("fraud").aliases.items()}


def route() -> Route | None:
    return registry.read_route(load_problem("fraud"))


def roles(of: State) -> dict[str, str]:
    return {r: m.version for r in ("champion", "challenger", "previous") if (m := getattr(of, r)) is not None}


def killed_at(monkeypatch, module, name):
    """The next call of `module.name` ends the process; later ones do what they should."""
    real, calls = getattr(module, name), []

    def once(*args, **kwargs):
        calls.append(name)
        if len(calls) == 1:
            raise Killed
        return real(*args, **kwargs)

    monkeypatch.setattr(module, name, once)


def verdicts(monkeypatch, **outcomes):
    """Each stage named says what it is told to, at once."""
    for stage, outcome in outcomes.items():
        decision = Decision(Verdict(stage.lower(), outcome, "the test says so"))
        monkeypatch.setitem(lifecycle.STEP, Stage(stage), lambda turn, decision=decision: decision)


def spoil(*, since, until, share=0.1):
    """A share of the payments between two moments gets an amount that the contract refuses."""
    frame = pd.read_parquet(windows.locate(PROBLEM))
    inside = (frame["paid_at"] >= since) & (frame["paid_at"] < until)
    frame.loc[inside & (frame["payment_id"] % round(1 / share) == 0), "amount"] = -1.0
    windows.materialise(PROBLEM, frame)


# 4. A retrain on data that a contract called faulty.


def test_a_retrain_on_faulty_data_is_refused(at):
    now = at("RETRAIN")
    spoil(since=now - 60 * DAY, until=now - 20 * DAY)
    plain_turn("fraud", now)
    assert state().stage is Stage.HEALTHY
    assert newest().facts["arrow"] == "FAIL"
    assert newest().notes["reason"].startswith("data fault: ")
    assert "amount: in_range(0.01, 50000)" in newest().notes["reason"]
    assert state().challenger is None
    assert len(tracking.api().search_model_versions("name = 'fraud'")) == 1, "only the heuristic is registered"


def test_healthy_holds_while_requests_break_the_contract(at):
    now = at("HEALTHY")
    spoil(since=now - DAY, until=now)
    plain_turn("fraud", now)
    assert (state().stage, newest().facts["arrow"]) == (Stage.HEALTHY, "WAIT")
    assert "data fault, holding" in newest().notes["reason"]
    plain_turn("fraud", now + DAY)
    assert state().stage is Stage.RETRAIN, "the fault is over, and the first model is still wanted"


# 2. A stage passed under other rules than it began under.


def test_a_rollout_whose_rules_changed_fails(at, monkeypatch):
    now = at("SHADOW")
    framing = PROBLEM.framing.model_copy(update={"tolerated_harm": 0.5})
    monkeypatch.setattr(fraud, "PROBLEM", replace(PROBLEM, framing=framing))
    plain_turn("fraud", now)
    assert (state().stage, newest().facts["arrow"]) == (Stage.HEALTHY, "FAIL")
    assert newest().notes["reason"].startswith("rules changed")
    assert [row.facts["kind"] for row in ledger.rows("fraud")][-2:] == ["rules", "turn"]
    assert state().challenger is None
    assert ledger.verify("fraud") == state().sequence


# A crash anywhere is mended by the next turn.


def test_a_crash_between_ledger_and_registry_is_mended_by_the_next_turn(at, monkeypatch):
    now, real = at("SHADOW"), registry.project

    def dies_after_the_insert(problem, of):
        if of.stage is Stage.CANARY:
            raise Killed
        return real(problem, of)

    verdicts(monkeypatch, SHADOW=Outcome.PASS, CANARY=Outcome.FAIL)
    with monkeypatch.context() as crash, pytest.raises(Killed):
        crash.setattr(registry, "project", dies_after_the_insert)
        plain_turn("fraud", now)
    assert state().stage is Stage.CANARY
    assert route().stage is Stage.SHADOW, "the registry lags behind the ledger"
    with monkeypatch.context() as crash, pytest.raises(Killed):
        killed_at(crash, ledger, "append")
        plain_turn("fraud", now + DAY)
    assert (route(), route().share) == (Route.of(state()), 0.05)
    plain_turn("fraud", now + DAY)
    assert state().stage is Stage.HEALTHY
    assert aliases() == roles(state()) == {"champion": "1"}
    assert "foreign" not in newest().notes, "our own unfinished turn is nobody's foreign edit"


def test_a_turn_repeated_after_a_crash_logs_nothing_twice_and_writes_the_same_row(at, monkeypatch):
    now = at("SHADOW")
    plain_turn("fraud", now)
    undisturbed, logged = newest().hash, predictions.cohort(PROBLEM, since=now - 3 * DAY, now=now, matured=False)
    assert len(logged) > 500

    at("SHADOW")
    with monkeypatch.context() as crash, pytest.raises(Killed):
        killed_at(crash, ledger, "append")
        plain_turn("fraud", now)
    assert state().at < now, "scored, and not yet written down"
    plain_turn("fraud", now)
    assert newest().hash == undisturbed
    pd.testing.assert_frame_equal(predictions.cohort(PROBLEM, since=now - 3 * DAY, now=now, matured=False), logged)


def test_a_repeated_registration_finds_its_own_version_and_run(at):
    now = at(CUT_OFF)
    (orphan,) = [v for v in tracking.api().search_model_versions("name = 'fraud'") if v.tags["kind"] == "boosting"]
    plain_turn("fraud", now)
    assert state().challenger.version == str(orphan.version)
    assert len(tracking.api().search_model_versions("name = 'fraud'")) == 2, "the heuristic and one challenger"
    assert newest().notes["run"] == orphan.run_id


def test_a_challenger_is_registered_with_what_it_was_trained_on(at):
    at("SHADOW")
    snapshot = pd.read_parquet(Settings().root / "snapshots" / "fraud" / f"{state().snapshot}.parquet")
    made = state().challenger
    assert snapshot["paid_at"].max() < made.trained_until
    assert made.trained_until == state().at - PROBLEM.framing.maturity
    assert snapshot["fraud"].notna().all()


# People.


def test_a_request_during_a_rollout_is_queued_and_the_latest_is_acted_upon_after(at, monkeypatch):
    now = at("SHADOW")
    ask("fraud", kind="retrain", note="the first wish", actor="ana", now=now)
    ask("fraud", kind="retrain", note="the second wish", actor="ben", reason=Reason.FORCED, now=now)
    plain_turn("fraud", now)
    assert state().stage is Stage.SHADOW, "a request ends no rollout"
    verdicts(monkeypatch, SHADOW=Outcome.FAIL)
    plain_turn("fraud", now + DAY)
    assert state().stage is Stage.HEALTHY
    assert state().request.note == "the second wish"
    plain_turn("fraud", now + 2 * DAY)
    assert (state().stage, state().why, state().request) == (Stage.RETRAIN, Reason.FORCED, None)
    assert newest().notes["reason"] == "ben asks for a retrain: the second wish"
    assert state().order.actor == "ben"


def test_a_request_that_slips_in_while_a_turn_works_costs_the_turn_nothing(at, monkeypatch):
    now, real = at("SHADOW"), ledger.append

    def slow(prior, entry):
        if entry.kind == "turn" and state().request is None:
            ask("fraud", kind="retrain", note="meanwhile", actor="ana", now=now)
        return real(prior, entry)

    verdicts(monkeypatch, SHADOW=Outcome.PASS)
    monkeypatch.setattr(ledger, "append", slow)
    plain_turn("fraud", now)
    assert (state().stage, state().request.note) == (Stage.CANARY, "meanwhile")
    assert [row.facts["kind"] for row in ledger.rows("fraud")][-2:] == ["request", "turn"]
    assert ledger.verify("fraud") == state().sequence


def test_of_two_turns_that_read_the_same_row_one_wins_and_the_other_changes_nothing(at, monkeypatch):
    now, real = at("SHADOW"), ledger.append
    verdicts(monkeypatch, SHADOW=Outcome.PASS, CANARY=Outcome.PASS)

    def overtaken(prior, entry):
        monkeypatch.setattr(ledger, "append", real)
        plain_turn("fraud", now)
        return real(prior, entry)

    monkeypatch.setattr(ledger, "append", overtaken)
    with pytest.raises(ledger.LostRaceError, match="this turn changed nothing"):
        plain_turn("fraud", now)
    assert state().stage is Stage.CANARY
    assert aliases() == roles(state())
    assert ledger.verify("fraud") == state().sequence


def promoted(at, monkeypatch, *, probation=Outcome.PASS):
    """Through every stage on the test's word, one champion at every step; returns the next moment."""
    now = at("SHADOW")
    verdicts(monkeypatch, SHADOW=Outcome.PASS, CANARY=Outcome.PASS, AB=Outcome.PASS, PROBATION=probation)
    for expected in (Stage.CANARY, Stage.AB, Stage.PROBATION, Stage.HEALTHY):
        plain_turn("fraud", now)
        assert state().stage is expected
        assert aliases() == roles(state())
        assert state().champion is not None
        now += DAY
    return now


def test_a_person_can_stop_the_first_rollout_of_all(at):
    """There is no champion before the rule, and still the challenger goes."""
    now = at("SHADOW")
    ask("fraud", kind="revert", note="not this one", actor="ana", now=now)
    plain_turn("fraud", now)
    assert (state().stage, state().challenger, state().champion.name) == (Stage.HEALTHY, None, "heuristic")
    with pytest.raises(PerennialError, match="no previous champion"):
        ask("fraud", kind="revert", note="and that one", actor="ana", now=now)


def test_a_revert_restores_the_previous_champion(at, monkeypatch):
    now = promoted(at, monkeypatch)
    assert (state().champion.name, state().previous.name) == ("boosting", "heuristic")
    ask("fraud", kind="revert", note="customers complain", actor="ana", now=now)
    plain_turn("fraud", now)
    assert (state().champion.name, state().previous, newest().facts["arrow"]) == ("heuristic", None, "REVERT")
    assert aliases() == roles(state())
    served = predictions.cohort(PROBLEM, since=now - DAY, now=now, matured=False)
    assert served["champion_score"].notna().all(), "the rows of the day were still answered by whom the ledger named"
    with pytest.raises(PerennialError, match="no previous champion"):
        ask("fraud", kind="revert", note="once more", actor="ana", now=now)


def test_a_failed_probation_restores_the_previous_champion(at, monkeypatch):
    promoted(at, monkeypatch, probation=Outcome.FAIL)
    assert (state().champion.name, state().previous, state().challenger) == ("heuristic", None, None)


@pytest.mark.parametrize("kind", ["retrain", "revert"])
def test_nothing_can_be_asked_for_before_the_first_turn(at, kind):
    at("COLD")
    with pytest.raises(PerennialError, match="has not begun"):
        ask("fraud", kind=kind, note="impatient", actor="ana")


def own_model(folder, now):
    """What a team that has a model brings: a skops file."""
    rows = windows.read_window(PROBLEM, now - 40 * DAY, now - 20 * DAY, as_of=now)
    recipe = PROBLEM.recipe.model_copy(update={"parameters": {"max_iter": 5}})
    path = folder / "ours.skops"
    skops.io.dump(training.fit(recipe, PROBLEM.framing, rows, seed=1, threshold=0.5), path)
    return path


def test_a_team_begins_with_its_own_model_and_no_row_it_may_have_seen_judges_another(at, tmp_path, monkeypatch):
    now = at("COLD")
    adopt("fraud", str(own_model(tmp_path, now)), actor="ana", now=now)
    assert (state().stage, state().champion.name, state().champion.version) == (Stage.HEALTHY, "adopted", "1")
    assert aliases() == {"champion": "1"}
    with pytest.raises(PerennialError, match="has begun already"):
        adopt("fraud", str(own_model(tmp_path, now)), actor="ana", now=now)

    # Nobody said what it was trained on, so every row up to its adoption counts as seen: RETRAIN waits for new ones.
    later = now + PROBLEM.framing.maturity + DAY / 4  # some 300 rows, where 500 are needed
    ask("fraud", kind="retrain", note="ours, but newer", actor="ana", now=later)
    plain_turn("fraud", later)
    assert (state().stage, state().champion.name) == (Stage.RETRAIN, "adopted")
    parts = splits_made(monkeypatch)
    plain_turn("fraud", later)
    assert (state().stage, newest().facts["arrow"]) == (Stage.RETRAIN, "WAIT")
    assert "held-out rows that are matured and new to both models" in newest().notes["reason"]
    plain_turn("fraud", later + 3 * DAY)
    judged = parts[-1]
    assert newest().facts["arrow"] != "WAIT"
    assert len(judged.test) >= PROBLEM.retraining.test_rows
    assert judged.test["paid_at"].min() >= state().champion.trained_until == now
    assert judged.train["paid_at"].max() < judged.validation["paid_at"].min()
    assert judged.validation["paid_at"].max() < judged.test["paid_at"].min()
    assert judged.test["fraud_known_at"].max() < later + 3 * DAY, "a label used before it was known"


# Evidence.


def test_held_out_rows_were_trained_on_by_neither_model(at, monkeypatch):
    now = promoted(at, monkeypatch)
    champion, snapshot = state().champion, snapshots_by_model()[state().champion.sha256]
    seen_by_champion = pd.read_parquet(Settings().root / "snapshots" / "fraud" / f"{snapshot}.parquet")
    ask("fraud", kind="retrain", note="again", actor="ana", now=now)
    plain_turn("fraud", now)
    parts = splits_made(monkeypatch)
    plain_turn("fraud", now + DAY)
    assert newest().facts["before"] == "RETRAIN"
    assert newest().facts["arrow"] in ("PASS", "FAIL"), newest().notes["reason"]
    (part,) = parts
    held_out = set(part.test["payment_id"])
    assert len(held_out) >= PROBLEM.retraining.test_rows
    assert not held_out & set(seen_by_champion["payment_id"])
    assert not held_out & (set(part.train["payment_id"]) | set(part.validation["payment_id"]))
    assert part.test["paid_at"].min() >= champion.trained_until


def snapshots_by_model() -> dict[str, str]:
    """What each challenger was trained on, from the rows in which it came to be."""
    made = [row.state for row in ledger.rows("fraud") if row.facts["before"] == "RETRAIN" and row.state.challenger]
    return {after.challenger.sha256: after.snapshot for after in made}


def splits_made(monkeypatch):
    """Every split that is made from now on."""
    made, real = [], splits.folds

    def kept(*args, **kwargs):
        parts = real(*args, **kwargs)
        made.append(splits.pooled(PROBLEM.framing, parts))
        return parts

    monkeypatch.setattr(splits, "folds", kept)
    return made


def test_the_same_seed_in_two_fresh_homes_writes_the_same_ledger(at):
    at("SHADOW")
    first = [row.hash for row in ledger.rows("fraud")]
    now = at("COLD")
    for turn in range(3):
        plain_turn("fraud", now + turn * DAY)
    second = [row.hash for row in ledger.rows("fraud")]
    assert second == first
    assert len(first) == 4, "the rules, and three turns"
