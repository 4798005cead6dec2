"""A hundred corrupted variants of a good table: does each end in quarantine, or in one screen that names column and rule?

`python -m tests.proofs corruptions` (make prove NAME=corruptions) makes each variant as a file, reads it as the loop does and
says what stopped it: single rows in quarantine (their keys must be exactly the corrupted ones), an error about the whole
table, or, where every row looks right, a check of the window (volume, copies, missing shares, new values, drift). No valid
row may be lost: what is kept and what is in quarantine together are the rows of the file.
"""

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa

from flows.trust import requests_trusted
from schemas.columns import about
from schemas.errors import PerennialError
from schemas.framing import BrierLoss, Framing
from schemas.problem import Problem
from schemas.recipe import Recipe
from schemas.source import Source
from schemas.verdict import Outcome
from tasks import contracts, engine_contracts, gates, profiles, windows
from tasks.stats import window_limits
from tests.proofs.corrupted import VARIANTS, Variant

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WEEKS = 12
END = START + WEEKS * 7 * DAY
TIME = pd.DatetimeTZDtype(unit="us", tz="UTC")
CITIES = ("Zürich", "Genève", "Basel", "Bern", "Lausanne")
SCREEN = 1_500  # letters: more is no error that a person reads


@dataclass(frozen=True)
class Judged:
    """What became of one variant."""

    name: str
    ends: str  # quarantine, error, window; accepted where nothing stopped it
    says: str
    right: bool


def problem() -> Problem:
    """Bookings: every kind of column, with the rules that a careful person writes."""
    contract = pa.DataFrameSchema(
        {
            "id": pa.Column("int64", pa.Check.ge(0)),
            "at": pa.Column(TIME),
            "customer": pa.Column("int64", pa.Check.ge(0)),
            "amount": pa.Column("float64", pa.Check.in_range(0.01, 100_000)),
            "quantity": pa.Column("int64", pa.Check.in_range(1, 50)),
            "channel": pa.Column(str, pa.Check.isin(["shop", "web", "phone"])),
            "city": pa.Column(str, pa.Check.isin(CITIES)),
            "note": pa.Column(str),
            "email": pa.Column(str, pa.Check.str_matches("[a-z0-9]+@example[.]org$"), metadata=about(personal=True)),
            "score": pa.Column("float64", pa.Check.in_range(0, 1), nullable=True),
            "share": pa.Column("float64", pa.Check.in_range(0, 1)),
            "hour": pa.Column("int64", pa.Check.in_range(0, 23)),
            "label": pa.Column("float64", pa.Check.isin([0.0, 1.0]), nullable=True),
            "label_at": pa.Column(TIME, nullable=True),
        }
    )
    framing = Framing(
        task="binary",
        objective="be judged",
        key="id",
        entity="customer",
        event_time="at",
        target="label",
        label_time="label_at",
        maturity=timedelta(days=1),
        loss=BrierLoss(),
        margin=0.01,
        tolerated_harm=0.01,
        metric="roc_auc",
    )
    return Problem(
        name="bookings",
        statement="Will a booking be cancelled?",
        contract=contract,
        source=Source(
            location="bookings/rows.parquet", derive=lambda table: table.mutate(hour=table.at.hour().cast("int64"))
        ),
        framing=framing,
        recipe=Recipe(features=("amount", "quantity", "channel", "city", "score", "share", "hour")),
    )


def good(seed: int = 7) -> pd.DataFrame:
    """Twelve weeks of bookings: 120 on a working day, 30 on a Sunday, by day more than by night."""
    rng = np.random.default_rng(seed)
    days = [START + n * DAY for n in range(WEEKS * 7)]
    sizes = rng.poisson([30 if day.weekday() == 6 else 120 for day in days])
    n = int(sizes.sum())
    at = np.repeat(np.array([day.replace(tzinfo=None) for day in days], dtype="datetime64[us]"), sizes)
    at = at + (np.clip(rng.normal(14, 3, n), 0, 23.99) * 3_600e6).astype("timedelta64[us]")
    frame = pd.DataFrame({"at": pd.Series(np.sort(at)).dt.tz_localize("UTC").astype(TIME)})
    frame["id"] = np.arange(n)
    frame["customer"] = rng.integers(0, 900, n)
    frame["amount"] = np.round(np.exp(rng.normal(3.5, 0.4, n)), 2)
    frame["quantity"] = rng.integers(1, 6, n)
    frame["channel"] = pd.Series(rng.choice(["shop", "web", "phone"], n, p=[0.5, 0.4, 0.1]), dtype=str)
    frame["city"] = pd.Series(rng.choice(CITIES, n), dtype=str)
    frame["note"] = pd.Series(rng.choice(["spät", "früh", "normal"], n), dtype=str)
    frame["email"] = pd.Series([f"c{c}@example.org" for c in frame["customer"]], dtype=str)
    frame["score"] = np.where(rng.random(n) < 0.1, np.nan, np.round(rng.beta(2, 5, n), 4))
    frame["share"] = np.round(rng.beta(5, 2, n), 4)
    frame["label"] = (rng.random(n) < 0.2).astype(float)
    frame["label_at"] = (frame["at"] + pd.Timedelta(hours=20)).astype(TIME)
    return frame


def judge(variant: Variant, frame: pd.DataFrame, folder: Path) -> Judged:
    """Make the variant's file in `folder`, read it as the loop does, and say what became of it."""
    bookings = replace(problem(), source=replace(problem().source, location=str(folder / f"rows.{variant.kind}")))
    variant.write(frame.copy(), folder / f"rows.{variant.kind}")
    try:
        ends, says, right = _read(bookings, variant, frame)
    except PerennialError as error:
        said = str(error)
        named = all(word in said for word in variant.names)
        short = len(said) <= SCREEN and not any(value in said for value in variant.secrets)
        return Judged(variant.name, "error", said, variant.ends == "error" and named and short)
    return Judged(variant.name, ends, says, right and ends == variant.ends)


def _read(bookings: Problem, variant: Variant, frame: pd.DataFrame) -> tuple[str, str, bool]:
    start, until = START - DAY, END + DAY
    table = windows.window_table(bookings, start, until, as_of=until)
    checked = engine_contracts.check_table(bookings, table)
    framed = contracts.check(bookings, windows.read_window(bookings, start, until, as_of=until))
    same = (framed.rows, framed.bad_rows, framed.counts) == (checked.rows, checked.bad_rows, checked.counts)
    undated = int(windows.undated(bookings).count().to_pandas())
    whole = checked.rows + undated == variant.rows(frame)
    if checked.bad_rows or undated:
        said = "; ".join([*checked.counts, *(["at: not_nullable"] if undated else [])])
        shown = str(contracts.sample_of(checked, 5).to_dict())
        masked = not any(email in shown for email in frame["email"].head(2_000))
        exact = variant.bad is None or checked.bad_rows + undated == variant.bad
        return "quarantine", said, same and whole and exact and masked and all(word in said for word in variant.names)
    caught = _of_the_window(bookings)
    if caught:
        return "window", caught, same and whole and all(word in caught for word in variant.names)
    return "accepted", "nothing was found", same and whole


def _of_the_window(bookings: Problem) -> str:
    """What the loop's checks of the newest week say; empty when they trust it."""
    week = (END - 7 * DAY, END)
    trusted = requests_trusted(bookings, since=week[0], now=END, closed=week)
    if trusted.outcome is Outcome.FAIL:
        return trusted.reason
    features = bookings.recipe.features
    weeks = [windows.read_requests(bookings, START + n * 7 * DAY, START + (n + 1) * 7 * DAY) for n in range(WEEKS)]
    profile = profiles.freeze_profile(pd.concat(weeks[:4]), features)
    past = [profiles.distances(profile, rows) for rows in weeks[4:-1]]
    rate, names = 1 / (len(past) + 1), sorted(past[0])
    limits = window_limits([[row[name] for name in names] for row in past], alpha=rate)
    found = gates.drift(
        profiles.distances(profile, weeks[-1]),
        dict(zip(names, map(float, limits), strict=True)),
        floor=bookings.monitoring.effect_floor,
        rate=rate,
        allowed=rate,
        window=bookings.monitoring.window,
        basis=f"{len(past)} windows of its own",
    )
    return found.reason if found.outcome is Outcome.FAIL else ""


def prove(show: Callable[[str], Any] = print) -> dict[str, Any]:
    """Every variant, and the good table, which must be accepted whole."""
    frame = good()
    found = []
    for variant in VARIANTS:
        with tempfile.TemporaryDirectory() as folder:
            os.environ.setdefault("PERENNIAL_HOME", folder)
            found.append(judge(variant, frame, Path(folder)))
        one = found[-1]
        show(f"  {'right' if one.right else 'WRONG'}  {one.name:<52} {one.ends:<10} {one.says.splitlines()[0][:110]}")
    right = sum(one.right for one in found)
    print(f"{right} of {len(found)} right")
    kinds = {ends: sum(one.ends == ends for one in found) for ends in ("quarantine", "error", "window", "accepted")}
    return {"variants": [vars(one) for one in found], "kinds": kinds, "right": right, "holds": right == len(found)}
