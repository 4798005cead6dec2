"""Against a real MLflow store: is a model what its hash says, and are the aliases what the ledger says?"""

import itertools
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import LogisticRegression

from schemas.errors import PerennialError
from schemas.problem import load_problem
from schemas.route import Route
from schemas.rows import State
from schemas.stage import Stage
from tasks import modelfile, registry, runs, tracking

ROWS = pd.DataFrame({"x": np.linspace(-1, 1, 40)})
LABELS = (ROWS["x"] > 0).astype(int)
_names = itertools.count()


@pytest.fixture
def problem(mlflow_home):
    """A known problem, since loading asks for its trusted types by name."""
    return load_problem("electricity")


def _model(strength: float = 1.0) -> LogisticRegression:
    return LogisticRegression(C=strength).fit(ROWS, LABELS)


def _register(problem, model, **more):
    with runs.training_run(problem, key=f"{problem.name}/{next(_names)}") as run:
        return registry.register(problem, model, name="linear", example=ROWS.head(3), run_id=run, **more)


def _client():
    return tracking.api()


def test_what_was_registered_is_loaded_and_answers_alike(problem):
    model = _model(0.5)
    until = datetime(2024, 1, 1, tzinfo=UTC)
    registered = _register(problem, model, trained_until=until, held_out={"loss": 0.1}, why="drift")
    loaded = registry.load(problem, registered)
    np.testing.assert_array_equal(loaded.predict_proba(ROWS), model.predict_proba(ROWS))
    assert (registered.trained_until, registered.held_out, registered.why) == (until, {"loss": 0.1}, "drift")


def test_the_same_content_is_one_version_and_other_content_another(problem):
    first, again, other = (_register(problem, _model(c)) for c in (2.0, 2.0, 3.0))
    assert (first.sha256, first.version) == (again.sha256, again.version)
    assert (other.sha256, other.version) != (first.sha256, first.version)


def test_a_step_taken_twice_takes_up_its_own_run(problem):
    taken = set()
    for _ in range(2):
        with runs.training_run(problem, key="electricity/crashed") as run:
            runs.describe({"family": "linear"}, {"loss": 0.1, "roc_auc": float("nan")}, {"why": "drift"}, [])
            taken.add(run)
    assert len(taken) == 1
    assert _client().get_run(taken.pop()).data.metrics == {"loss": 0.1}  # what is undefined is left out


def test_an_altered_file_is_refused(problem):
    registered = _register(problem, _model(4.0))
    folder = Path(
        tracking.vendor().artifacts.download_artifacts(artifact_uri=f"models:/{problem.name}/{registered.version}")
    )
    import skops.io

    skops.io.dump(_model(5.0), folder / "model.skops")
    with pytest.raises(modelfile.AlteredModelError, match="its file was changed"):
        registry.load(problem, registered)


def test_a_version_of_another_hash_is_refused(problem):
    registered = _register(problem, _model(6.0))
    with pytest.raises(modelfile.AlteredModelError, match="the ledger says 000000000000"):
        registry.load(problem, replace(registered, sha256="0" * 64))


def test_a_type_nobody_trusts_is_neither_registered_nor_adopted(problem, tmp_path):
    import skops.io

    stranger = GaussianProcessClassifier(random_state=1).fit(ROWS, LABELS)
    stranger.extra_ = Path("/somewhere")  # a type that no list of ours or of skops holds
    with pytest.raises(modelfile.AlteredModelError, match=r"not on our list: .*Path"):
        _register(problem, stranger)
    skops.io.dump(stranger, tmp_path / "model.skops")
    for uri in (tmp_path, tmp_path / "model.skops"):
        with pytest.raises(modelfile.AlteredModelError, match="nobody trusts"):
            registry.adopt(problem, str(uri))


def test_a_folder_or_a_file_is_adopted_and_an_empty_one_says_what_it_needs(problem, tmp_path):
    import skops.io

    with pytest.raises(PerennialError, match=r"holds no skops model; save it with skops.io.dump"):
        registry.adopt(problem, str(tmp_path))
    model = _model(7.0)
    skops.io.dump(model, tmp_path / "model.skops")
    for uri in (tmp_path, tmp_path / "model.skops"):
        np.testing.assert_array_equal(registry.adopt(problem, str(uri)).coef_, model.coef_)


def test_aliases_follow_the_ledger_and_a_foreign_edit_is_mended_and_reported(problem):
    one, two, three = (_register(problem, _model(c)) for c in (8.0, 9.0, 10.0))
    client = _client()

    def aliases() -> dict[str, str]:
        return {role: str(v) for role, v in client.get_registered_model(problem.name).aliases.items()}

    state = State(problem.name, 3, stage=Stage.CANARY, share=0.05, champion=one, challenger=two)
    registry.project(problem, state)
    assert aliases() == {"champion": one.version, "challenger": two.version}
    assert registry.project(problem, state) == []

    client.set_registered_model_alias(problem.name, "champion", three.version)
    client.delete_registered_model_alias(problem.name, "challenger")
    foreign = registry.project(problem, state)
    assert len(foreign) == 2
    assert f"alias champion was set to version {three.version} by somebody else" in foreign[0]
    assert "alias challenger" in foreign[1]
    assert aliases() == {"champion": one.version, "challenger": two.version}

    after = replace(state, stage=Stage.PROBATION, champion=two, challenger=None, previous=one, share=0.0, epoch=9)
    assert registry.project(problem, after) == []  # the ledger's own move is nobody's foreign edit
    assert aliases() == {"champion": two.version, "previous": one.version}
    assert registry.read_route(problem) == Route.of(after)


def test_reports_are_kept_with_the_run_that_made_the_model(problem, tmp_path):
    registered = _register(problem, _model(11.0))
    (tmp_path / "w.html").write_text("<html>")
    run = runs.log_report(problem, registered, [tmp_path / "w.html"], folder="w")
    assert [f.path for f in _client().list_artifacts(run, "reports/w")] == ["reports/w/w.html"]
    assert runs.run_link(problem, run).endswith(f"/runs/{run}")


def test_two_dumps_of_one_model_have_one_digest_and_two_files(tmp_path):
    import skops.io

    model = _model()
    paths = [tmp_path / "one.skops", tmp_path / "two.skops"]
    for path in paths:
        skops.io.dump(model, path)
    other = skops.io.loads(skops.io.dumps(model))
    skops.io.dump(other, tmp_path / "reloaded.skops")
    assert len({modelfile.digest(path) for path in [*paths, tmp_path / "reloaded.skops"]}) == 1


@pytest.mark.parametrize(
    "one, other",
    [
        (_model(1.0), _model(2.0)),
        (
            DummyClassifier(strategy="prior").fit(ROWS, LABELS),
            DummyClassifier(strategy="most_frequent").fit(ROWS, LABELS),
        ),
        (_model(1.0), _model(1.0).set_params(C=1.5)),  # the same coefficients, another parameter
    ],
)
def test_models_that_differ_anywhere_differ_in_digest(tmp_path, one, other):
    import skops.io

    for name, model in (("one", one), ("other", other)):
        skops.io.dump(model, tmp_path / name)
    assert modelfile.digest(tmp_path / "one") != modelfile.digest(tmp_path / "other")


def test_arrays_swapped_within_a_file_change_its_digest(tmp_path):
    import skops.io

    path, swapped = tmp_path / "m.skops", tmp_path / "swapped.skops"
    skops.io.dump(_model(), path)
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    arrays = [name for name in content if name != "schema.json"]
    first, second = next((a, b) for a, b in itertools.combinations(arrays, 2) if content[a] != content[b])
    content[first], content[second] = content[second], content[first]
    with zipfile.ZipFile(swapped, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    assert modelfile.digest(swapped) != modelfile.digest(path)


def test_what_retrains_took_is_told_in_their_order(problem):
    for number in range(4):
        with runs.training_run(problem, key=f"took/{next(_names)}"):
            tags = {"recipe": "{}"} if number else {}  # the first registers a rule: nothing was trained
            runs.describe({}, {"serveability.size_mb": float(number), "test_loss": 0.1}, tags, [])
    found = runs.training_times(problem, n=2)
    assert [run["serveability.size_mb"] for run in found] == [2.0, 3.0]
    assert set(found[0]) == {"at", "training seconds", "serveability.size_mb"}
    assert 0 <= found[0]["training seconds"] < 60
    assert found[0]["at"] <= found[1]["at"]
