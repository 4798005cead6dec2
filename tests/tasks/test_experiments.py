"""Is each experiment kept once, are a night's steps numbered, and is what was begun found again?"""

from datetime import UTC, datetime, timedelta

import pytest

from schemas.experiment import Gain, Job, Result
from schemas.night import Called
from schemas.plans import ImprovementPlan, Tier
from schemas.recipe import Recipe
from schemas.search import Range, Search
from tasks import backlog, experiments
from tasks.screening import called, goes_on, tiers_for

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TIER = Tier(name="decide", share=1, folds=2, seeds=2)
JOB = Job("toy", "a" * 64, Recipe(features=("x",)), TIER, 7)
RESULT = Result(JOB.id, {"judged": 9}, {"judged": 0.25}, {"roc_auc": 0.75}, ((0.2, 0.3), (0.25, 0.25)), 1.5)


def test_equal_jobs_are_one_experiment_and_others_are_others():
    other = [
        Job("toy2", JOB.rows, JOB.recipe, TIER, 7),
        Job("toy", "b" * 64, JOB.recipe, TIER, 7),
        Job("toy", JOB.rows, Recipe(features=("x",), family="linear"), TIER, 7),
        Job("toy", JOB.rows, JOB.recipe, TIER.model_copy(update={"seeds": 3}), 7),
        Job("toy", JOB.rows, JOB.recipe, TIER, 8),
        Job("toy", JOB.rows, JOB.recipe, TIER, 7, Search(space={"l2_regularization": Range(low=0.1, high=1)})),
    ]
    assert len({job.id for job in [JOB, *other]}) == 7
    for job in [JOB, *other]:
        again = Job.from_json(job.to_json())
        assert (again, again.id) == (job, job.id)


def test_a_result_is_kept_once_and_the_first_stays(home):
    assert experiments.result_of(JOB) is None
    assert experiments.keep(JOB, RESULT, at=NOW)
    assert not experiments.keep(JOB, Result(JOB.id, error="later"), at=NOW)
    assert experiments.result_of(JOB) == RESULT
    assert experiments.jobs("toy") == [JOB]
    assert experiments.jobs("other") == []


def test_of_two_processes_one_takes_a_step(home):
    experiments.begin("toy", "n1", {}, at=NOW)
    experiments.take("toy", "n1", 0, {"step": 0})
    with pytest.raises(experiments.OtherNightError, match="step 0 of night n1"):
        experiments.take("toy", "n1", 0, {"step": "other"})
    experiments.take("toy", "n1", 1, {"step": 1})
    assert experiments.steps("toy", "n1") == [{"step": 0}, {"step": 1}]


def test_a_night_that_has_not_ended_is_gone_on_with(home):
    assert experiments.unfinished("toy") is None
    row = experiments.begin("toy", "n1", {"plan": 1}, at=NOW)
    assert experiments.unfinished("toy") == row
    assert experiments.unfinished("other") is None
    experiments.close(row, {"came": 2}, at=NOW + timedelta(hours=1))
    assert experiments.unfinished("toy") is None
    last = experiments.newest("toy")
    assert (last.body, last.ended) == ({"came": 2}, NOW + timedelta(hours=1))


def test_every_problems_steps_are_learned_from_oldest_first(home):
    for i, (problem, night) in enumerate([("toy", "n1"), ("other", "n2"), ("toy", "n3")]):
        experiments.begin(problem, night, {}, at=NOW + timedelta(days=i))
        experiments.take(problem, night, 0, {"i": i})
    assert [body["i"] for _, _, body in experiments.steps_of_all()] == [0, 1, 2]
    assert [body["i"] for _, _, body in experiments.steps_of_all(at_most=2)] == [1, 2]


SCREEN, CONFIRM, DECIDE = ImprovementPlan().tiers


@pytest.mark.parametrize(
    "tier, low, estimate, high, further",
    [
        (SCREEN, -0.1, -0.01, 0.05, True),  # a sample cannot tell
        (SCREEN, -0.1, -0.05, 0.0005, False),  # not worthwhile, whatever it is
        (CONFIRM, -0.01, 0.01, 0.03, True),
        (CONFIRM, -0.03, -0.01, 0.01, False),  # on all rows it does not even look like a gain
        (DECIDE, 0.01, 0.02, 0.03, False),  # nothing comes after the last
    ],
)
def test_how_far_an_idea_comes(tier, low, estimate, high, further):
    gain = Gain(low, estimate, high, 100, 1)
    assert goes_on(gain, tier, (SCREEN, CONFIRM, DECIDE), worthwhile=0.001) is further


@pytest.mark.parametrize(
    "low, high, what", [(0.001, 0.1, Called.GAIN), (-0.01, 0.1, Called.NOISE), (-0.1, -0.01, Called.WORSE)]
)
def test_the_whole_interval_names_a_gain(low, high, what):
    assert called(Gain(low, (low + high) / 2, high, 10, 1)) is what


def test_a_small_table_has_no_screen():
    plan = ImprovementPlan()
    assert tiers_for(plan, plan.screen_from) == plan.tiers
    assert tiers_for(plan, plan.screen_from - 1) == plan.tiers[-1:]


def test_a_backlog_file_is_read_as_it_was_written_and_nonsense_is_one_clear_error(home):
    assert backlog.read("toy") == backlog.Wishes()
    wishes = backlog.Wishes(veto=("more trees",), first=("read the text",))
    file = backlog.write("toy", wishes)
    assert backlog.read("toy") == wishes
    for text, says in (("{", "line 1"), ('{"vetos": []}', "vetos")):
        (home / "backlog" / "toy.json").write_text(text)
        with pytest.raises(Exception, match=says) as error:
            backlog.read("toy")
        assert file in str(error.value)
