"""Does a ledger row carry the whole state, and does its hash cover only what the inputs determine?"""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.plans import Promotion, Reason
from schemas.rows import Entry, Model, Request, State, canonical, chained, facts_of, state_from
from schemas.stage import Stage
from schemas.verdict import Outcome, Verdict

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)
moments = st.none() | st.datetimes(timezones=st.just(UTC))
models = st.builds(
    Model,
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    version=st.integers(1, 99).map(str),
    name=st.sampled_from(["heuristic", "boosting"]),
    why=st.sampled_from(["", "drift"]),
    trained_from=moments,
    trained_until=moments,
    held_out=st.dictionaries(st.sampled_from(["loss", "mae"]), st.integers(0, 1000).map(lambda n: n / 1000)),
)
requests = st.builds(
    Request,
    kind=st.sampled_from(["retrain", "revert"]),
    reason=st.sampled_from(Reason),
    note=st.text(max_size=20),
    actor=st.text(max_size=20),
    window_days=st.none() | st.integers(1, 365).map(float),
    recipe=st.none() | st.just({"family": "linear", "features": ["a"]}),
)
states = st.builds(
    State,
    problem=st.just("fraud"),
    sequence=st.integers(1, 1000),
    at=moments,
    scored=moments,
    stage=st.sampled_from(Stage),
    since=moments,
    share=st.sampled_from([0.0, 0.05, 0.25, 0.5]),
    share_since=moments,
    rollout=st.integers(0, 9),
    epoch=st.integers(0, 99),
    champion=st.none() | models,
    challenger=st.none() | models,
    previous=st.none() | models,
    snapshot=st.none() | st.just("ab" * 32),
    why=st.none() | st.sampled_from(Reason),
    promotion=st.none() | st.sampled_from(Promotion),
    request=st.none() | requests,
    order=st.none() | requests,
    judged_by=st.just("r1"),
    ended=moments,
    tried=moments,
    rules=st.just("r2"),
)


def _entry(state: State, **evidence) -> Entry:
    return Entry(state, "turn", Stage.HEALTHY, "PASS", Verdict("healthy", Outcome.PASS, "fine", evidence))


def _versions(state: State) -> dict[str, str]:
    return {r: m.version for r in ("champion", "challenger", "previous") if (m := getattr(state, r)) is not None}


@given(states)
def test_a_state_survives_being_written_and_read(state):
    facts = json.loads(canonical(facts_of(_entry(state))))
    assert state_from(facts, {"versions": _versions(state)}, state.hash) == state


@given(models)
def test_the_hash_does_not_know_mlflows_version_numbers(model):
    one, other = (
        _entry(State("fraud", 1, NOW, champion=m, previous=m)) for m in (model, replace(model, version="1234"))
    )
    assert facts_of(one) == facts_of(other)


@pytest.mark.parametrize(
    "change",
    [
        {"stage": Stage.SHADOW},
        {"share": 0.25},
        {"at": NOW + timedelta(seconds=1)},
        {"snapshot": "cd"},
        {"rollout": 2},
        {"champion": Model("b" * 64, "1", "boosting")},
        {"problem": "bikes"},
        {"sequence": 2},
    ],
)
def test_the_hash_knows_what_the_inputs_determine(change):
    state = State("fraud", 1, NOW, champion=Model("a" * 64, "1", "boosting"))
    before, after = (chained("0", facts_of(_entry(s))) for s in (state, replace(state, **change)))
    assert before != after


def test_the_hash_knows_the_statistics_and_not_the_words():
    state = State("fraud", 1, NOW)
    base = facts_of(_entry(state, loss=0.25))
    assert facts_of(_entry(state, loss=0.26)) != base
    assert facts_of(_entry(state, loss=0.25 + 1e-16)) == base
    said = Entry(
        state, "turn", Stage.HEALTHY, "PASS", Verdict("healthy", Outcome.PASS, "said otherwise", {"loss": 0.25})
    )
    assert facts_of(replace(said, notes={"run": "42"})) == base


def test_each_hash_depends_on_the_one_before():
    assert chained("a", {"x": 1}) != chained("b", {"x": 1})
    assert chained("a", {"x": 1, "y": 2}) == chained("a", {"y": 2, "x": 1})
