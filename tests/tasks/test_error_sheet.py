"""Is what people wrote there afterwards: whatever they write, whoever writes at the same time, wherever a write ends?"""

import csv
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import PerennialError
from tasks import error_sheet
from tasks.error_sheet import change, read, sheet_of
from tasks.mistakes import Line, with_tag

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12) | st.sampled_from(
    ["=1+1", "+49", "-3.5", "@all", "'tis", "a;b", 'say "so"', "two\nlines", "\r", "007", "\ufeffmark"]
)
NAMES = st.lists(st.sampled_from(["typo", "refund in disguise", "=cmd", "hour = night"]), unique=True, max_size=2).map(
    tuple
)
EXTRA = st.sampled_from([{}, {"who": "=me"}, {"who": "", "seen on": "-"}])


@st.composite
def sheets(draw: st.DrawFn) -> list[Line]:
    extra = draw(EXTRA)
    return [
        Line(
            key=draw(TEXT),
            tags=draw(NAMES),
            note=draw(TEXT),
            label=draw(TEXT),
            said=draw(TEXT),
            loss=draw(st.floats(0, 1e6)),
            suspect=draw(st.floats(0, 1)),
            room=draw(st.floats(0, 1)),
            automatic=draw(NAMES),
            slices=draw(NAMES),
            values=draw(TEXT),
            experiment=draw(TEXT),
            state=draw(st.sampled_from(["wrong", "right", "unlisted"])),
            extra=extra,
        )
        for _ in range(draw(st.integers(0, 4)))
    ]


@pytest.fixture(scope="module", autouse=True)
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", folder)
        yield Path(folder)


@pytest.fixture(autouse=True)
def _anew() -> None:
    sheet_of("fraud").unlink(missing_ok=True)


@settings(max_examples=50, deadline=None)
@given(sheets())
def test_what_is_written_is_read(lines: list[Line]) -> None:
    change("fraud", lambda _: lines)
    assert read("fraud") == lines


@settings(max_examples=40, deadline=None)
@given(sheets(), st.data())
def test_a_file_cut_anywhere_is_refused_or_holds_whole_lines(lines: list[Line], data: st.DataObject) -> None:
    change("fraud", lambda _: lines)
    whole = sheet_of("fraud").read_bytes() if lines else b""
    if not lines:
        return
    at = data.draw(st.integers(0, len(whole)))
    sheet_of("fraud").write_bytes(whole[:at])
    try:
        found = read("fraud")
    except PerennialError as error:
        said = str(error)
    else:
        said, lines = "", lines[: len(found)]
        assert found == lines
    assert not said or "fraud.csv cannot be read" in said
    sheet_of("fraud").unlink()


def test_a_broken_file_is_not_written_to() -> None:
    change("fraud", lambda _: [Line("a", ("typo",)), Line("b")])
    broken = sheet_of("fraud").read_bytes()[:-12]
    sheet_of("fraud").write_bytes(broken)
    with pytest.raises(PerennialError, match="line 3"):
        change("fraud", lambda lines: [*lines, Line("c")])
    assert sheet_of("fraud").read_bytes() == broken


def test_a_write_that_dies_leaves_the_file_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    change("fraud", lambda _: [Line("a", ("typo",))])

    def full(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError):
        change("fraud", lambda _: [Line("b")] * 50)
    assert read("fraud") == [Line("a", ("typo",))]


def test_what_was_there_before_stays_beside_it() -> None:
    change("fraud", lambda _: [Line("a", ("typo",))])
    change("fraud", lambda _: [])
    kept = sheet_of("fraud").with_name("fraud.before.csv")
    kept.replace(sheet_of("fraud"))
    assert read("fraud") == [Line("a", ("typo",))]


def test_many_who_tag_at_once_all_find_their_tags() -> None:
    change("fraud", lambda _: [Line("a")])
    tags = [f"tag {i}" for i in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda tag: change("fraud", partial(with_tag, key="a", tag=tag)), tags))
    assert set(read("fraud")[0].tags) == set(tags)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "'="])
def test_no_cell_of_ours_is_a_formula(start: str) -> None:
    bad = f"{start}HYPERLINK(1)"
    change(
        "fraud",
        lambda _: [Line(bad, (bad,), bad, bad, bad, automatic=(bad,), slices=(bad,), values=bad, extra={bad: bad})],
    )
    with sheet_of("fraud").open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert sum("HYPERLINK" in cell for cell in cells) == 10
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


@pytest.mark.parametrize("delimiter, codec", [(";", "utf-8-sig"), ("\t", "utf-8"), (";", "cp1252"), (",", "utf-8")])
def test_a_spreadsheet_may_write_it_in_its_own_way(delimiter: str, codec: str) -> None:
    path = sheet_of("fraud")
    path.parent.mkdir(parents=True, exist_ok=True)
    table = [["key", "tag", "note", "who", "state"], ["007", "Prüfung; typo", "", "Zoë", "wrong"]]
    with path.open("w", encoding=codec, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(table)
    (line,) = read("fraud")
    assert (line.key, line.tags, line.extra) == ("007", ("Prüfung", "typo"), {"who": "Zoë"})
    assert line.loss is None


def test_a_column_that_people_deleted_is_named() -> None:
    path = sheet_of("fraud")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("key,note,state\na,,wrong\n")
    with pytest.raises(PerennialError, match="no column tag"):
        read("fraud")


def test_there_is_no_sheet_yet() -> None:
    assert read("fraud") == []
    assert error_sheet.change("fraud", lambda lines: lines) == sheet_of("fraud")
    assert not sheet_of("fraud").exists()
