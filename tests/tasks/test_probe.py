"""Does a model that was logged serve in a process that shares nothing with the one that trained it?"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pytest
import skops.io
from skops.io.exceptions import UntrustedTypesFoundException

from schemas.trusted import trusted_for
from schemas.verdict import Outcome
from tasks import training
from tasks.gates import Limits, serveable
from tasks.probe import _compared, _serve, probe, warm
from tasks.scoring import Scores, score

LIMITS = Limits(load_seconds=60, latency_ms=5_000, memory_mb=4_000, size_mb=100)


class Untrusted:
    """A type that is on nobody's list. Bringing it to life would run whatever it holds."""

    def predict_proba(self, frame):
        raise AssertionError("it was loaded")


def _sound(path: Path, model) -> None:
    skops.io.dump(model, path)


def _altered(path: Path, model) -> None:
    skops.io.dump(model, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def _text(path: Path, _model) -> None:
    path.write_text("no model at all")


def _untrusted(path: Path, _model) -> None:
    skops.io.dump(Untrusted(), path)


def _no_model(path: Path, _model) -> None:
    skops.io.dump({"x": [0.5]}, path)


@pytest.fixture(scope="module")
def rows(toy_rows):
    return toy_rows(24 * 20)


@pytest.fixture(scope="module")
def model(toy, rows):
    return training.fit(toy.recipe, toy.framing, rows, seed=3, threshold=0.3)


@pytest.fixture(scope="module")
def golden(toy, rows):
    return rows[list(toy.recipe.features)].tail(30)


@pytest.fixture(scope="module")
def found(toy, model, rows, golden, tmp_path_factory):
    """What a fresh process each finds of three files."""
    folder, said = tmp_path_factory.mktemp("models"), score(model, golden, toy.framing)
    other = training.fit(toy.recipe, toy.framing, rows.head(100), seed=3, threshold=0.3)
    files = {"sound": (_sound, model), "another": (_sound, other), "untrusted": (_untrusted, model)}
    for name, (write, logged) in files.items():
        write(folder / f"{name}.skops", logged)
    return {name: probe(folder / f"{name}.skops", trusted_for(None), golden, said, toy.framing) for name in files}


def test_a_sound_model_scores_alike_in_a_process_of_its_own(found):
    seen = found["sound"]
    assert (seen.rows, seen.differing, seen.error) == (30, 0, "")
    assert serveable(seen, LIMITS).outcome is Outcome.PASS


def test_what_it_takes_is_measured(found):
    seen = found["sound"]
    assert 0 < seen.load_seconds < 60
    assert 0 < seen.latency_ms < 5_000
    assert 0 <= seen.memory_mb < 4_000
    assert 0 < seen.size_mb < 1


def test_a_file_that_does_not_serve_is_an_error_that_names_it_and_never_a_pass(found):
    seen = found["untrusted"]
    assert seen.error == "UntrustedTypesFoundException"
    verdict = serveable(seen, LIMITS)
    assert verdict.outcome is Outcome.FAIL
    assert seen.error in verdict.reason


def test_a_model_that_is_another_one_once_it_is_loaded_is_found(found):
    """The file holds a model trained on other rows than the one that was judged."""
    assert found["another"].error == ""
    assert found["another"].differing == 30
    verdict = serveable(found["another"], LIMITS)
    assert (verdict.outcome, verdict.evidence["differing"]) == (Outcome.FAIL, 30)


@pytest.mark.parametrize(
    "write, raises",
    [
        (_altered, BadZipFile),
        (_text, BadZipFile),
        (_untrusted, UntrustedTypesFoundException),
        (_no_model, AttributeError),
        (lambda path, _: None, FileNotFoundError),
    ],
    ids=["altered", "text", "untrusted", "no model", "gone"],
)
def test_what_the_process_does_raises_for_every_file_that_is_no_model_of_ours(
    toy, model, golden, tmp_path, write, raises
):
    write(tmp_path / "model.skops", model)
    golden.to_parquet(tmp_path / "golden.parquet")
    order = {"file": str(tmp_path / "model.skops"), "trusted": trusted_for(None)}
    order |= {"rows": str(tmp_path / "golden.parquet"), "framing": toy.framing.model_dump_json()}
    with pytest.raises(raises):
        _serve(order)


def _probed(toy, model, golden, path, said):
    """With a process that has answered already: the comparison is this process's own."""
    answered = {"load_seconds": 0.1, "latency_ms": 1.0, "memory_mb": 1.0}
    fresh = score(model, golden, toy.framing)
    answered |= {"score": fresh.score.tolist(), "decision": fresh.decision.tolist()}
    return _compared(answered, path, said)


@pytest.mark.parametrize(
    "change, differing",
    [
        (lambda s: s, 0),
        (lambda s: Scores(s.score * (1 + 1e-12), s.decision), 0),  # the last digit of a sum
        (lambda s: Scores(s.score + 1e-6, s.decision), 30),
        (lambda s: Scores(np.where(np.arange(30) == 7, 1 - s.score, s.score), s.decision), 1),
        (lambda s: Scores(np.where(np.arange(30) < 2, np.nan, s.score), s.decision), 2),
        (lambda s: Scores(s.score, 1 - s.decision), 30),  # another threshold
    ],
)
def test_a_row_that_scores_or_decides_otherwise_is_counted(toy, model, golden, tmp_path, change, differing):
    said = change(score(model, golden, toy.framing))
    assert _probed(toy, model, golden, tmp_path / "none", said).differing == differing


class Loud:
    """Prints while it answers, and keeps count of its answers."""

    asked = 0

    def predict_proba(self, frame):
        print("a row for everybody to read")
        Loud.asked += 1
        return np.column_stack([np.full(len(frame), 1 - Loud.asked / 100), np.full(len(frame), Loud.asked / 100)])


class Deadly:
    def predict_proba(self, frame):
        os.kill(os.getpid(), signal.SIGSEGV)


@pytest.fixture
def own(monkeypatch):
    """A zygote of this test's own, ended with it."""
    kept = []
    monkeypatch.setattr("tasks.probe._kept", kept)
    yield kept
    for zygote in kept:
        zygote.end()


def _ask(toy, model, golden, path, *, trusted=()):
    skops.io.dump(model, path)
    said = Scores(np.full(len(golden), 0.01), np.zeros(len(golden)))
    return probe(path, [*trusted_for(None), *trusted], golden, said, toy.framing)


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_each_model_meets_a_process_that_no_other_was_in_and_what_it_prints_is_no_answer(toy, golden, tmp_path, own):
    """It counts its answers in its class: the second process knows nothing of the first."""
    loud = [f"{Loud.__module__}.Loud"]
    for _ in range(2):
        seen = _ask(toy, Loud(), golden, tmp_path / "loud.skops", trusted=loud)
        assert (seen.error, seen.differing) == ("", 0)
    assert Loud.asked == 0


def test_a_model_that_brings_its_process_down_is_an_error_and_the_next_one_is_served(toy, model, golden, tmp_path, own):
    seen = _ask(toy, Deadly(), golden, tmp_path / "deadly.skops", trusted=[f"{Deadly.__module__}.Deadly"])
    assert seen.error == f"it ended with status {-signal.SIGSEGV}"
    assert serveable(seen, LIMITS).outcome is Outcome.FAIL
    first = own[0].process.pid
    assert _ask(toy, model, golden, tmp_path / "model.skops").error == ""
    assert own[0].process.pid == first


def test_no_answer_in_time_is_an_error_and_whoever_gives_none_is_ended(toy, model, golden, tmp_path, own, monkeypatch):
    monkeypatch.setattr("tasks.probe._AT_MOST", 0.01)
    began = time.monotonic()
    seen = _ask(toy, model, golden, tmp_path / "model.skops")
    assert seen.error == "no answer within 0.01 s"
    assert serveable(seen, LIMITS).outcome is Outcome.FAIL
    assert time.monotonic() - began < 5
    assert own[0].process.returncode is not None
    assert _gone(own[0].process.pid)


def test_a_zygote_that_has_died_is_replaced(toy, model, golden, tmp_path, own):
    warm()
    dead = own[0].process
    dead.kill()
    dead.wait()
    assert _ask(toy, model, golden, tmp_path / "model.skops").error == ""
    assert own[0].process.pid != dead.pid


def test_one_that_dies_while_it_is_asked_is_an_error(toy, model, golden, tmp_path, own, monkeypatch):
    warm()
    own[0].process.kill()
    own[0].process.wait()
    monkeypatch.setattr(own[0].process, "poll", lambda: None)  # nobody has seen it yet
    seen = _ask(toy, model, golden, tmp_path / "model.skops")
    assert seen.error == "it ended without a word"
    monkeypatch.undo()
    own.clear()


def test_it_ends_with_the_process_that_started_it():
    code = "from tasks import probe; probe.warm(); print(probe._kept[0].process.pid)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert _gone(int(done.stdout))


def test_it_ends_when_its_owner_is_killed():
    code = "import os; from tasks import probe; probe.warm(); print(probe._kept[0].process.pid, flush=True); os.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    pid = int(done.stdout)
    deadline = time.monotonic() + 30  # it is still loading its libraries, and then finds its pipe closed
    while not _gone(pid) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert _gone(pid)
