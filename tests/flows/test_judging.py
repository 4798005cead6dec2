"""Is every gate that the plan names asked, and no other? Does what raises, or says nothing, refuse?"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import skops.io

from flows import challenger, lifecycle, trial
from flows.case import Case
from flows.drills.world import Faulty, World, build
from flows.judging import judge, verdict_of
from flows.operations import ask
from flows.replay import plain_turn
from schemas.framing import Requirement
from schemas.plans import Gate
from schemas.settings import Settings
from schemas.stage import Stage
from schemas.verdict import Outcome, Verdict
from tasks import database, ledger, scoring, tracking, windows
from tasks.transitions import Decision
from tests.flows import made

FAIL, PASS, WAIT = Outcome.FAIL, Outcome.PASS, Outcome.WAIT

NAMES = {
    Gate.FRESH_TEST_SET: ["fresh test set"],
    Gate.NO_OVERLAP: ["no overlap"],
    Gate.NO_DUPLICATES: ["no near-duplicates"],
    Gate.NUMERICAL_HEALTH: ["numerical health"],
    Gate.CONSTANT: ["constant"],
    Gate.CHAMPION: ["champion"],
    Gate.REQUIREMENTS: [
        "requirement roc_auc at least 0.6",
        "requirement recall at precision 0.5 at least 0.1",
        "precision of recall at precision 0.5",
    ],
    Gate.SLICES: ["slices"],
    Gate.WEAK_SLICES: ["weak slices"],
    Gate.CALIBRATION: ["calibration"],
    Gate.FAIRNESS: ["fairness kind selection rate"],
    Gate.BUSINESS_VALUE: ["business value"],
    Gate.BEHAVIOUR: ["behaviour"],
    Gate.SIMPLICITY: ["simplicity"],
    Gate.SERVEABILITY: [],  # asked of the model that was logged
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A sound challenger of two classes on some four thousand readings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(tmp_path_factory.mktemp("judging")))
        windows.materialise(made.HIGH, made.readings(days=60))
        yield build(made.HIGH, made.START + 58 * made.DAY, seed=7)


@pytest.fixture(scope="module")
def case(world: World) -> Case:
    return world.case


def asking(case: Case, *gates: Gate, framing: dict | None = None, **changes) -> Case:
    """The case with a plan that asks these gates."""
    problem = case.problem
    problem = replace(
        problem,
        framing=problem.framing.model_copy(update=framing or {}),
        retraining=problem.retraining.model_copy(update={"gates": gates}),
    )
    return replace(case, problem=problem, **changes)


def lost() -> None:
    raise ConnectionError("the registry does not answer")


def test_every_gate_that_there_is_is_known_here():
    assert list(NAMES) == list(Gate)


@pytest.mark.parametrize("gate", Gate)
def test_a_gate_in_the_plan_is_asked_by_its_name_and_no_other(case, gate):
    said = judge(asking(case, gate))
    assert list(said) == NAMES[gate]
    assert all(verdict.outcome is PASS for verdict in said.values()), said


@pytest.mark.parametrize("left_out", Gate)
def test_a_gate_left_out_of_the_plan_is_not_asked(case, left_out, monkeypatch):
    names = [name for gate, own in NAMES.items() if gate is not left_out for name in own]
    monkeypatch.setattr("tasks.gates.closed", lambda name, _gate: Verdict(name, PASS, "not asked here"))
    assert list(judge(asking(case, *(gate for gate in Gate if gate is not left_out)))) == names


def test_gates_are_asked_in_the_plans_order(case):
    said = judge(asking(case, Gate.BEHAVIOUR, Gate.NUMERICAL_HEALTH, Gate.FRESH_TEST_SET))
    assert list(said) == ["behaviour", "numerical health", "fresh test set"]


@pytest.mark.parametrize(
    "gate, nothing",
    [
        (Gate.SLICES, {"slices": ()}),
        (Gate.REQUIREMENTS, {"requirements": ()}),
        (Gate.FAIRNESS, {"fairness": ()}),
        (Gate.BEHAVIOUR, {"behaviours": ()}),
        (Gate.BUSINESS_VALUE, {"costs": None, "money_per_loss": None}),
        (Gate.SERVEABILITY, {}),
    ],
)
def test_where_the_framing_gives_nothing_to_ask_there_is_no_verdict_and_no_pass(case, gate, nothing):
    said = judge(asking(case, gate, framing=nothing))
    assert said == {}
    assert verdict_of(said).outcome is FAIL
    assert verdict_of(said).reason == "missing evidence: no gate gave a verdict"


def test_a_plan_of_no_gates_lets_nothing_pass(case):
    assert verdict_of(judge(asking(case))).outcome is FAIL


@pytest.mark.parametrize("gate", [Gate.CHAMPION, Gate.SLICES, Gate.WEAK_SLICES, Gate.BUSINESS_VALUE])
def test_a_champion_that_cannot_be_looked_up_refuses_the_challenger(case, gate):
    said = judge(asking(case, gate, champion=lost, champion_trained=True))
    assert {verdict.outcome for verdict in said.values()} == {FAIL}
    assert f"could not be judged: ConnectionError in {__name__}:" in verdict_of(said).reason


@pytest.mark.parametrize("gate", [g for g in Gate if g is not Gate.SERVEABILITY])
def test_a_challenger_that_raises_on_every_row_passes_no_gate_that_looks_at_what_it_says(case, gate):
    class Raises:
        classes_ = np.array([0, 1])
        threshold = 0.5

        def predict_proba(self, _frame: pd.DataFrame) -> np.ndarray:
            raise ArithmeticError("of no use")

    of_rows = {Gate.FRESH_TEST_SET, Gate.NO_OVERLAP, Gate.NO_DUPLICATES}
    outcomes = {verdict.outcome for verdict in judge(asking(case, gate, challenger=Raises())).values()}
    assert outcomes == ({PASS} if gate in of_rows else {FAIL})


@pytest.mark.parametrize(
    "gate, change, said",
    [
        (Gate.NO_OVERLAP, {"trained_on": lost}, "no overlap could not be judged: ConnectionError"),
        (Gate.SIMPLICITY, {"simpler": lost}, "simplicity could not be judged: ConnectionError"),
        (Gate.NO_OVERLAP, {"trained_on": lambda: {"champion": None}}, "missing evidence: what was trained on is not"),
        (Gate.FRESH_TEST_SET, {"uses": 1}, "has decided 1 times, the plan allows 1"),
    ],
)
def test_what_raises_is_missing_or_worn_out_refuses_and_says_why(case, gate, change, said):
    verdict = verdict_of(judge(asking(case, gate, **change)))
    assert verdict.outcome is FAIL
    assert said in verdict.reason


def test_one_row_without_an_answer_is_enough_for_a_refusal(case, world):
    first = world.parts.test.index[0]
    silent = Faulty(world.challenger, lambda said, rows: np.where(rows.index == first, np.nan, said))
    for gate in (Gate.NUMERICAL_HEALTH, Gate.CONSTANT, Gate.CHAMPION, Gate.REQUIREMENTS, Gate.CALIBRATION):
        said = judge(asking(case, gate, challenger=silent))
        assert FAIL in {verdict.outcome for verdict in said.values()}, gate


# All gates as one.


@pytest.mark.parametrize(
    "outcomes, expected, said",
    [
        ([PASS, PASS], PASS, "champion says"),
        ([PASS, WAIT], FAIL, "missing evidence: constant says"),
        ([WAIT, WAIT], FAIL, "missing evidence: champion says; constant says"),
        ([FAIL, WAIT], FAIL, "champion says"),
        ([PASS, FAIL], FAIL, "constant says"),
    ],
)
def test_here_waiting_is_refusing_and_a_pass_says_what_was_shown_of_the_champion(outcomes, expected, said):
    names = (Gate.CHAMPION, Gate.CONSTANT)
    verdicts = {str(n): Verdict(str(n), o, f"{n} says", {"rows": 3}) for n, o in zip(names, outcomes, strict=True)}
    whole = verdict_of(verdicts)
    assert (whole.gate, whole.outcome, whole.reason) == ("offline", expected, said)
    assert whole.evidence == {"champion.rows": 3, "constant.rows": 3}


def test_a_sound_challenger_passes_every_gate_at_once(case):
    said = judge(asking(case, *Gate))
    whole = verdict_of(said)
    assert whole.outcome is PASS
    assert list(said) == [name for names in NAMES.values() for name in names]
    assert whole.reason == said["champion"].reason
    assert whole.evidence["fresh test set.test_set"] == case.test_set


def test_the_same_seed_gives_the_same_verdicts_and_another_one_another_interval(case):
    one, other = (judge(asking(case, *Gate)) for _ in range(2))
    assert one == other
    assert one is not other
    name = "requirement roc_auc at least 0.6"
    seeded = judge(asking(case, Gate.REQUIREMENTS, seed=8))[name]
    assert seeded.evidence["value"] == one[name].evidence["value"]
    assert seeded.evidence["low"] != one[name].evidence["low"]


# What a first model has to show, and what a later one.


def test_the_first_model_has_to_beat_a_constant_and_a_later_one_not_to_be_worse_than_it(case, world):
    constant = asking(case, Gate.CONSTANT, challenger=world.naive)
    assert verdict_of(judge(constant)).outcome is FAIL
    assert verdict_of(judge(replace(constant, champion_trained=True))).outcome is PASS
    flipped = Faulty(world.challenger, lambda said, _: 1 - said)
    worse = asking(case, Gate.CONSTANT, challenger=flipped, champion_trained=True)
    assert verdict_of(judge(worse)).outcome is FAIL


def test_a_rule_has_no_calibration_to_excuse_a_challengers(case, world):
    off = Faulty(world.challenger, lambda said, _: said * 0.5 + 0.5)
    further = Faulty(world.challenger, lambda said, _: said * 0.3 + 0.7)
    judged = asking(case, Gate.CALIBRATION, challenger=off, champion=lambda: further)
    assert verdict_of(judge(judged)).outcome is FAIL
    assert verdict_of(judge(replace(judged, champion_trained=True))).outcome is PASS


class Raises:
    """A model that gives no answer to some rows: from the `at`th on, one in `every`."""

    def __init__(self, model: object, rows: pd.DataFrame, every: int, at: int = 0) -> None:
        self.model, self.keys = model, set(rows["id"].iloc[at::every])
        self.threshold, self.classes_ = scoring.threshold_of(model), model.classes_

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        if self.keys & set(frame.get("id", ())):
            raise LookupError("a row it has no answer to")
        return self.model.predict_proba(frame)


@pytest.mark.parametrize("champion", ["raises", "gives no number", "cannot be looked up"])
def test_a_champion_that_gives_no_score_excuses_no_challenger(case, world, champion):
    off = Faulty(world.challenger, lambda said, _: said * 0.5 + 0.5)
    without = {
        "raises": lambda: Raises(world.challenger, world.parts.test, every=1),
        "gives no number": lambda: Faulty(world.challenger, lambda said, _: said * np.nan),
        "cannot be looked up": lost,
    }[champion]
    judged = asking(case, Gate.CALIBRATION, challenger=off, champion=without, champion_trained=True)
    said = judge(judged)["calibration"]
    assert said.outcome is FAIL
    assert said.reason.startswith("not calibrated")
    # Where there is nothing to excuse it is not asked.
    assert judge(replace(judged, challenger=world.challenger))["calibration"].outcome is PASS


def test_a_champion_is_wholly_wrong_where_it_gives_no_answer_and_does_not_block(case, world):
    test = world.parts.test
    sound = world.naive
    held = asking(case, Gate.CHAMPION, champion=lambda: sound).champion_loss
    broken = asking(
        case,
        *(Gate.CHAMPION, Gate.SLICES, Gate.WEAK_SLICES, Gate.BUSINESS_VALUE),
        champion=lambda: Raises(sound, test, every=len(test)),
    )
    expected = held.copy()
    expected[0] = 1.0
    np.testing.assert_array_equal(broken.champion_loss, expected)
    said = judge(broken)
    assert {name: verdict.outcome for name, verdict in said.items()} == dict.fromkeys(said, PASS)
    assert len(said) == 4
    # Nor where it answers nothing at all: what fails is no safer for that.
    silent = replace(broken, champion=lambda: Raises(sound, test, every=1))
    assert (silent.champion_loss == 1.0).all()
    assert {verdict.outcome for verdict in judge(silent).values()} == {PASS}


def test_where_a_champion_gives_no_answer_the_dearest_decision_is_its_price(case, world):
    silent = asking(case, Gate.BUSINESS_VALUE, champion=lambda: Raises(world.naive, world.parts.test, every=1))
    paid = scoring.row_cost(case.scores, case.labels, case.problem.framing.costs)
    assert judge(silent)["business value"].evidence["gain"] == pytest.approx((10.0 - paid).mean())
    priced = asking(silent, Gate.BUSINESS_VALUE, framing={"costs": None, "money_per_loss": 100.0})
    assert judge(priced)["business value"].evidence["gain"] == pytest.approx(100 * (1 - case.loss).mean())


def test_a_challenger_that_raises_on_one_row_is_refused(case, world):
    one = Raises(world.challenger, world.parts.test, every=len(world.parts.test))
    for gate in (Gate.NUMERICAL_HEALTH, Gate.CHAMPION, Gate.CONSTANT):
        assert verdict_of(judge(asking(case, gate, challenger=one))).outcome is FAIL


def test_two_requirements_on_one_metric_are_both_asked(case):
    both = tuple(Requirement(metric="roc_auc", reason="", **limit) for limit in ({"at_least": 0.6}, {"at_most": 0.61}))
    said = judge(asking(case, Gate.REQUIREMENTS, framing={"requirements": both}))
    assert {name: verdict.outcome for name, verdict in said.items()} == {
        "requirement roc_auc at least 0.6": PASS,
        "requirement roc_auc at most 0.61": FAIL,
    }


def test_what_cannot_be_searched_for_weak_slices_is_missing_and_no_pass(case, world):
    few = replace(world.parts, test=world.parts.test.head(150))
    said = judge(asking(case, Gate.WEAK_SLICES, parts=few))["weak slices"]
    assert (said.outcome, said.evidence) == (WAIT, {"rows": 150})
    assert "150 held-out rows, 200 are needed" in said.reason


def test_business_value_is_held_against_the_cheapest_constant_decision(case, world):
    """Always deciding for the class that was cheapest on training rows gains nothing over it, on any rows."""
    costs = np.array(case.problem.framing.costs.costs)
    seen = world.parts.train["high"].to_numpy(dtype=int)
    cheapest = float(costs[seen].mean(axis=0).argmin())
    alike = Faulty(world.challenger, lambda said, _: np.full_like(said, cheapest))
    said = judge(asking(case, Gate.BUSINESS_VALUE, challenger=alike))["business value"]
    assert said.evidence["over_constant"] == 0.0
    paid = scoring.row_cost(case.scores, case.labels, case.problem.framing.costs)
    held = judge(asking(case, Gate.BUSINESS_VALUE))["business value"]
    alone = costs[case.labels.astype(int), int(cheapest)]
    assert held.evidence["over_constant"] == pytest.approx((alone - paid).mean())


def test_without_a_matrix_value_is_the_loss_at_its_price(case):
    priced = asking(case, Gate.BUSINESS_VALUE, framing={"costs": None, "money_per_loss": 100.0})
    said = judge(priced)["business value"]
    assert said.outcome is PASS
    assert said.evidence["gain"] == pytest.approx(100 * (case.champion_loss - case.loss).mean())


def test_rows_are_resampled_by_day_or_by_whose_they_are(case):
    days = case.blocks
    assert len(set(days.tolist())) == 5
    entity = asking(case, framing={"entity": "kind"})
    assert set(entity.blocks.tolist()) == {"a", "b"}
    assert entity.clusters.tolist() == case.parts.test["kind"].tolist()


# A simpler recipe, and a replay.


@pytest.mark.parametrize(
    "change, taken",
    [
        ({}, "linear"),
        ({"champion": FAIL}, None),
        ({"champion": WAIT}, None),
        ({"behaviour": FAIL}, None),
        ({"simplicity": PASS}, None),
    ],
)
def test_a_simpler_recipe_is_taken_only_where_it_is_all_there_is_against_this_one(change, taken):
    """Otherwise the same rows would be looked at twice, and what one look refused another might let pass."""
    outcomes = {"champion": PASS, "behaviour": PASS, "simplicity": FAIL} | change
    verdicts = {name: Verdict(name, outcome, "because") for name, outcome in outcomes.items()}
    if verdicts["simplicity"].outcome is FAIL:
        verdicts["simplicity"] = replace(verdicts["simplicity"], evidence={"take": "linear"})
    found = trial._simpler(SimpleNamespace(recipe=made.HIGH.recipe), verdicts)
    assert (found.family if found else None) == taken
    del verdicts["simplicity"]
    assert trial._simpler(SimpleNamespace(recipe=made.HIGH.recipe), verdicts) is None


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize(
    "found, said, in_a_replay",
    [
        ({"latency_ms": 1e6}, "one row takes", PASS),
        ({"load_seconds": 1e6}, "", PASS),
        ({"memory_mb": 1e6}, "", PASS),
        ({"size_mb": 1e6}, "its file has", FAIL),  # as large on every machine
        ({"differing": 1}, "", FAIL),
    ],
)
def test_in_a_replay_times_and_memory_are_shown_and_do_not_decide(
    world, monkeypatch, tmp_path, live, found, said, in_a_replay
):
    measured = {"rows": 20, "differing": 0, "load_seconds": 0.1, "latency_ms": 1.0, "memory_mb": 1.0, "size_mb": 1.0}
    probed = challenger.gates.Probe(**(measured | found))
    monkeypatch.setattr("flows.challenger.probe", lambda *_: probed)
    file = tmp_path / "model.skops"
    skops.io.dump(world.challenger, file)
    monkeypatch.setattr("flows.challenger.registry.model_file", lambda *_: file)
    one = trial.Trial(
        turn=SimpleNamespace(problem=made.HIGH, live=live),
        recipe=made.HIGH.recipe,
        folds=(world.parts,),
        labelled=world.parts.test,
        until=made.START + 58 * made.DAY,
        run="",
    )
    verdict = challenger._serveable(one, world.model("a"), world.challenger)
    assert verdict.outcome is (FAIL if live else in_a_replay)
    assert said in verdict.reason or not live
    assert {key: value for key, value in verdict.beside.items() if key in found}.items() <= found.items()


# A whole trial, on a table in which a straight line is as good as trees, and which ends.

BEGIN = made.START + 38 * made.DAY


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ledger.Row]]:
    """A challenger is made and stopped, and another one is wanted while not one new row has come."""
    folder = tmp_path_factory.mktemp("trial")
    gates = tuple(gate for gate in Gate if gate is not Gate.SERVEABILITY)
    problem = replace(
        made.HIGH, retraining=made.HIGH.retraining.model_copy(update={"gates": gates, "test": 6 * made.DAY})
    )
    ends = (BEGIN - made.START) / made.DAY + 4
    made.settle(folder / "home", problem, made.readings(days=round(ends), straight=True))
    with made.added(problem, folder), pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(folder / "home"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for day in range(6):  # five days of held-out rows: fewer give a metric no interval
            plain_turn("high", BEGIN + day * made.DAY)
        now = BEGIN + 5.1 * made.DAY
        stopped = Decision(Verdict("shadow", FAIL, "the test stops it"))
        patch.setitem(lifecycle.STEP, Stage.SHADOW, lambda _turn: stopped)
        plain_turn("high", now)
        ask("high", kind="retrain", note="once more", actor="ana", now=now)
        for hours in (0.2, 0.3):
            plain_turn("high", BEGIN + (5 + hours) * made.DAY)
        yield list(ledger.rows("high"))
        database.close_databases()


@pytest.fixture
def retrains(loop: list[ledger.Row]) -> list[ledger.Row]:
    """What ended a retrain; before it, turns wait for enough rows."""
    tried = [row for row in loop if row.facts["before"] == "RETRAIN" and row.facts["kind"] == "turn"]
    return [row for row in tried if row.facts["arrow"] != "WAIT"]


def test_a_trial_takes_the_simpler_recipe_where_it_is_as_good(retrains):
    first = retrains[0]
    assert first.state.stage is Stage.SHADOW
    assert made.HIGH.recipe.family == "boosting"
    assert first.state.challenger.name == "linear"
    said = {gate: outcome for gate, outcome, _ in first.notes["gates"]}
    assert said["simplicity"] == "PASS"
    # What was said of the recipe it replaced is kept: simplicity was all there was against it.
    replaced = {gate: outcome for gate, outcome in said.items() if gate.startswith("boosting: ")}
    assert [gate for gate, outcome in replaced.items() if outcome != "PASS"] == ["boosting: simplicity"]
    assert len(replaced) > 10


def test_the_evidence_of_a_retrain_names_the_held_out_rows_by_their_content(loop, retrains):
    sha256 = retrains[0].facts["statistics"]["fresh test set.test_set"]
    frozen = pd.read_parquet(Settings().root / "snapshots" / "high" / f"{sha256}.parquet")
    until = retrains[0].state.at - made.DAY
    assert len(frozen) == 600
    assert (frozen["at"] >= loop[-1].state.champion.trained_until).all()
    assert (frozen["at"] < until).all()


def test_a_test_set_decides_once_however_many_recipes_a_trial_went_through(retrains):
    first, second = (row.facts["statistics"] for row in retrains)
    assert first["fresh test set.uses"] == 0
    assert second["fresh test set.uses"] == 1
    assert ledger.decisions_on("high", first["fresh test set.test_set"]) == 2
    assert ledger.decisions_on("bands", first["fresh test set.test_set"]) == 0
    assert ledger.decisions_on("high", "f" * 64) == 0


def test_a_worn_out_test_set_refuses_the_second_retrain_on_the_same_rows(loop, retrains):
    first, second = retrains
    assert second.facts["statistics"]["fresh test set.test_set"] == first.facts["statistics"]["fresh test set.test_set"]
    assert (second.facts["arrow"], second.state.stage) == ("FAIL", Stage.HEALTHY)
    assert "has decided 1 times, the plan allows 1: wait for new rows" in second.notes["reason"]
    assert second.state.challenger is None
    assert ledger.verify("high") == len(loop)


def test_a_refused_challenger_is_not_registered(loop):

    kinds = [v.tags["kind"] for v in tracking.api().search_model_versions("name = 'high'")]
    assert sorted(kinds) == ["linear", "naive baseline"]


def test_a_trial_is_fitted_on_the_window_and_judged_on_rows_after_it(retrains):
    state = retrains[0].state
    assert state.challenger.trained_until == state.at - made.DAY
    assert Path(retrains[0].notes["snapshot"]).name == f"{state.snapshot}.parquet"
    rows = pd.read_parquet(retrains[0].notes["snapshot"])
    assert (rows["at"] >= state.challenger.trained_until - made.HIGH.recipe.window).all()
