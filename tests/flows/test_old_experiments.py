"""Do the files of old experiments go, and does everything that somebody could still go on with stay?"""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from flows.job import diagnosis_file
from flows.lock import only_one
from flows.old_experiments import Forgotten, forgotten
from schemas.experiment import Job, Result
from schemas.night import Night
from schemas.plans import Tier
from schemas.problem import load_problem
from schemas.recipe import Recipe
from schemas.rows import Model, State
from schemas.stage import Stage
from schemas.verdict import Outcome, Verdict
from tasks import experiments, ledger, snapshots
from tasks.transitions import Decision, advance

FRAUD = load_problem("fraud")
KEEP = FRAUD.improvement.keep_experiments
NOW = datetime(2026, 6, 1, tzinfo=UTC)
OLD, YOUNG = NOW - KEEP - timedelta(days=1), NOW - KEEP + timedelta(days=1)
TIER = Tier(name="decide", share=1, folds=1, seeds=1)


def experiment(rows: snapshots.Snapshot, *, at: datetime, seed: int = 1) -> Job:
    """One that has a result, and every file that an experiment leaves."""
    job = Job("fraud", rows.sha256, Recipe(features=("amount",)), TIER, seed)
    experiments.keep(job, Result(job.id, error="none"), at=at)
    for file in files_of(job):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
    return job


def files_of(job: Job) -> list[Path]:
    return [diagnosis_file(job).with_suffix(kind) for kind in (".parquet", ".json", ".html")]


def frozen(number: int) -> snapshots.Snapshot:
    return snapshots.freeze("fraud", pd.DataFrame({"amount": [number]}))


def there(*jobs: Job) -> list[bool]:
    return [all(file.exists() for file in files_of(job)) for job in jobs]


def night(job: Job, *, began: datetime, ended: bool = True) -> None:
    row = experiments.begin("fraud", began.isoformat(), {"rows": job.rows}, at=began)
    if ended:
        experiments.close(row, Night("fraud", began, began, start=job.id).to_json(), at=began)


def test_an_old_experiment_loses_its_files_and_its_rows_and_keeps_its_result(home):
    rows = frozen(1)
    job = experiment(rows, at=OLD)
    assert forgotten(FRAUD, now=NOW).files == 4
    assert there(job) == [False]
    assert not rows.path.exists()
    assert experiments.result_of(job) == Result(job.id, error="none")
    assert forgotten(FRAUD, now=NOW) == Forgotten()


def test_a_young_one_stays_with_the_rows_that_it_shares_with_an_old_one(home):
    rows = frozen(1)
    old, young = experiment(rows, at=OLD), experiment(rows, at=YOUNG, seed=2)
    assert forgotten(FRAUD, now=NOW).files == 3
    assert there(old, young) == [False, True]
    assert rows.path.exists()


def test_of_the_newest_night_everything_stays_however_old(home):
    rows, before = frozen(1), frozen(2)
    job, other = experiment(rows, at=OLD), experiment(before, at=OLD)
    night(other, began=OLD - timedelta(days=1))
    night(job, began=OLD)
    assert forgotten(FRAUD, now=NOW).files == 4
    assert there(job, other) == [True, False]
    assert (rows.path.exists(), before.path.exists()) == (True, False)


def test_nothing_goes_while_a_night_can_be_gone_on_with(home):
    job = experiment(frozen(1), at=OLD)
    night(job, began=OLD, ended=False)
    assert "has not ended" in forgotten(FRAUD, now=NOW).kept
    assert there(job) == [True]


def test_nothing_goes_while_a_night_runs(home):
    job = experiment(frozen(1), at=OLD)
    with only_one("fraud"):
        assert "is running already" in forgotten(FRAUD, now=NOW).kept
    assert there(job) == [True]


def test_rows_that_the_ledger_names_stay(home):
    rows = frozen(1)
    job = experiment(rows, at=OLD)
    model = Model(version="1", sha256="a" * 64, name="boosting 1", snapshot=rows.sha256)
    verdict = Verdict("first", Outcome.PASS, "it serves")
    state = State("fraud")
    ledger.append(state, advance(state, Decision(verdict, model=model), now=NOW, first_share=0.05))
    assert ledger.state_of("fraud").stage is Stage.HEALTHY
    assert forgotten(FRAUD, now=NOW).files == 3
    assert there(job) == [False]
    assert rows.path.exists()


@pytest.mark.parametrize(
    ("name", "goes"),
    [
        ("night-20240101T000000.html", True),
        ("simple-0123.json", True),
        ("retrain-20240101T000000.html", True),
        ("retrain-20240201T000000.html", False),  # the newest: its rollout may be under way
        ("notes.txt", False),  # nothing of ours
    ],
)
def test_of_other_files_those_go_that_are_old_and_ours(home, name, goes):
    folder = home / "experiments" / "fraud"
    folder.mkdir(parents=True)
    for file in {name, "retrain-20240201T000000.html"}:
        (folder / file).write_text("x")
        age = OLD.timestamp() + (1 if "0201" in file else 0)
        os.utime(folder / file, (age, age))
    assert forgotten(FRAUD, now=NOW - timedelta(days=2)) == Forgotten()
    assert forgotten(FRAUD, now=NOW).files == goes
    assert (folder / name).exists() is not goes


def test_the_plan_says_how_long(home):
    longer = replace(FRAUD, improvement=FRAUD.improvement.model_copy(update={"keep_experiments": 2 * KEEP}))
    job = experiment(frozen(1), at=OLD)
    assert forgotten(longer, now=NOW) == Forgotten()
    assert there(job) == [True]
