"""Does the error sheet live from run to run, and what does its command say?"""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from flows import errors
from flows.__main__ import main
from tasks import error_sheet
from tests.pictured import diagnosis


def test_a_second_run_keeps_the_tags_and_marks_what_is_right_now(home: Path, capsys: pytest.CaptureFixture) -> None:
    found = diagnosis()
    path = errors.renew(found, judged=9_320)
    assert path == home / "errors" / "fraud.csv"
    assert main(["errors", "fraud", "--tag", "payment-00002", "refund in disguise"]) == 0
    errors.renew(replace(found, wrong=found.wrong[3:]), judged=9_320, right={"payment-00002"})
    lines = {line.key: line for line in error_sheet.read("fraud")}
    assert len(lines) == 60
    assert [lines[f"payment-0000{k}"].state for k in (1, 2, 3)] == ["unlisted", "right", "wrong"]
    assert lines["payment-00002"].tags == ("refund in disguise",)
    capsys.readouterr()
    assert main(["errors", "fraud"]) == 0
    said = capsys.readouterr().out
    assert "57 rows are wrong now, 1 are right again, 1 are tagged" in said
    assert re.search(r"refund in disguise +0 +1 +0.00000", said)
    room = sum(one.loss for one in found.wrong[3:] if "hour = night" in one.slices) / 9_320
    assert re.search(rf"hour = night +\d+ +\d+ +{room:.5f}", said)
    assert str(path) in said


def test_before_the_first_diagnosis_it_says_where_the_sheet_will_be(home: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["errors", "fraud"]) == 0
    assert f"comes with its first diagnosis, at {home / 'errors' / 'fraud.csv'}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "key, tag, why", [("nobody", "typo", "no row with key 'nobody'"), ("payment-00001", " ", "is empty")]
)
def test_a_tag_that_goes_nowhere_is_refused(
    home: Path, capsys: pytest.CaptureFixture, key: str, tag: str, why: str
) -> None:
    errors.renew(diagnosis(), judged=9_320)
    assert main(["errors", "fraud", "--tag", key, tag]) == 1
    assert why in capsys.readouterr().err


def test_no_letter_of_a_slice_moves_the_terminal(home: Path) -> None:
    found = diagnosis()
    wild = replace(found.wrong[0], slices=("\x1b[2Jnight\nall",))
    errors.renew(replace(found, wrong=(wild,)), judged=10)
    assert all(line.isprintable() for line in errors.lines("fraud"))
