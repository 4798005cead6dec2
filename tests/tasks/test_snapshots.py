"""Is a snapshot named by what it holds, and refused when it no longer holds it?"""

import pandas as pd
import pytest

from schemas.errors import PerennialError
from tasks import snapshots


def test_frozen_rows_come_back_as_they_were(home, toy_rows):
    rows = toy_rows(30)
    frozen = snapshots.freeze("toy", rows)
    pd.testing.assert_frame_equal(snapshots.load(frozen), rows, check_freq=False)
    assert (frozen.rows, frozen.path.stem) == (30, frozen.sha256)


def test_equal_rows_share_a_file_and_other_rows_have_their_own(home, toy_rows):
    rows = toy_rows(30)
    first, again, other = (snapshots.freeze("toy", frame) for frame in (rows, rows.copy(), rows.head(29)))
    assert first == again != other
    assert sorted(p.name for p in first.path.parent.iterdir()) == sorted([first.path.name, other.path.name])


def test_a_row_label_is_no_content(home, toy_rows):
    rows = toy_rows(30)
    assert snapshots.freeze("toy", rows).sha256 == snapshots.freeze("toy", rows.set_axis(range(100, 130))).sha256


def test_a_changed_file_is_refused(home, toy_rows):
    frozen = snapshots.freeze("toy", toy_rows(30))
    toy_rows(29).to_parquet(frozen.path)
    with pytest.raises(PerennialError, match="no longer hashes to its name"):
        snapshots.load(frozen)


def test_what_a_champion_was_trained_on_is_joined_with_newer_rows_each_key_once(home, toy_rows):
    rows = toy_rows(30)
    frozen = snapshots.freeze("toy", rows.head(20))
    newer = rows.tail(15).assign(x=9.0)
    found = snapshots.joined("toy", frozen.sha256, newer, key="id")
    assert sorted(found["id"]) == sorted(rows["id"])
    assert (found.loc[found["id"].isin(newer["id"]), "x"] == 9.0).all()


def test_without_the_champions_rows_nothing_is_joined(home, toy_rows):
    with pytest.raises(PerennialError, match="is gone, and with it what the champion was trained on"):
        snapshots.joined("toy", "0" * 64, toy_rows(5), key="id")
