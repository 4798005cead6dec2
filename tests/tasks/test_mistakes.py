"""Do the kinds of mistakes add up, and does no run take a person's word away?"""

from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.diagnosis import Wrong
from tasks.mistakes import Line, automatic, merged, tally, usual_of, with_tag

KEYS = st.sampled_from([f"k{i}" for i in range(8)])
TAGS = st.lists(st.sampled_from(["refund", "typo", "label is wrong"]), unique=True, max_size=2).map(tuple)


@st.composite
def wrongs(draw: st.DrawFn) -> list[Wrong]:
    keys = draw(st.lists(KEYS, unique=True))
    return [
        Wrong(key, "a", "b", draw(st.floats(0, 5)), 0.5, draw(st.sampled_from([(), ("s",), ("s", "t")])))
        for key in keys
    ]


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[Wrong], frozenset[str], dict[str, tuple[str, ...]]]:
    """What is wrong, what is right, and what people say before the next run."""
    wrong = draw(wrongs())
    others = {f"k{i}" for i in range(8)} - {one.key for one in wrong}
    right = draw(st.frozensets(st.sampled_from(sorted(others)))) if others else frozenset()
    return wrong, right, draw(st.dictionaries(KEYS, TAGS))


@settings(max_examples=60, deadline=None)
@given(st.lists(runs(), max_size=5))
def test_no_run_takes_a_tag_or_a_row_away(nights: list) -> None:
    sheet: list[Line] = []
    said: dict[str, tuple[str, ...]] = {}
    for wrong, right, tags in nights:
        sheet = merged(sheet, wrong, judged=100, right=right)
        assert [line.key for line in sheet[: len(said)]] == list(said), "rows stay where they are"
        assert {one.key for one in wrong} == {line.key for line in sheet if line.state == "wrong"}
        assert {line.key for line in sheet if line.state == "right"} == right & {line.key for line in sheet}
        assert all(line.tags == said.get(line.key, ()) for line in sheet)
        sheet = [replace(line, tags=tags.get(line.key, line.tags), note=f"of {line.key}") for line in sheet]
        assert all(line.note for line in sheet)
        said = {line.key: line.tags for line in sheet}
        assert merged(sheet, wrong, judged=100, right=right) == sheet, "the same run again changes nothing"


@given(wrongs())
def test_the_room_of_a_slice_is_the_loss_of_its_rows_over_all_judged_rows(wrong: list[Wrong]) -> None:
    found = {kind.name: kind for kind in tally(merged([], wrong, judged=250))}
    for name in {name for one in wrong for name in one.slices}:
        rows = [one for one in wrong if name in one.slices]
        assert found[name].wrong == len(rows)
        assert found[name].room == pytest.approx(sum(one.loss for one in rows) / 250)


def test_a_row_that_is_right_now_has_no_room_and_is_counted() -> None:
    sheet = [
        replace(line, tags=("typo",))
        for line in merged([], [Wrong("a", "x", "y", 2.0, 0.5), Wrong("b", "x", "y", 1.0, 0.5)], judged=10)
    ]
    (kind,) = tally(merged(sheet, [Wrong("b", "x", "y", 1.0, 0.5)], judged=10, right={"a"}))
    assert (kind.name, kind.by, kind.wrong, kind.right, kind.room) == ("typo", "people", 1, 1, 0.1)


def test_a_key_that_people_copied_to_a_second_line_counts_once() -> None:
    line = Line("a", ("typo",), room=0.5)
    (kind,) = tally([line, line])
    assert (kind.wrong, kind.room) == (1, 0.5)


def test_a_tag_goes_to_its_row_once() -> None:
    lines = [Line("a"), Line("b", ("typo",))]
    assert with_tag(lines, "b", "typo") == lines
    assert with_tag(lines, "a", "typo")[0].tags == ("typo",)
    with pytest.raises(KeyError):
        with_tag(lines, "c", "typo")


ROWS = pd.DataFrame(
    {
        "amount": [float(i) for i in range(1_000)],
        "shop": ["food"] * 600 + ["books"] * 395 + ["boats"] * 5,
        "text": ["this is a sentence of a usual length, as most are"] * 900
        + ["this is one that is rather longer than the others are"] * 100,
        "at": pd.date_range("2025-01-01", periods=1_000, freq="h"),
    }
)


@pytest.mark.parametrize(
    "values, suspect, tags",
    [
        ({"amount": "500.0", "shop": "food"}, 0.5, ()),
        ({"amount": "-3", "shop": "food"}, 0.5, ("far out amount",)),
        ({"amount": "998.9", "shop": "boats"}, 0.5, ("far out amount", "rare shop")),
        ({"amount": "nan", "shop": "None"}, 0.5, ("missing amount", "missing shop")),
        ({"amount": "***", "shop": "trains"}, 0.95, ("suspect label", "rare shop")),
        ({"text": "short"}, 0.5, ("short text",)),
        ({"text": "x" * 400}, 0.5, ("long text",)),
        ({"at": "2031-01-01", "unheard of": "1"}, 0.5, ()),
    ],
)
def test_what_is_seen_without_a_person(values: dict[str, str], suspect: float, tags: tuple[str, ...]) -> None:
    usual = usual_of(ROWS, ["amount", "shop", "text", "at"])
    assert automatic(Wrong("k", "a", "b", 1.0, suspect, (), values), usual) == tags
