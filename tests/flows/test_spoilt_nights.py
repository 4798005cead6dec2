"""Do the commands of the experiment loop say what is the matter, and lose nothing, whatever people and disks do to them?"""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from flows.__main__ import main
from flows.experiment import judged_rows, kept_rows, run
from flows.improvement import advised
from flows.job import diagnosis_file
from schemas.errors import PerennialError
from schemas.plans import ImprovementPlan, Tier
from schemas.recipe import Recipe
from schemas.settings import Settings
from tasks import backlog, database, experiments, runs, snapshots, tracking
from tests.flows import made
from tests.flows.made import DAY
from tests.shared import copied_home

NAME = "spoilt"
NOW = made.START + 60 * DAY
PROBLEM = made.bare(
    NAME,
    recipe=Recipe(family="linear", features=("x", "kind"), window=40 * DAY, parameters={"C": 0.5}),
    improvement=ImprovementPlan(runs=2, tiers=(Tier(name="decide", share=1, folds=1, seeds=1),)),
)


@pytest.fixture(scope="module")
def diagnosed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home in which the recipe of the problem was diagnosed."""
    folder = tmp_path_factory.mktemp("spoilt")
    made.settle(folder / "home", PROBLEM, made.readings(days=62))
    with made.added(PROBLEM, folder):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PERENNIAL_HOME", str(folder / "home"))
            patch.delenv("MLFLOW_TRACKING_URI", raising=False)
            advised(NAME, now=NOW)
            database.close_databases()
        yield folder / "home"


@pytest.fixture
def own(diagnosed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of it that a test may spoil."""
    copied_home(diagnosed, tmp_path / "home")
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    yield tmp_path / "home"
    database.close_databases()


def refusal(capsys, *command) -> str:
    assert main(list(command)) == 1
    said = capsys.readouterr().err
    assert said.startswith("perennial: ")
    assert said.count("\n") == 1
    assert ".." not in said
    return said


def added(change: dict, name: str = "mine") -> list[str]:
    return ["backlog", NAME, "--add", json.dumps({"name": name, "change": change})]


@pytest.mark.parametrize(
    "change, says",
    [
        ({"family": "quantum"}, "family is 'quantum', and should be 'constant', 'linear', 'sgd', 'tree'"),
        ({"vocabulary": 3}, "vocabulary is 3, and should be greater than or equal to 10"),
        ({"features": "x"}, "features is 'x', and should be a valid tuple"),
        ({"features": ["x", "colour"]}, "it reads 'colour', and a request of 'spoilt' holds id, at, x, z, kind"),
        ({"features": ["x", "high"]}, "it reads 'high', and a request of 'spoilt' holds id, at, x, z, kind"),
        ({"interactions": [["x", "colour"]]}, "it reads 'colour'"),
        ({"parameters": {"no_such": 9}}, "linear takes no no_such=9; it takes C, class_weight"),
        ({"family": "tree", "parameters": {"C": 1}}, "tree takes no C=1; it takes ccp_alpha"),
        ({"family": "own", "estimator": "sklearn.nowhere:No"}, "'sklearn.nowhere:No' cannot be imported"),
    ],
)
def test_an_idea_that_can_never_be_tried_is_refused_with_what_can(own, capsys, change, says):
    said = refusal(capsys, *added(change))
    assert says in said
    assert "the idea 'mine' can never be tried on 'spoilt'" in said
    assert not Path(backlog.file_of(NAME)).exists()


def test_a_parameter_of_another_family_may_be_said_since_another_may_be_in_place_by_then(own, capsys):
    assert main(added({"parameters": {"max_depth": 3}})) == 0
    assert "added   mine: {'parameters': {'max_depth': 3}}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    "change, says",
    [
        ({"encodings": {"z": "ordinal"}}, "it waits until the recipe in place can be changed so: the recipe encodes"),
        (
            {"family": "linear"},
            "it waits until the recipe in place can be changed so: the recipe in place is so already",
        ),
    ],
)
def test_an_idea_that_does_not_fit_now_says_so_and_waits(own, capsys, change, says):
    assert main(added(change)) == 0
    assert says in capsys.readouterr().out
    assert [wish.change for wish in backlog.read(NAME).added] == [change]


def test_a_name_that_no_idea_has_is_said_and_waits(own, capsys):
    assert main(["backlog", NAME, "--veto", "nosuchidea", "--first", "zzz", "--first", "read z"]) == 0
    said = capsys.readouterr().out
    assert "never   nosuchidea\n" in said
    assert "waits   nosuchidea: no idea is called 'nosuchidea' now; it waits until one is\n" in said
    assert "waits   zzz: no idea is called 'zzz' now; it waits until one is\n" in said
    assert "waits   read z" not in said


def test_before_any_diagnosis_it_says_that_there_are_no_ideas_yet(own, capsys):
    assert main(["backlog", "spam", "--first", "read body"]) == 0
    assert "waits until one is (nothing of spam was diagnosed yet, and ideas come of that)" in capsys.readouterr().out


def test_an_idea_of_a_persons_hides_none_of_the_backlogs_own(own, capsys):
    said = refusal(capsys, *added({"vocabulary": 50}, name="read z"))
    assert "an idea is called 'read z' already, and yours would hide it" in said
    assert main(added({"vocabulary": 50})) == 0
    assert main(added({"vocabulary": 60})) == 0, "one's own may be said anew"
    assert [wish.change for wish in backlog.read(NAME).added] == [{"vocabulary": 60}]


def test_what_was_said_can_be_taken_back_and_what_was_not_is_refused(own, capsys):
    assert main([*added({"vocabulary": 50}), "--veto", "a", "--first", "b"]) == 0
    assert "people's word is on 'mine', 'b', 'a'" in refusal(capsys, "backlog", NAME, "--forget", "c")
    assert main(["backlog", NAME, "--forget", "mine", "--forget", "b", "--forget", "a", "--veto", "d"]) == 0
    assert backlog.read(NAME) == backlog.Wishes(veto=("d",))


@pytest.mark.parametrize(
    "changed, says",
    [
        ({"parameters": {"C": -1.5}}, "The 'C' parameter of LogisticRegression must be a float"),
        ({"parameters": {"C": -1.5}}, "C=-1.5 is refused: "),
        ({"parameters": {"no_such": 9}}, "LogisticRegression takes no no_such=9"),
        ({"features": ("x", "colour")}, "the recipe reads 'colour', which the development rows do not hold"),
        (
            {"parameters": {"solver": "lbfgs", "l1_ratio": 1.0}},
            "linear with solver='lbfgs', l1_ratio=1.0: ",
        ),
    ],
)
def test_an_experiment_that_failed_names_parameter_and_value_or_the_column(own, changed, says):
    (job,) = experiments.jobs(NAME)
    result, fits = run(replace(job, recipe=job.recipe.model_copy(update=changed)))
    assert fits == []
    assert says in result.error


def losses_file(home: Path) -> Path:
    (path,) = (home / "experiments" / NAME).glob("*.parquet")
    return path


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def run_of(job) -> str:
    with runs.training_run(PROBLEM, key=job.id, among="experiments") as run_id:
        return run_id


def _snapshot(job) -> Path:
    return snapshots.place(NAME, job.rows)


def _losses(job) -> Path:
    return losses_file(Settings().root)


@pytest.mark.parametrize(
    "file, spoil, says",
    [
        (_snapshot, Path.unlink, "are gone: there is no "),
        (_snapshot, cut, "no longer hashes to its name: it was changed after it was frozen"),
        (_losses, Path.unlink, "are gone: there is no "),
        (_losses, cut, "are damaged: "),
        (_losses, lambda path: path.write_text("x"), "has 1 bytes, and is no table of them"),
    ],
)
def test_an_experiment_whose_files_are_spoilt_is_not_made_again_and_says_which(own, capsys, file, spoil, says):
    (job,) = experiments.jobs(NAME)
    path = file(job)
    spoil(path)
    said = refusal(capsys, "reproduce", run_of(job))
    assert says in said
    assert str(path) in said


def _altered(said: dict) -> dict:
    return said | {"recipe": said["recipe"] | {"vocabulary": 77}}


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda _: "{}", "has a tag 'job' that cannot be read: it says '{}', and it lacks 'recipe'"),
        (lambda text: text[:40], "has a tag 'job' that cannot be read: it says '{"),
        (lambda _: "[]", "has a tag 'job' that cannot be read"),
        (
            lambda text: json.dumps(json.loads(text) | {"recipe": {"colour": 1}}),
            "features is missing; colour is no field",
        ),
        (lambda text: json.dumps(_altered(json.loads(text))), "one of the two was altered after the run"),
    ],
)
def test_a_tag_that_was_altered_is_told(own, capsys, make, says):
    (job,) = experiments.jobs(NAME)
    run_id = run_of(job)
    tracking.api().set_tag(run_id, "job", make(tracking.api().get_run(run_id).data.tags["job"]))
    said = refusal(capsys, "reproduce", run_id)
    assert says in said
    assert run_id in said


@pytest.mark.parametrize("spoil", [Path.unlink, cut, lambda path: path.write_text("{}")])
def test_a_diagnosis_that_was_lost_is_made_again(own, capsys, spoil):
    (job,) = experiments.jobs(NAME)
    before = json.loads(diagnosis_file(job).read_text())
    spoil(diagnosis_file(job))
    advised(NAME, now=NOW)
    assert (
        json.loads(diagnosis_file(job).read_text())["diagnosis"]["loss"].items() >= before["diagnosis"]["loss"].items()
    )
    assert main(["backlog", NAME, "--first", "read z"]) == 0
    assert "waits" not in capsys.readouterr().out


@pytest.mark.parametrize("spoil", [Path.unlink, cut])
def test_row_losses_that_were_lost_are_the_same_when_they_are_fitted_again(own, spoil):
    (job,) = experiments.jobs(NAME)
    before = kept_rows(job)
    spoil(losses_file(own))
    assert (judged_rows(job).loss == before.loss).all()
    assert (kept_rows(job).loss == before.loss).all()


def test_rows_that_are_gone_are_nobodys_result(own):
    (job,) = experiments.jobs(NAME)
    for spoil in (cut, Path.unlink):
        spoil(_snapshot(job))
        with pytest.raises(PerennialError):
            run(job)


def test_a_reproduction_whose_figures_cannot_be_written_has_shown_what_it_was_asked(own, capsys):
    (job,) = experiments.jobs(NAME)
    (own / "figures").touch()
    assert main(["reproduce", run_of(job)]) == 0
    said = capsys.readouterr().out
    assert "is made again" in said
    assert f"not kept as data: {own / 'figures'}" in said


def test_a_moment_before_the_tables_rows_names_both(own, capsys):
    said = refusal(capsys, "diagnose", NAME, "--now", "2001-01-31T00:00Z")
    assert "no experiments on 'spoilt' at 2001-01-31T00:00Z: of its table, from 2024-01-01T00:00Z to 2024-03-0" in said
    assert "Name a moment up to 2024-03-0" in said


def test_a_recipe_that_cannot_be_fitted_is_one_sentence_with_one_full_stop(own, capsys, monkeypatch):
    broken = PROBLEM.recipe.model_copy(update={"parameters": {"no_such": 9}})
    monkeypatch.setitem(made.ADDED, f"schemas.problems.{NAME}", replace(PROBLEM, recipe=broken))
    monkeypatch.delitem(sys.modules, f"schemas.problems.{NAME}")
    try:
        said = refusal(capsys, "diagnose", NAME, "--now", NOW.isoformat())
    finally:
        sys.modules.pop(f"schemas.problems.{NAME}", None)
    assert "LogisticRegression takes no no_such=9" in said
