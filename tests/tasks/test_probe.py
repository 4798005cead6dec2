"""Does a model that was logged serve in a process that shares nothing with the one that trained it?"""

import os
import time
from contextlib import ExitStack
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
from tasks.probe import FreshProcess
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
    """What a fresh process each finds of three files; they load their libraries side by side, as beside a training."""
    folder, said = tmp_path_factory.mktemp("models"), score(model, golden, toy.framing)
    other = training.fit(toy.recipe, toy.framing, rows.head(100), seed=3, threshold=0.3)
    files = {"sound": (_sound, model), "another": (_sound, other), "untrusted": (_untrusted, model)}
    with ExitStack() as stack:
        started = {name: stack.enter_context(FreshProcess()) for name in files}
        for name, (write, logged) in files.items():
            write(folder / f"{name}.skops", logged)
        return {
            name: process.probe(folder / f"{name}.skops", trusted_for(None), golden, said, toy.framing)
            for name, process in started.items()
        }


def test_a_sound_model_scores_alike_in_a_process_of_its_own(found):
    probe = found["sound"]
    assert (probe.rows, probe.differing, probe.error) == (30, 0, "")
    assert serveable(probe, LIMITS).outcome is Outcome.PASS


def test_what_it_takes_is_measured(found):
    probe = found["sound"]
    assert 0 < probe.load_seconds < 60
    assert 0 < probe.latency_ms < 5_000
    assert 0 <= probe.memory_mb < 4_000
    assert 0 < probe.size_mb < 1


def test_a_file_that_does_not_serve_is_an_error_that_names_it_and_never_a_pass(found):
    probe = found["untrusted"]
    assert "UntrustedTypesFoundException" in probe.error
    assert "\n" not in probe.error
    assert len(probe.error) <= 200
    verdict = serveable(probe, LIMITS)
    assert verdict.outcome is Outcome.FAIL
    assert probe.error in verdict.reason


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
    from tasks import probe

    write(tmp_path / "model.skops", model)
    golden.to_parquet(tmp_path / "golden.parquet")
    order = {"file": str(tmp_path / "model.skops"), "trusted": trusted_for(None)}
    order |= {"rows": str(tmp_path / "golden.parquet"), "framing": toy.framing.model_dump_json()}
    with pytest.raises(raises):
        probe._serve(order)


def _probed(toy, model, golden, path, said):
    """With a process that has answered already: the comparison is this process's own."""
    from tasks import probe

    answered = {"load_seconds": 0.1, "latency_ms": 1.0, "memory_mb": 1.0}
    fresh = score(model, golden, toy.framing)
    answered |= {"score": fresh.score.tolist(), "decision": fresh.decision.tolist()}
    return probe._compared(answered, path, said)


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


def test_a_process_that_is_never_asked_ends_with_its_context_and_leaves_no_zombie():
    with FreshProcess() as process:
        pid = process._process.pid
        os.kill(pid, 0)  # it is there
    assert process._process.returncode is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def test_it_ends_with_its_context_when_that_is_left_by_an_error():
    process = FreshProcess()
    with pytest.raises(RuntimeError), process:
        raise RuntimeError("training raised")
    with pytest.raises(ProcessLookupError):
        os.kill(process._process.pid, 0)


def test_a_process_that_gives_no_answer_in_time_is_an_error_and_is_ended(toy, model, golden, tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.probe._AT_MOST", 0.01)
    skops.io.dump(model, tmp_path / "model.skops")
    began = time.monotonic()
    with FreshProcess() as process:
        probe = process.probe(
            tmp_path / "model.skops", trusted_for(None), golden, score(model, golden, toy.framing), toy.framing
        )
    assert probe.error.startswith("no answer within")
    assert serveable(probe, LIMITS).outcome is Outcome.FAIL
    assert time.monotonic() - began < 5
    with pytest.raises(ProcessLookupError):
        os.kill(process._process.pid, 0)


def test_a_process_that_has_died_before_it_is_asked_is_an_error(toy, model, golden, tmp_path):
    skops.io.dump(model, tmp_path / "model.skops")
    with FreshProcess() as process:
        process._process.kill()
        process._process.wait()
        probe = process.probe(
            tmp_path / "model.skops", trusted_for(None), golden, score(model, golden, toy.framing), toy.framing
        )
    assert "ended without a word" in probe.error
    assert serveable(probe, LIMITS).outcome is Outcome.FAIL
