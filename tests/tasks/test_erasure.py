"""Is nothing left of whom a row is about, while what verdicts cite stays as it was?"""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.errors import PerennialError
from tasks import archives, erasure, retention
from tasks.erasure import Erased, erase
from tasks.labels import take_in
from tests.tasks.kept import NOW, Row, archived, engine, everything, fresh, killed_at, logged, table

ANN = "Ann-7f3a"
rows = st.builds(
    Row,
    days=st.sampled_from([1, 20, 45, 75]),
    entity=st.sampled_from([ANN, "bob"]),
    labelled=st.booleans(),
    gateway=st.booleans(),
    same_request=st.booleans(),
)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(retention, "_FILE", 3)
    monkeypatch.setattr(erasure, "_KEYS", 2)


def _history(problem, history):
    """Logged, and what is old archived."""
    logged(problem, history)
    retention.archive(problem, now=NOW, open_rollout=9)


def _evidence(problem):
    """What verdicts are made of: every row by its number without names, with its labels; and how many entities there are."""
    answers, labels = everything(problem, "predictions"), everything(problem, "labels")
    by_key = {}
    for row in labels.values():
        by_key.setdefault(row[2], []).append(row[3:])
    joined = {n: (row[3], *row[5:], sorted(by_key.get(row[2], []))) for n, row in answers.items()}
    return joined, len({row[4] for row in answers.values()}), len({row[2] for row in answers.values()}), len(labels)


def _others(problem, own):
    found = {kind: everything(problem, kind) for kind in ("predictions", "labels")}
    features = table(problem, "features")
    return (
        {n: row for n, row in found["predictions"].items() if row[4] == "bob"},
        {n: row for n, row in found["labels"].items() if row[2] not in own and not row[2].startswith("erased")},
        features[features["customer"] == "bob"].to_dict("records"),
    )


def _said(problem):
    """All that is written anywhere of the problem, as one text."""
    frames = [table(problem, name) for name in ("predictions", "labels", "features", "client_ids")]
    frames += [archived(problem, kind) for kind in ("predictions", "labels")]
    return "\n".join(frame.to_csv() for frame in frames)


def _nothing_left(problem, history):
    own = [f"k{n}" for n, row in enumerate(history) if row.entity == ANN]
    said = _said(problem)
    assert ANN not in said
    assert not [key for key in own if f",{key}," in said]
    assert not list(archives.folder_of(problem.name).glob(".erasing-*")), "the secret outlived the erasure"


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(history=st.lists(rows, min_size=1, max_size=9), kills=st.lists(st.integers(0, 60), max_size=3))
def test_killed_anywhere_and_run_again_nothing_is_left_and_no_evidence_is_lost(log_home, toy, history, kills):
    problem = fresh(toy)
    _history(problem, history)
    own = {f"k{n}" for n, row in enumerate(history) if row.entity == ANN}
    before, others = _evidence(problem), _others(problem, own)
    for step in [*kills, 10**6]:
        with killed_at(step):
            erase(problem, ANN)
    archives.mend(problem.name)
    assert _evidence(problem) == before
    assert _others(problem, own) == others
    _nothing_left(problem, history)
    assert erase(problem, ANN) == Erased()


def test_no_step_at_which_it_is_killed_spoils_the_rest(home, toy):
    history = [Row(n, entity=ANN if n % 2 else "bob") for n in (45, 44, 5)]
    step, ended = 0, False
    while not ended:
        problem = fresh(toy)
        _history(problem, history)
        before = _evidence(problem)
        with killed_at(step) as calls:
            erase(problem, ANN)
        ended = calls[-1] != "killed"
        erase(problem, ANN)
        assert _evidence(problem) == before, f"killed at {calls[-2:]}"
        _nothing_left(problem, history)
        step += 1
    assert step > 30, "there are that many steps"


def test_it_says_how_much_there_was(log_home, toy):
    problem = fresh(toy)
    _history(
        problem, [Row(45, entity=ANN), Row(5, entity=ANN), Row(4, entity=ANN, labelled=False), Row(3, entity="bob")]
    )
    found = erase(problem, ANN)
    assert found == Erased(answers=2, labels=1, features=2, client_ids=2, archived=2)
    assert len(table(problem, "features")) == len(table(problem, "client_ids")) == 1
    assert len(table(problem, "predictions")) == 3


def test_a_label_that_comes_again_after_a_crash_is_not_kept_twice(log_home, toy):
    problem, step = fresh(toy), 0
    logged(problem, [Row(5, entity=ANN), Row(4, entity=ANN), Row(3, entity=ANN)])
    label = table(problem, "labels").iloc[0]
    while "erased" not in table(problem, "labels")["key"].to_string():
        with killed_at(step):
            erase(problem, ANN)
        step += 1
    known_at = pd.Timestamp(int(label["known_at"]), unit="us", tz="UTC").to_pydatetime()
    assert take_in(problem, [("k0", int(label["label"]), known_at)], now=NOW).new == 1
    erase(problem, ANN)
    assert len(table(problem, "labels")) in (3, 4)  # k0 may have been done before: then it is a stranger's label


def test_a_key_that_others_asked_about_too_keeps_its_label(log_home, toy):
    problem = fresh(toy)
    logged(problem, [Row(5, entity="bob")])
    logged(problem, [Row(4, entity=ANN, labelled=False)])  # k0 again
    assert erase(problem, ANN).labels == 0
    assert table(problem, "labels")["key"].tolist() == ["k0"]
    assert table(problem, "predictions")["entity"].str.startswith("erased").tolist() == [False, True]


def test_where_rows_are_the_entities_key_and_entity_stay_one(log_home, toy):
    problem = fresh(toy)
    logged(problem, [Row(5, entity="k0")])
    erase(problem, "k0")
    row = table(problem, "predictions").iloc[0]
    assert row["key"] == row["entity"] != "k0"


def test_tokens_of_two_erasures_have_nothing_in_common(log_home, toy):
    tokens = []
    for _ in range(2):
        problem = fresh(toy)
        logged(problem, [Row(5, entity=ANN)])
        erase(problem, ANN)
        tokens += table(problem, "predictions")[["key", "entity"]].iloc[0].tolist()
    assert len(set(tokens)) == 4


def test_quarantined_rows_go_and_others_stay_as_they_are(home, toy):
    folder = home / "quarantine" / "toy"
    folder.mkdir(parents=True)
    frame = pd.DataFrame(
        {"id": [1, 2, 3], "customer": [7.0, 8.0, None], "x": ["?", None, "0"], "reason": "x: no number"}
    )
    frame.to_parquet(folder / "some.parquet", index=False)
    frame.head(1).to_parquet(folder / "all.parquet", index=False)
    frame.tail(2).to_parquet(folder / "none.parquet", index=False)
    assert erase(toy, "7") == Erased(quarantined=2)
    assert sorted(file.name for file in folder.iterdir()) == ["none.parquet", "some.parquet"]
    left = pd.read_parquet(folder / "some.parquet")
    pd.testing.assert_frame_equal(left, pd.read_parquet(folder / "none.parquet"))
    assert erase(toy, "7") == Erased()


def test_snapshots_are_named_and_not_altered(home, toy, toy_rows):
    folder = home / "snapshots" / "toy"
    folder.mkdir(parents=True)
    toy_rows(4).assign(customer=[1, 2, 3, 7]).to_parquet(folder / "holds.parquet", index=False)
    toy_rows(4).assign(customer=70).to_parquet(folder / "holds_not.parquet", index=False)
    toy_rows(4).drop(columns="customer").to_parquet(folder / "cannot_be_searched.parquet", index=False)
    before = {file: file.read_bytes() for file in folder.iterdir()}
    found = erase(toy, "7")
    assert [Path(file).name for file in found.snapshots] == ["cannot_be_searched.parquet", "holds.parquet"]
    assert {file: file.read_bytes() for file in folder.iterdir()} == before


def test_while_answers_wait_in_a_spill_file_nothing_is_erased(home, toy):
    problem = fresh(toy)
    logged(problem, [Row(5, entity=ANN)])
    spill = home / "gateway" / problem.name / "spill"
    spill.mkdir(parents=True)
    (spill / "1.jsonl").write_bytes(b"")
    with pytest.raises(PerennialError, match="Run again when the log is back"):
        erase(problem, ANN)
    assert ANN in _said(problem)


def test_while_an_archiving_is_half_done_nothing_is_erased(home, toy):
    problem, step = fresh(toy), 0
    logged(problem, [Row(45, entity=ANN)])
    while not archives.begun(problem.name):
        with killed_at(step):
            retention.archive(problem, now=NOW, open_rollout=9)
        step += 1
    with pytest.raises(PerennialError, match=f"make archive PROBLEM={problem.name}"):
        erase(problem, ANN)
    retention.settle(problem)
    found = erase(problem, ANN)
    assert (found.archived, found.labels) == (1, 1), "settling begins nothing: the label waits for the next archiving"


def test_nothing_of_it_is_left_in_the_bytes_of_the_database(home, toy):
    problem = fresh(toy)
    logged(problem, [Row(5, entity=ANN), *[Row(4, entity="bob")] * 50])
    assert ANN.encode() in b"".join(file.read_bytes() for file in home.glob("predictions.db*"))
    erase(problem, ANN)
    assert ANN.encode() not in b"".join(file.read_bytes() for file in home.glob("predictions.db*"))


def test_an_erasure_names_an_entity(home, toy):
    with pytest.raises(PerennialError, match="--entity"):
        erase(toy, "")


def test_an_error_of_the_database_quotes_no_value(home, toy, monkeypatch):
    problem = fresh(toy)
    logged(problem, [Row(5, entity=ANN)])
    with engine().begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER no BEFORE UPDATE ON predictions BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    with pytest.raises(PerennialError, match="failed while erasing") as raised:
        erase(problem, ANN)
    assert ANN not in str(raised.value)
