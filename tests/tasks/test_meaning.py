"""Is a column that says another thing told from one that merely drifted?"""

import numpy as np
import pandas as pd
import pytest

from schemas.incident import Kind
from schemas.plans import MonitoringPlan
from tasks.meaning import odd_columns
from tasks.stats import spike

PLAN = MonitoringPlan()
COLUMNS = ("heat", "amount", "noise", "share", "hour", "count", "kind", "two")


def rows(n: int, rng) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "heat": rng.normal(20, 5, n),
            "amount": np.exp(rng.normal(3.5, 0.6, n)),
            "noise": rng.normal(size=n),
            "share": rng.random(n),
            "hour": np.clip(rng.normal(13, 3, n), 0, 23).astype(int),
            "count": rng.poisson(1.2, n),
            "kind": pd.Series(rng.choice(list("abcd"), n, p=[0.5, 0.3, 0.15, 0.05]), dtype=str),
            "two": pd.Series(rng.choice(list("ab"), n, p=[0.7, 0.3]), dtype=str),
        }
    )


def drawn(values: str, shares, n, rng):
    return pd.Series(rng.choice(list(values), n, p=shares), dtype=str)


CYCLE = {"a": "b", "b": "c", "c": "d", "d": "a"}
MEANING = {
    "cents for francs": ("amount", lambda f, r: f.assign(amount=f.amount * 100)),
    "thousands": ("amount", lambda f, r: f.assign(amount=f.amount / 1000)),
    "Fahrenheit": ("heat", lambda f, r: f.assign(heat=f.heat * 1.8 + 32)),
    "kelvin": ("heat", lambda f, r: f.assign(heat=f.heat + 273.15)),
    "per cent": ("share", lambda f, r: f.assign(share=f.share * 100)),
    "another sign": ("heat", lambda f, r: f.assign(heat=-f.heat)),
    "a default for a third": ("amount", lambda f, r: f.assign(amount=f.amount.where(r.random(len(f)) > 0.3, 0.0))),
    "a sensor that stands still": ("heat", lambda f, r: f.assign(heat=21.0)),
    "a count that stands still": ("count", lambda f, r: f.assign(count=1)),
    "Fahrenheit from the midst of the window": (
        "heat",
        lambda f, r: f.assign(heat=f.heat.where(np.arange(len(f)) < 0.6 * len(f), f.heat * 1.8 + 32)),
    ),
    "codes permuted": ("kind", lambda f, r: f.assign(kind=f.kind.map(CYCLE).astype(str))),
    "codes renamed": ("kind", lambda f, r: f.assign(kind=f.kind.str.upper())),
    "two codes swapped": ("two", lambda f, r: f.assign(two=f.two.map({"a": "b", "b": "a"}).astype(str))),
    "a category that became another": (
        "kind",
        lambda f, r: f.assign(kind=f.kind.where(f.kind != "a", "b").astype(str)),
    ),
    "two columns swapped": ("heat", lambda f, r: f.assign(heat=f.share, share=f.heat)),
}
FAULTS = {
    "a quarter is missing": ("heat", lambda f, r: f.assign(heat=f.heat.where(r.random(len(f)) > 0.25))),
    "all is missing": ("kind", lambda f, r: f.assign(kind=pd.Series([None] * len(f), dtype=str))),
    "one source writes cents": (
        "amount",
        lambda f, r: f.assign(amount=f.amount.where(r.random(len(f)) > 0.4, f.amount * 1000)),
    ),
}
DRIFTS = {
    "nothing": lambda f, r: f,
    "a standard deviation": lambda f, r: f.assign(heat=f.heat + 5),
    "two of them": lambda f, r: f.assign(heat=f.heat - 10),
    "a third wider": lambda f, r: f.assign(noise=f.noise * 1.3),
    "dearer by 40 %": lambda f, r: f.assign(amount=f.amount * 1.4),
    "drawn together": lambda f, r: f.assign(share=r.beta(3, 1.5, len(f))),
    "more of them": lambda f, r: f.assign(count=r.poisson(2, len(f))),
    "another mix": lambda f, r: f.assign(kind=drawn("abcd", [0.3, 0.4, 0.25, 0.05], len(f), r)),
    "half and half": lambda f, r: f.assign(two=drawn("ab", [0.5, 0.5], len(f), r)),
    "all of it a little": lambda f, r: f.assign(heat=f.heat + 3, noise=f.noise + 0.5, amount=f.amount * 1.3),
}


def found(edit, seed: int, *, n: int = 800):
    rng = np.random.default_rng(seed)
    return odd_columns(rows(6_000, rng), edit(rows(n, rng), rng), COLUMNS, plan=PLAN)


@pytest.mark.parametrize("column, edit", MEANING.values(), ids=MEANING)
def test_a_change_of_meaning_is_known_and_named(column, edit):
    for seed in range(3):
        odd = found(edit, seed)
        assert [(one.column, one.kind) for one in odd] == [(column, Kind.MEANING)]
        assert column in odd[0].says


@pytest.mark.parametrize("column, edit", FAULTS.values(), ids=FAULTS)
def test_what_is_empty_or_beyond_all_range_is_a_fault(column, edit):
    for seed in range(3):
        assert [(one.column, one.kind) for one in found(edit, seed)] == [(column, Kind.DATA_FAULT)]


@pytest.mark.parametrize("edit", DRIFTS.values(), ids=DRIFTS)
def test_a_drift_is_none_of_them(edit):
    odd = [one for seed in range(6) for one in found(edit, seed)]
    assert odd == []


def test_a_new_text_is_a_fault_where_no_contract_announces_it():
    rng = np.random.default_rng(1)
    before, now = rows(6_000, rng), rows(800, rng)
    now = now.assign(kind=now["kind"].where(rng.random(800) > 0.3, "new"))
    for listed, expected in (((), 1), (("kind",), 0)):
        assert len(odd_columns(before, now, COLUMNS, plan=PLAN, listed=listed)) == expected


@pytest.mark.parametrize(
    "column, edit, value",
    [
        ("amount", lambda f: f.assign(amount=f.amount.where(f.amount > 50, 17.25)), "17.25"),
        ("kind", lambda f: f.assign(kind=f.kind.where(f.kind != "a", "b").astype(str)), "'a'"),
    ],
)
def test_no_value_of_a_personal_column_is_said(column, edit, value):
    rng = np.random.default_rng(1)
    before, now = rows(6_000, rng), edit(rows(800, rng))
    for personal, there in (((), True), ((column,), False)):
        (odd,) = odd_columns(before, now, COLUMNS, plan=PLAN, personal=personal)
        assert (value in odd.says) is there


def test_a_season_that_its_own_reference_went_through_is_not_odd():
    rng = np.random.default_rng(2)
    before, now = rows(6_000, rng), rows(800, rng)
    before["heat"] = np.where(np.arange(6_000) < 3_000, before["heat"], before["heat"] * 1.8 + 32)
    now["heat"] = now["heat"] * 1.8 + 32
    assert odd_columns(before, now, COLUMNS, plan=PLAN) == []


def sticky(n: int, rng, *, longest: int) -> np.ndarray:
    """Prices that stay where they are for a while: each value for up to `longest` rows."""
    stays = rng.integers(1, longest, n)
    return np.repeat(rng.normal(30, 5, n), stays)[:n]


def test_a_price_that_stands_still_as_long_as_it_ever_did_is_no_default():
    rng = np.random.default_rng(4)
    before, now = rows(6_000, rng), rows(300, rng)
    before["heat"], now["heat"] = sticky(6_000, rng, longest=50), sticky(300, rng, longest=40)
    assert spike(before["heat"], now["heat"]).now >= PLAN.effect_floor
    assert odd_columns(before, now, COLUMNS, plan=PLAN) == []
    now["heat"] = np.where(np.arange(300) < 150, now["heat"], 21.0)
    assert [(one.column, one.kind) for one in odd_columns(before, now, COLUMNS, plan=PLAN)] == [("heat", Kind.MEANING)]


def test_a_level_that_wanders_from_week_to_week_is_not_odd_until_it_is_in_other_units():
    """One value a day, with what the days before had in it: weeks hardly overlap, and each is like no other."""
    rng = np.random.default_rng(6)
    days = 1 + 0.1 * np.convolve(rng.normal(size=300), np.exp(-np.arange(60) / 10), "full")[60:300]
    before, now = rows(233 * 24, rng), rows(7 * 24, rng)
    lowest = days[:233].min() - 0.05
    before["heat"], now["heat"] = np.repeat(days[:233], 24), np.repeat(rng.uniform(lowest, lowest + 0.04, 7), 24)
    assert odd_columns(before, now, COLUMNS, plan=PLAN) == []
    now["heat"] *= 100
    assert [(one.column, one.kind) for one in odd_columns(before, now, COLUMNS, plan=PLAN)] == [("heat", Kind.MEANING)]


def test_a_column_that_begins_to_tell_something_is_not_odd():
    rng = np.random.default_rng(5)
    before, now = rows(6_000, rng).assign(heat=0.0), rows(800, rng)
    assert odd_columns(before, now, COLUMNS, plan=PLAN) == []


def test_few_rows_or_no_column_say_nothing():
    rng = np.random.default_rng(3)
    before, now = rows(6_000, rng), rows(800, rng)
    assert odd_columns(before, now.head(49), COLUMNS, plan=PLAN) == []
    assert odd_columns(before, now.drop(columns="heat"), ("heat",), plan=PLAN) == []
