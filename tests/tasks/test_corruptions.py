"""A dozen of the hundred corrupted tables: each is stopped by what must stop it, and no valid row is lost."""

import pytest

from tests.proofs.corrupted import VARIANTS
from tests.proofs.corruptions import good, judge

SAMPLE = (
    "amount inf (csv)",
    "channel 'web ' (parquet)",
    "at NaT (parquet)",
    "amount NaN and no null (parquet)",
    "three rows twice under their index labels",
    "no column at",
    "one amount of text among numbers (parquet)",
    "Parquet cut at its end",
    "CSV line cut",
    "latin-1",
    "units: cents for francs, within range",
    "a day that holds what another held",
    "a column half empty",
    "the good table",
)


@pytest.fixture(scope="module")
def table():
    return good()


def test_every_variant_has_its_own_name_and_there_are_a_hundred():
    names = [variant.name for variant in VARIANTS]
    assert len(set(names)) == len(names) >= 100


@pytest.mark.parametrize("name", SAMPLE)
def test_a_corrupted_table_is_stopped_by_what_must_stop_it(home, tmp_path, table, name):
    variant = next(variant for variant in VARIANTS if variant.name == name)
    judged = judge(variant, table, tmp_path)
    assert judged.right, f"{judged.ends}: {judged.says}"
