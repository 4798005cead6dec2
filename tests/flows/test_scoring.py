"""Is a request of many rows answered as turns answer, each row once, whatever interrupts it?"""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

from flows import lifecycle, scored_part, scoring
from flows.__main__ import main as flows
from flows.replay import plain_turn
from flows.score_request import Asked, Output, Rows
from flows.scoring import score, scored
from schemas.errors import PerennialError
from schemas.problem import load_problem
from schemas.rows import SCORED, State
from schemas.settings import Settings
from schemas.stage import Stage
from schemas.verdict import Outcome, Verdict
from tasks import batches, ledger, windows
from tasks.database import open_database
from tasks.journal import Group, Journal, Trip
from tasks.predictions import BACKFILL
from tasks.routing import in_challenger_arm
from tasks.transitions import Decision
from tests.flows import jobs
from tests.flows.clusters import cluster_of_two
from tests.proofs.scoring import killed_until_it_ends

PROBLEM = load_problem("fraud")
DAY = timedelta(days=1)


def state() -> State:
    return ledger.state_of("fraud")


def log(columns=SCORED) -> pd.DataFrame:
    """Every row of the log, by key."""
    with open_database(Settings().log, "log").connect() as connection:
        rows = pd.read_sql(sa.text("SELECT * FROM predictions WHERE problem = 'fraud' ORDER BY key"), connection)
    return rows[[*columns]].reset_index(drop=True)


def told(result) -> pd.DataFrame:
    """The output, as anybody reads it."""
    return pd.read_parquet(result["output"])


def asked(since, until, request="june", **more) -> Asked:
    return Asked(request, since=since, until=until, **{"part_rows": 300, **more})


def window() -> tuple[datetime, datetime]:
    """What came since the last turn: 1,200 payments."""
    since = state().scored
    return since, since + DAY


@pytest.fixture
def rolled_out(at, monkeypatch):
    """`rolled_out("AB")` is a home in which the challenger was led that far, with the moment of its next turn."""

    def lead(stage: str) -> datetime:
        now = at("HEALTHY" if stage == "HEALTHY" else "SHADOW")
        for before, after in (("SHADOW", "CANARY"), ("CANARY", "AB"), ("AB", "PROBATION")):
            if state().stage == stage:
                break
            decision = Decision(Verdict(before.lower(), Outcome.PASS, "the test says so"))
            with monkeypatch.context() as patch:
                patch.setitem(lifecycle.STEP, Stage(before), lambda turn, decision=decision: decision)
                plain_turn("fraud", now)
            assert state().stage == after
            now += DAY
        return now

    return lead


@pytest.mark.parametrize("stage", ["HEALTHY", "SHADOW", "CANARY", "AB", "PROBATION"])
def test_rows_are_answered_bit_for_bit_as_the_turn_answers_them_and_it_answers_none_again(rolled_out, stage):
    now = rolled_out(stage)
    before = set(log()["key"])
    plain_turn("fraud", now)
    by_turn, entry = log(), list(ledger.rows("fraud"))[-1]

    assert rolled_out(stage) == now
    since, until = window()
    result = scored("fraud", asked(since, until))
    by_request = log()
    pd.testing.assert_frame_equal(by_request, by_turn, check_exact=True)
    new = by_turn[~by_turn["key"].isin(before)].reset_index(drop=True)
    assert len(new) == result["scored"] == result["rows"] > 1000
    assert (result["answered_before"], result["unanswered"], result["quarantined"]) == (0, 0, 0)
    out = told(result).sort_values("key", ignore_index=True)
    assert out["key"].tolist() == new["key"].tolist()
    np.testing.assert_array_equal(out["score"], new["answer_score"])
    np.testing.assert_array_equal(out["decision"], new["answer_decision"])

    plain_turn("fraud", now)
    pd.testing.assert_frame_equal(log(), by_turn, check_exact=True)
    again = list(ledger.rows("fraud"))[-1]
    assert again.hash == entry.hash, "the turn found the same evidence and decided the same"
    assert again.notes["answered"] == entry.notes["answered"], "each request is counted once, whoever answered it"


def test_the_models_beside_score_and_the_challenger_answers_its_share(rolled_out):
    for stage, share in (("SHADOW", 0.0), ("AB", 0.5)):
        rolled_out(stage)
        route = state()
        assert route.share == share
        result = scored("fraud", asked(*window()))
        rows = log((*SCORED, "batch", "version"))
        rows = rows[rows["batch"].notna()]
        arm = in_challenger_arm(rows["entity"], key=f"fraud/{route.rollout}", share=share)
        assert ((rows["role"] == "challenger") == arm).all()
        assert rows["champion_score"].notna().all(), "the champion scores every row, or the arms do not pair"
        assert (rows["rival_score"].notna() == (arm if share else True)).all(), (
            "in shadow the challenger scores them all"
        )
        out = told(result)
        by_challenger = out["role"] == "challenger"
        assert by_challenger.sum() == arm.sum()
        assert set(out.loc[by_challenger, "model"]) == ({route.challenger.sha256} if share else set())
        assert set(out.loc[~by_challenger, "version"]) == {route.champion.version}
        if share:
            assert abs(by_challenger.mean() - share) < 0.1
            assert set(out.loc[by_challenger, "version"]) == {route.challenger.version}


def test_a_challenger_that_a_gateway_took_off_answers_nothing_here_either(rolled_out):
    rolled_out("AB")
    Journal(PROBLEM, ()).write(
        Group(trips=[Trip(state().rollout, state().challenger.sha256, datetime.now(UTC), "errors")])
    )
    result = scored("fraud", asked(*window()))
    assert result["route"]["share"] == 0
    assert set(told(result)["role"]) == {"champion"}


def test_the_route_of_the_first_part_is_that_of_the_last(rolled_out, monkeypatch):
    now = rolled_out("AB")
    since, until = window()
    route, real, calls = state(), scored_part.logged, []

    def once(*given):
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(scoring, "logged", once)
    with pytest.raises(KeyboardInterrupt):
        scored("fraud", asked(since, until))
    monkeypatch.setattr(scoring, "logged", real)
    ends = Decision(Verdict("ab", Outcome.FAIL, "the test says so"))
    monkeypatch.setitem(lifecycle.STEP, Stage.AB, lambda turn: ends)
    # The turn comes in between, and answers what the request has not: of these rows the request tells the turn's answers.
    plain_turn("fraud", now)
    assert state().stage is Stage.HEALTHY
    result = scored("fraud", asked(since, until))
    assert result["route"]["stage"] == "AB"
    assert result["ledger"]["sequence"] == route.sequence
    out = told(result)
    assert out["key"].is_unique
    assert set(out["stage"]) == {"AB"}
    assert set(out["answered_by"]) == {"june", "a turn"}
    later = scored("fraud", asked(until, until + DAY, request="july"))
    assert later["route"]["stage"] == "HEALTHY"


def test_a_second_start_of_a_finished_request_changes_nothing_and_other_rows_under_its_name_are_refused(
    at, monkeypatch
):
    at("HEALTHY")
    since, until = window()
    result = scored("fraud", asked(since, until))
    files = {path: path.stat().st_mtime_ns for path in Path(result["output"]).iterdir()}
    rows = log()
    monkeypatch.setattr(scoring, "score_part", None)
    assert scored("fraud", asked(since, until)) == result
    assert {path: path.stat().st_mtime_ns for path in Path(result["output"]).iterdir()} == files
    pd.testing.assert_frame_equal(log(), rows)
    assert json.loads((Path(result["output"]) / "_manifest.json").read_text()) == result
    assert not (Settings().root / "requests" / "fraud" / "june").exists(), "the copy of the rows goes with the end"
    with pytest.raises(
        PerennialError, match=r"request 'june' of 'fraud' was begun with until .* a request id of their own"
    ):
        scored("fraud", asked(since, until - DAY / 2))
    (Path(result["output"]) / "part-00001.parquet").unlink()
    with pytest.raises(PerennialError, match=r"part-00001\.parquet of its output .* is gone"):
        scored("fraud", asked(since, until))


def test_a_row_that_was_answered_keeps_its_answer_in_every_later_request(at, tmp_path):
    now = at("SHADOW")
    since, until = window()
    first = told(scored("fraud", asked(since, until)))
    again = scored("fraud", asked(since - DAY / 2, until, request="again"))
    out = told(again)
    mine = out[out["answered_by"] == "june"]
    assert again["answered_before"] == len(out), "and of the half day before, a turn"
    assert set(out["answered_by"]) == {"june", "a turn"}
    pd.testing.assert_frame_equal(
        mine.drop(columns="request").reset_index(drop=True), first.drop(columns="request").reset_index(drop=True)
    )
    assert len(log()) == len(set(log()["key"]))
    plain_turn("fraud", now)
    assert len(log()) == len(set(log()["key"]))


# Files.


def payments(n=1000) -> pd.DataFrame:
    return windows.read_requests(PROBLEM, *window()).head(n)[list(PROBLEM.asked)]


@pytest.mark.parametrize("name", ["requests.csv", "requests.csv.gz", "requests.parquet"])
def test_a_file_is_answered_as_the_same_rows_of_the_table(at, tmp_path, name):
    at("SHADOW")
    rows, path = payments(), tmp_path / name
    (rows.to_parquet if name.endswith("parquet") else rows.to_csv)(path, index=False)
    by_file = told(scored("fraud", Asked("file", path=path, part_rows=300)))
    assert by_file["key"].tolist() == rows["payment_id"].astype(str).tolist(), "in the file's own order"
    of_file = log()
    at("SHADOW")
    scored("fraud", asked(*window(), part_rows=1000))
    of_table = log()
    of_table = of_table[of_table["key"].isin(of_file["key"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(of_file, of_table, check_exact=True)


def test_rows_that_break_the_contract_are_kept_apart_with_their_reasons_and_the_others_answered(at, tmp_path):
    at("HEALTHY")
    rows = payments().astype(object)
    rows.loc[3, "amount"] = -1.0
    rows.loc[4, "amount"] = "twelve"
    rows.loc[5, "paid_at"] = "2024-05-01 12:00:00"
    rows.loc[6, "channel"] = None
    rows.loc[990, "payment_id"] = rows.loc[10, "payment_id"]
    rows.to_csv(tmp_path / "bad.csv", index=False)
    result = scored("fraud", Asked("bad", path=tmp_path / "bad.csv", part_rows=300))
    assert (result["rows"], result["scored"], result["quarantined"]) == (1000, 995, 5)
    assert result["faults"] == {
        "amount: in_range(0.01, 50000)": 1,
        "amount: dtype('float64')": 1,
        "paid_at: dtype('time with a zone (ISO 8601)')": 1,
        "channel: not_nullable": 1,
        "payment_id: duplicated": 1,
    }
    kept = pd.concat([pd.read_parquet(file).astype(object) for file in result["quarantine"]])
    assert len(result["quarantine"]) == 2
    assert sorted(kept["reason"]) == sorted(result["faults"])
    out = told(result)
    assert out["key"].is_unique
    assert set(out["key"]) == set(log(("key", "batch")).dropna()["key"])
    assert str(rows.loc[10, "payment_id"]) in set(out["key"]), "of two rows with one key the first is answered"


def test_a_request_that_cannot_be_answered_is_one_clear_error_and_leaves_its_name_free(at, tmp_path):
    at("HEALTHY")
    since, until = window()
    payments().drop(columns=["amount", "channel"]).to_csv(tmp_path / "lacks.csv", index=False)
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 and no more")
    payments(5).head(0).to_csv(tmp_path / "empty.csv", index=False)
    naive = payments(5).assign(paid_at=lambda rows: rows["paid_at"].dt.tz_localize(None))
    naive.to_parquet(tmp_path / "naive.parquet", index=False)
    full = tmp_path / "full"
    full.mkdir()
    (full / "theirs.txt").touch()
    for wrong, says in (
        ({"path": tmp_path / "lacks.csv"}, r"lacks the columns amount, channel, without which no request of 'fraud'"),
        ({"path": tmp_path / "torn.parquet"}, r"torn\.parquet cannot be read as Parquet"),
        ({"path": tmp_path / "empty.csv"}, r"empty\.csv holds no row"),
        ({"path": tmp_path / "naive.parquet"}, r"a time without a zone"),
        ({"path": tmp_path / "none.csv"}, r"there is no file .*none\.csv"),
        ({"path": tmp_path / "lacks.csv", "since": since}, "give a file, or since and until"),
        ({"since": since}, "give a file, or since and until, both with a zone"),
        ({"since": until, "until": since}, "holds no past"),
        ({"since": since, "until": datetime.now(UTC) + DAY}, "holds no past"),
        ({"since": since.replace(tzinfo=None), "until": until}, "without a zone"),
        ({"since": since, "until": until, "output": full}, r"full is not empty \(theirs\.txt\)"),
        ({"since": since, "until": until, "request": "../up"}, "is no request id"),
    ):
        with pytest.raises(PerennialError, match=says):
            scored("fraud", Asked(**{"request": "mine", **wrong}))
        assert batches.find(PROBLEM, "mine") is None
    payments().to_csv(tmp_path / "lacks.csv", index=False)
    assert scored("fraud", Asked("mine", path=tmp_path / "lacks.csv"))["scored"] == 1000


def test_nothing_is_scored_before_something_serves(at):
    now = at("COLD")
    with pytest.raises(PerennialError, match=r"nothing serves 'fraud' yet\. Take its first turn"):
        scored("fraud", asked(now - DAY, now))


def test_rows_that_a_model_may_have_been_trained_on_are_answered_and_judge_nobody(rolled_out):
    from tasks import predictions

    now = rolled_out("PROBATION")
    champion = state().champion
    first = windows.bounds(PROBLEM)[0]
    result = scored("fraud", asked(first, first + DAY))
    assert set(told(result)["stage"]) == {BACKFILL}
    assert told(result)["decision"].notna().all()
    assert first + DAY < champion.trained_until
    assert predictions.cohort(PROBLEM, since=first, now=first + DAY, matured=False).empty
    assert set(told(scored("fraud", asked(*window(), request="new")))["stage"]) == {"PROBATION"}
    assert now


def test_a_row_that_no_model_can_answer_is_logged_and_told_as_that(at, monkeypatch):
    at("HEALTHY")
    real = scored_part.serving

    class Raises:
        def predict_proba(self, frame):
            if (frame["amount"] > 50).any():
                raise ValueError("not these")
            return self.model.predict_proba(frame)

    def raising(problem, state):
        model = Raises()
        model.model, rival = real(problem, state)
        return model, rival

    monkeypatch.setattr(scored_part, "serving", raising)
    result = scored("fraud", asked(*window()))
    out, dear = told(result), set(payments(2000).query("amount > 50")["payment_id"].astype(str))
    nobody = out[out["role"] == "nobody"]
    assert set(nobody["key"]) == dear
    assert result["unanswered"] == len(dear) > 0
    assert nobody[["score", "decision", "version", "model"]].isna().all(axis=None)
    assert out[out["role"] == "champion"]["decision"].notna().all()


# Interruptions.


def test_killed_at_random_moments_it_ends_as_if_nobody_had_touched_it(at, tmp_path):
    at("SHADOW")
    since, until = window()
    whole = scored("fraud", asked(since, until, part_rows=100))
    rows, out = log((*SCORED, "version")), told(whole)
    at("SHADOW")
    home = Settings().root
    kills = killed_until_it_ends(home, since, until, part_rows=100, rng=np.random.default_rng(7), at_most=4)
    assert kills >= 2, "it was never killed while it worked"
    result = batches.find(PROBLEM, "killed").result
    pd.testing.assert_frame_equal(log((*SCORED, "version")), rows, check_exact=True)
    again = told(result)
    pd.testing.assert_frame_equal(
        again.drop(columns=["request", "answered_by"]), out.drop(columns=["request", "answered_by"]), check_exact=True
    )
    assert set(again["answered_by"]) == {"killed"}
    left = [path.name for path in Path(result["output"]).iterdir() if not path.name.startswith(".")]
    assert sorted(left) == sorted(["_manifest.json", *(part["file"] for part in result["parts"])])


def test_a_table_that_grows_meanwhile_changes_no_part(at, monkeypatch):
    at("HEALTHY")
    since, until = window()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(scoring, "logged", interrupted)
        scored("fraud", asked(since, until))
    expected = set(payments(2000)["payment_id"].astype(str))
    table = pd.read_parquet(windows.locate(PROBLEM))
    late = table[(table["paid_at"] >= since) & (table["paid_at"] < until)].head(50)
    windows.materialise(PROBLEM, pd.concat([table, late.assign(payment_id=late["payment_id"] + 10**9)]))
    assert set(told(scored("fraud", asked(since, until)))["key"]) == expected


def interrupted(*_given):
    raise KeyboardInterrupt


def test_no_more_rows_than_a_part_are_read_at_a_time(at, tmp_path, monkeypatch):
    at("HEALTHY")
    payments().to_csv(tmp_path / "a.csv", index=False)
    seen, real = [], scored_part.answers_of

    def counted(problem, state, rows, champion, rival):
        seen.append(len(rows))
        return real(problem, state, rows, champion, rival)

    monkeypatch.setattr(scored_part, "answers_of", counted)
    scored("fraud", Asked("small", path=tmp_path / "a.csv", part_rows=70))
    assert (max(seen), sum(seen)) == (70, 1000)


# Where people meet it.


def test_in_the_flow_each_part_is_a_run_that_people_see_with_its_progress_and_what_came_of_it(at, prefect_server):
    from prefect.client.orchestration import get_client

    at("SHADOW")
    since, until = window()
    said = score("fraud", "june", *form(since, until), return_state=True)
    assert said.result().startswith("1,1") or said.result().startswith("1,2")
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(said.state_details.flow_run_id)
        tasks = _within(
            20, lambda: _runs(client, run), lambda found: len(found) >= 2 and set(found.values()) == {"Completed"}
        )
        made = {one.key: one for one in client.read_artifacts(flow_run_filter=_only(run.id))}
    assert run.name == "score fraud june"
    assert len(tasks) >= 2
    assert set(tasks) == {f"part {n + 1} of {len(tasks)}" for n in range(len(tasks))}
    assert made["score-fraud"].data == 100.0
    page = made["scored-fraud"].data
    assert "under one route: SHADOW, epoch" in page
    assert "| 1 | champion | SHADOW | june |" in page
    assert str(Settings().root / "scored" / "fraud" / "june") in page


def form(since, until) -> tuple[Rows, Output]:
    return Rows(since=since, until=until), Output(part_rows=600)


def _runs(client, run) -> dict[str, str]:
    return {one.name: one.state_name for one in client.read_task_runs(flow_run_filter=_only(run.id))}


def _only(run_id: UUID) -> FlowRunFilter:
    """A server whose other tests have made more runs than a page holds is asked for this one's."""
    return FlowRunFilter(id=FlowRunFilterId(any_=[run_id]))


def _within(seconds, look, enough):
    until = time.monotonic() + seconds
    while not enough(found := look()) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def test_a_part_whose_database_was_away_for_a_moment_is_tried_again_and_answered_once(at, monkeypatch, prefect_server):
    at("HEALTHY")
    since, until = window()
    real, calls = batches.log_part, []

    def away_once(batch, rows):
        calls.append(len(rows))
        found = real(batch, rows)
        if len(calls) == 1:
            raise sa.exc.OperationalError("select", {}, Exception("the connection was lost after its commit"))
        return found

    monkeypatch.setattr(batches, "log_part", away_once)
    monkeypatch.setattr("flows.workers._PAUSE", 0.05)
    score("fraud", "june", *form(since, until))
    result = batches.find(PROBLEM, "june").result
    assert len(calls) == len(result["parts"]) + 1
    assert told(result)["key"].is_unique
    assert len(log()) == result["scored"]
    assert set(told(result)["answered_by"]) == {"june"}


def test_the_form_asks_with_titles_choices_and_limits():
    from prefect.utilities.callables import parameter_schema

    form = parameter_schema(score.fn).model_dump()
    assert form["properties"]["problem"]["enum"] == ["bikes", "electricity", "fraud", "spam"]
    assert form["required"] == ["problem", "request", "rows"]
    fields = form["definitions"]["Rows"]["properties"] | form["definitions"]["Output"]["properties"]
    assert [field["title"] for field in fields.values()] == ["File", "Since", "Until", "Folder", "Rows of a part"]
    assert all(field["description"] for field in fields.values())
    assert fields["part_rows"]["minimum"] == 10


def test_the_command_names_a_request_by_its_rows_and_says_what_came_of_it(at, tmp_path, capsys):
    at("SHADOW")
    payments().assign(amount=lambda rows: rows["amount"].mask(rows.index == 3, -1.0)).to_csv(
        tmp_path / "a.csv", index=False
    )
    command = [
        "score",
        "fraud",
        "--file",
        str(tmp_path / "a.csv"),
        "--out",
        str(tmp_path / "out"),
        "--part-rows",
        "600",
    ]
    assert flows(command) == 0
    said = capsys.readouterr().out
    assert f"999 of 1,000 rows have their answer in {tmp_path / 'out'}; 1 are in quarantine" in said
    assert "999  champion (version 1) in SHADOW, answered by file-" in said
    assert "1  in quarantine: amount: in_range(0.01, 50000)" in said
    assert flows([*command, "--json"]) == 0
    told_again = json.loads(capsys.readouterr().out)
    assert told_again == json.loads((tmp_path / "out" / "_manifest.json").read_text())
    assert flows(["score", "fraud"]) == 1
    assert "give a file, or since and until" in capsys.readouterr().err


def test_on_a_cluster_a_part_whose_worker_is_killed_is_scored_again_and_answered_once(at, monkeypatch, tmp_path):
    at("SHADOW")
    since, until = window()
    here = log_of(scored("fraud", asked(since, until, part_rows=200)))
    at("SHADOW")
    monkeypatch.setattr(scoring, "score_part", jobs.scored_once_killed)
    with cluster_of_two(tmp_path, lost_at_most=3) as cluster:
        monkeypatch.setenv("PERENNIAL_DASK", cluster.scheduler_address)
        there = log_of(scored("fraud", asked(since, until, part_rows=200)))
    assert (Settings().root / "requests" / "killed").exists(), "no worker was killed"
    pd.testing.assert_frame_equal(there, here, check_exact=True)


def log_of(result) -> pd.DataFrame:
    out = told(result)
    assert out["key"].is_unique
    assert set(out["answered_by"]) == {"june"}
    return out
