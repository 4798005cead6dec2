"""Does a night find what helps, stop where nothing does, go on after a kill as if there had been none, and only ask?"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from flows.experiment import run
from flows.improvement import Budget, advised, spent_night
from flows.lock import only_one
from flows.night_told import advice, backlog_lines, summary
from flows.replay import plain_turn
from flows.reproduction import reproduce
from schemas.errors import PerennialError
from schemas.night import Called, Night
from schemas.plans import ImprovementPlan, Reason, Tier
from schemas.recipe import Recipe
from schemas.wishes import Wish, Wishes
from tasks import backlog, database, experiments, ledger, runs, windows
from tests.flows import made
from tests.flows.made import DAY

NAME = "night"
NOW = made.START + 60 * DAY
PROBLEM = made.bare(
    NAME,
    # What moves one kind up moves the other down: a straight line learns nothing of it.
    recipe=Recipe(family="linear", features=("x", "z", "kind"), window=40 * DAY),
    improvement=ImprovementPlan(runs=4, tiers=(Tier(name="decide", share=1, folds=2, seeds=2),)),
)


def settled(home: Path) -> None:
    made.settle(home, PROBLEM, made.readings(days=62))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("night")
    with made.added(PROBLEM, folder), pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield folder


@pytest.fixture(scope="module")
def whole(folder: Path) -> Iterator[Night]:
    """A night from its beginning to its end, in a home in which the naive baseline serves."""
    settled(folder / "whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(folder / "whole"))
        plain_turn(NAME, NOW - 5 * DAY)
        seen: list[int] = []
        night = spent_night(NAME, now=NOW, show=lambda night: seen.append(len(night.steps)))
        assert seen == list(range(len(night.steps) + 1))
        yield night
        database.close_databases()


def test_it_finds_what_helps_and_what_was_foretold_stands_beside_what_came(whole):
    assert whole.winner
    assert whole.gain.shown
    won = next(step for step in whole.steps if step.job == whole.winner)
    assert won.called is Called.GAIN
    assert won.gain.low > 0
    assert 0 <= whole.brier <= 1
    assert len(whole.steps) <= PROBLEM.improvement.runs
    assert whole.ended
    assert whole.stopped
    assert whole.learned
    assert all(0 < step.predicted_chance < 1 and step.why for step in whole.steps)
    assert Night.from_json(experiments.newest(NAME).body) == whole


def test_each_experiment_is_run_once_and_stands_in_mlflow_with_its_diagnosis(whole):
    jobs = experiments.jobs(NAME)
    assert len({job.id for job in jobs}) == len(jobs) >= len(whole.steps) + 1
    assert {step.job for step in whole.steps} <= {job.id for job in jobs}
    with runs.training_run(PROBLEM, key=whole.winner, among="experiments") as run_id:
        told = runs.recorded(run_id).tags
    assert told["experiment"] == whole.winner
    page = Path(whole.links["diagnosis of the winner"].removeprefix("file://"))
    assert page.read_text().startswith("<!doctype html>")
    assert Path(whole.links["this report"].removeprefix("file://")).exists()


def test_the_same_experiment_shows_the_same(whole):
    job = next(job for job in experiments.jobs(NAME) if job.id == whole.winner)
    again, _ = run(job)
    assert replace(again, seconds=0) == replace(experiments.result_of(job), seconds=0)


def test_an_experiment_is_made_again_from_its_run(whole):
    command, _, run_id = whole.again.partition(" RUN=")
    assert command == "make reproduce"
    found = reproduce(run_id)
    assert (found.equal, found.same_content, found.largest) == (True, True, 0.0)
    assert found.rows == whole.gain.rows


def test_what_a_recipe_raises_is_its_result_and_what_the_machine_lacks_is_nobodys(whole):
    job = next(job for job in experiments.jobs(NAME) if job.id == whole.start)
    broken = replace(job, recipe=job.recipe.model_copy(update={"parameters": {"no_such_parameter": 1}}))
    result, fits = run(broken)
    assert (fits, result.loss) == ([], {})
    assert "no_such_parameter" in result.error or "TypeError" in result.error
    with pytest.raises(OSError, match="parquet"):
        run(replace(job, rows="0" * 64))


def test_the_winner_is_asked_for_and_changes_nothing_by_itself(whole):
    state = ledger.state_of(NAME)
    assert state.champion.name == "naive baseline"
    assert (state.request.reason, state.request.actor) == (Reason.EXPERIMENTS, "experiments")
    won = next(step for step in whole.steps if step.job == whole.winner)
    asked = Recipe.model_validate(state.request.recipe)
    assert asked == PROBLEM.recipe.model_validate(asked.model_dump() | won.idea.change)
    assert "asked for as a retrain" in whole.handed


def test_people_read_how_it_ended_and_what_is_left(whole):
    told = "\n".join(summary(whole))
    assert whole.stopped in told
    assert str(whole.gain) in told
    assert any(idea.name in line for idea in whole.next for line in backlog_lines(NAME))


CHILD = """
import sys
from pathlib import Path
from tests.flows import made
from tests.flows.test_night import NAME, NOW, PROBLEM
from flows.improvement import spent_night
folder = Path(sys.argv[1]); folder.mkdir()
with made.added(PROBLEM, folder):
    spent_night(NAME, now=NOW, hand_over=False)
"""


def test_killed_it_goes_on_and_ends_as_if_it_had_not_been(whole, folder, monkeypatch):
    home = folder / "killed"
    settled(home)
    monkeypatch.setenv("PERENNIAL_HOME", str(home))
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder / "child")], env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    try:
        deadline = time.monotonic() + 120
        while len(experiments.jobs(NAME)) < 2:
            assert child.poll() is None, "the night ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    before = {job.id for job in experiments.jobs(NAME)}
    assert experiments.unfinished(NAME) is not None
    night = spent_night(NAME, now=NOW, hand_over=False)
    jobs = [job.id for job in experiments.jobs(NAME)]
    assert before <= set(jobs)
    assert len(set(jobs)) == len(jobs)
    assert [told(step) for step in night.steps] == [told(step) for step in whole.steps]
    assert night.winner == whole.winner
    database.close_databases()


def told(step):
    """A step without the time that it took."""
    return replace(step, seconds=0.0, result=replace(step.result, seconds=0.0))


def test_people_come_first_and_a_veto_holds(whole, folder, monkeypatch):
    home = folder / "wishes"
    settled(home)
    monkeypatch.setenv("PERENNIAL_HOME", str(home))
    first = whole.steps[0].idea.name
    mine = Wish(name="my own", change={"parameters": {"C": 0.1}}, by="ada")
    backlog.write(NAME, Wishes(added=(mine,), veto=(first,), first=("my own",)))
    night = spent_night(NAME, budget=Budget(experiments=2), now=NOW)
    assert night.steps[0].idea.name == "my own"
    assert first not in [step.idea.name for step in night.steps]
    assert "nothing serves" in night.handed or "nothing to hand over" in night.handed
    database.close_databases()


def test_what_an_earlier_night_won_by_is_known_to_the_next(whole, folder, monkeypatch):
    home = folder / "second"
    settled(home)
    monkeypatch.setenv("PERENNIAL_HOME", str(home))
    first = spent_night(NAME, now=NOW)
    assert first.gain.shown
    second = spent_night(NAME, now=NOW, budget=Budget(experiments=2))
    assert second.start == first.start
    assert any(said.startswith("sets out from what an earlier night") for said in second.decisions)
    assert all(step.parent not in (first.start, "") for step in second.steps), "the known gain was left behind"
    if second.winner:
        assert second.gain.estimate > first.gain.estimate
    view, page, won = advised(NAME, now=NOW)
    assert view.recipe.model_dump() == PROBLEM.recipe.model_dump(), "asked is what keeps the recipe in place back"
    assert any("not in place" in line and won in line for line in advice(view, page, won))
    database.close_databases()


def test_a_night_that_could_not_take_its_first_step_stands_in_nobodys_way(folder, monkeypatch):
    home = folder / "mended"
    settled(home)
    monkeypatch.setenv("PERENNIAL_HOME", str(home))
    table = windows.locate(PROBLEM)
    rows = pd.read_parquet(table)
    rows.assign(**{PROBLEM.framing.target: 0}).to_parquet(table)
    with pytest.raises(PerennialError):
        spent_night(NAME, now=NOW)
    rows.to_parquet(table)
    night = spent_night(NAME, now=NOW, budget=Budget(experiments=1))
    assert len(night.steps) == 1
    database.close_databases()


@pytest.mark.parametrize("anew", [False, True])
def test_a_night_that_was_cut_off_is_gone_on_with_as_it_was_begun_or_dropped(folder, monkeypatch, anew):
    home = folder / f"cut-{anew}"
    settled(home)
    monkeypatch.setenv("PERENNIAL_HOME", str(home))

    def cut(night):
        if night.steps:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        spent_night(NAME, now=NOW, budget=Budget(experiments=2), show=cut)
    began = experiments.unfinished(NAME).began
    for other, what in (({"budget": Budget(experiments=1)}, "another budget"), ({"now": NOW + DAY}, "another moment")):
        with pytest.raises(PerennialError, match=f"cut off after 1 of 2 ideas, and this one asks for {what}.*--anew"):
            spent_night(NAME, **other)
    night = spent_night(NAME, now=NOW, anew=anew)
    assert (night.began == began) is not anew
    assert night.steps
    assert experiments.unfinished(NAME) is None
    database.close_databases()


def test_two_nights_of_one_problem_do_not_run_at_once(whole, monkeypatch, folder):
    monkeypatch.setenv("PERENNIAL_HOME", str(folder / "whole"))
    with only_one(NAME), pytest.raises(PerennialError, match="running already"):
        spent_night(NAME, now=NOW)


def test_a_budget_says_only_what_it_says():
    plan = ImprovementPlan()
    assert Budget().within(plan) == plan
    assert Budget(experiments=3, hours=0.5).within(plan) == plan.model_copy(
        update={"runs": 3, "time": timedelta(minutes=30)}
    )
