"""How is a good table spoilt? A hundred ways, each with what must become of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet as pq

__all__ = ["VARIANTS", "Variant"]

Edit = Callable[[pd.DataFrame], pd.DataFrame]
ROWS = [5, 600, 4_000]  # positions of single corrupted rows
DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class Variant:
    """One way, and its end: rows in quarantine, an error about the table, or a check of the newest week."""

    name: str
    kind: str  # of file: csv or parquet
    ends: str
    names: tuple[str, ...]  # words that what is said must hold: column and rule
    edit: Edit
    bad: int | None = None  # rows in quarantine, where they are known
    spoil: Callable[[Path], None] | None = None  # of the written file
    csv: tuple[tuple[str, object], ...] = ()
    secrets: tuple[str, ...] = ("@example.org",)

    def write(self, frame: pd.DataFrame, path: Path) -> None:
        frame = self.edit(frame)
        if self.kind == "csv":
            written = frame.assign(
                **{c: frame[c].map(_iso) for c in ("at", "label_at") if c in frame and _timed(frame[c])}
            )
            written.to_csv(path, index=False, **dict(self.csv))
        else:
            pq.write_table(pyarrow.Table.from_pandas(frame, preserve_index=False), path)
        if self.spoil is not None:
            self.spoil(path)

    def rows(self, frame: pd.DataFrame) -> int:
        return len(self.edit(frame.copy()))


def _timed(column: pd.Series) -> bool:
    return isinstance(column.dtype, pd.DatetimeTZDtype)


def _iso(moment: pd.Timestamp) -> str:
    return "" if pd.isna(moment) else moment.isoformat()


def _cells(column: str, value: object, frame: pd.DataFrame) -> pd.DataFrame:
    """Three cells of one column."""
    frame = frame.copy()
    if value is None and frame[column].dtype == np.int64:
        frame[column] = frame[column].astype("Int64")
    frame.loc[ROWS, column] = value
    return frame


def _week(column: str, change: Callable[[pd.Series], pd.Series], frame: pd.DataFrame) -> pd.DataFrame:
    """One column of the newest week."""
    newest = frame["at"] >= frame["at"].max().floor("D") - 6 * DAY
    return frame.assign(**{column: frame[column].where(~newest, change(frame[column]))})


def _single() -> Iterator[Variant]:
    """Single rows: exactly these are in quarantine."""
    cells = [
        ("amount", -5.0, "in_range"),
        ("amount", 0.0, "in_range"),
        ("amount", 1e9, "in_range"),
        ("amount", np.inf, "finite"),
        ("amount", -np.inf, "finite"),
        ("amount", None, "not_nullable"),
        ("quantity", 0, "in_range"),
        ("quantity", 51, "in_range"),
        ("quantity", None, "not_nullable"),
        ("customer", -1, "greater_than_or_equal_to"),
        ("customer", None, "not_nullable"),
        ("channel", "WEB", "isin"),
        ("channel", "web ", "isin"),
        ("channel", "fax", "isin"),
        ("channel", None, "not_nullable"),
        ("city", "ZÃ¼rich", "isin"),
        ("city", "Zu\u0308rich", "isin"),
        ("city", None, "not_nullable"),
        ("email", "nobody", "str_matches"),
        ("email", "C1@EXAMPLE.ORG", "str_matches"),
        ("email", None, "not_nullable"),
        ("score", 1.01, "in_range"),
        ("score", -0.01, "in_range"),
        ("score", np.inf, "finite"),
        ("score", 87.0, "in_range"),
        ("share", 55.0, "in_range"),
        ("share", None, "not_nullable"),
        ("id", -7, "greater_than_or_equal_to"),
        ("id", None, "not_nullable"),
        ("at", pd.NaT, "not_nullable"),
        ("label", 2.0, "isin"),
    ]
    for column, value, rule in cells:
        kinds = ("parquet",) if column in ("email", "share", "label") else ("parquet", "csv")
        for kind in kinds:
            edit = partial(_cells, column, value)
            yield Variant(f"{column} {value!r} ({kind})", kind, "quarantine", (column, rule), edit, len(ROWS))


def _nan(frame: pd.DataFrame, path: Path) -> None:
    """NaN that is no null, as Arrow writes it: a file's own minimum and maximum leave it out."""
    table = pyarrow.Table.from_pandas(frame, preserve_index=False)
    values = frame["amount"].to_numpy().copy()
    values[ROWS] = np.nan
    at = table.column_names.index("amount")
    pq.write_table(table.set_column(at, "amount", pyarrow.array(values, from_pandas=False)), path)


@dataclass(frozen=True)
class WithNaN(Variant):
    """Rows whose amount is NaN and not null."""

    def write(self, frame: pd.DataFrame, path: Path) -> None:
        _nan(frame, path)


def _repeated(frame: pd.DataFrame, *, labels: bool = False) -> pd.DataFrame:
    again = pd.concat([frame, frame.iloc[ROWS]])
    return again if labels else again.reset_index(drop=True)


def _many() -> Iterator[Variant]:
    """Rows that stand in each other's way: of rows with one key the first stays."""
    same = lambda frame: frame  # noqa: E731
    duplicated = ("id", "duplicated")
    yield WithNaN("amount NaN and no null (parquet)", "parquet", "quarantine", ("amount", "not_nullable"), same, 3)
    yield Variant("three rows twice", "parquet", "quarantine", duplicated, _repeated, 3)
    yield Variant("three rows twice (csv)", "csv", "quarantine", duplicated, _repeated, 3)
    yield Variant(
        "three rows twice under their index labels",
        "parquet",
        "quarantine",
        duplicated,
        partial(_repeated, labels=True),
        3,
    )
    yield Variant("the whole file twice", "parquet", "quarantine", duplicated, lambda f: pd.concat([f, f]))
    yield Variant("one key for all", "parquet", "quarantine", duplicated, lambda f: f.assign(id=1))
    yield Variant(
        "all index labels zero",
        "parquet",
        "quarantine",
        ("amount", "in_range"),
        lambda f: _cells("amount", -1.0, f).set_axis([0] * len(f)),
        3,
    )
    yield Variant(
        "units: grams for kilograms, out of range",
        "parquet",
        "quarantine",
        ("amount", "in_range"),
        lambda f: f.assign(amount=f["amount"] * 1e5),
    )
    yield Variant(
        "shares as per cent", "parquet", "quarantine", ("share", "in_range"), lambda f: f.assign(share=f["share"] * 100)
    )
    yield Variant(
        "minus for missing: -999",
        "parquet",
        "quarantine",
        ("quantity", "in_range"),
        partial(_cells, "quantity", -999),
        3,
    )
    yield Variant(
        "city read as latin-1, written as utf-8",
        "csv",
        "quarantine",
        ("city", "isin"),
        lambda f: f.assign(city=f["city"].map(lambda c: c.encode().decode("latin-1")).astype(str)),
    )
    yield Variant(
        "texts for null: NULL", "parquet", "quarantine", ("channel", "isin"), partial(_cells, "channel", "NULL"), 3
    )
    yield Variant(
        "columns swapped: amount and quantity of another kind",
        "parquet",
        "error",
        ("amount", "dtype"),
        lambda f: f.assign(amount=f["quantity"], quantity=f["amount"]),
    )
    yield Variant(
        "columns swapped: channel and city",
        "parquet",
        "quarantine",
        ("channel", "isin"),
        lambda f: f.assign(channel=f["city"], city=f["channel"]),
    )


def _columns() -> Iterator[Variant]:
    """Columns that are gone, or of another type: one error that names column and rule."""
    for column in ("id", "at", "amount", "channel", "email", "score", "label", "label_at"):
        gone = lambda frame, column=column: frame.drop(columns=column)  # noqa: E731
        yield Variant(f"no column {column}", "parquet", "error", (column, "lacks" if column != "at" else "at"), gone)
    retyped = {
        "amount as text": ("amount", lambda f: f.assign(amount=f["amount"].astype(str))),
        "amount with a decimal comma": (
            "amount",
            lambda f: f.assign(amount=f["amount"].map(lambda x: f"{x:.2f}".replace(".", ","))),
        ),
        "amount with a currency": ("amount", lambda f: f.assign(amount=f["amount"].map(lambda x: f"{x} EUR"))),
        "one amount of text among numbers": (
            "amount",
            lambda f: f.assign(amount=f["amount"].astype(str).where(f.index != 600, "n/a")),
        ),
        "quantity with fractions": ("quantity", lambda f: f.assign(quantity=f["quantity"] + 0.5)),
        "quantity as text": ("quantity", lambda f: f.assign(quantity=f["quantity"].astype(str) + "x")),
        "id as text": ("id", lambda f: f.assign(id="b" + f["id"].astype(str))),
        "channel as numbers": (
            "channel",
            lambda f: f.assign(channel=f["channel"].map({"shop": 0, "web": 1, "phone": 2}).astype("int64")),
        ),
        "score as truth": ("score", lambda f: f.assign(score=f["score"] > 0.5)),
        "label as text": (
            "label",
            lambda f: f.assign(label=f["label"].map({0.0: "kept", 1.0: "cancelled"}).astype(str)),
        ),
    }
    for name, (column, edit) in retyped.items():
        for kind in ("parquet", "csv"):
            # A CSV file has no types: numbers in quotes are numbers.
            read = kind == "csv" and name == "amount as text"
            ends, names = ("accepted", ()) if read else ("error", (column, "dtype"))
            yield Variant(f"{name} ({kind})", kind, ends, names, edit)
    times = {
        "time without a zone": lambda f: f.assign(at=f["at"].dt.tz_localize(None)),
        "time as text": lambda f: f.assign(at=f["at"].map(lambda t: t.strftime("%A %d %B"))),
        "time as seconds": lambda f: f.assign(at=f["at"].astype("int64") // 10**6),
        "time as day/month and month/day": lambda f: f.assign(
            at=[t.strftime("%d/%m/%Y" if n % 2 else "%m/%d/%Y") for n, t in enumerate(f["at"])]
        ),
        "time in two formats": lambda f: f.assign(
            at=[t.isoformat() if n % 2 else t.strftime("%d.%m.%Y %H:%M") for n, t in enumerate(f["at"])]
        ),
    }
    for name, edit in times.items():
        yield Variant(name, "csv" if "format" in name or "/" in name else "parquet", "error", ("at",), edit)
    yield Variant(
        "label time without a zone",
        "parquet",
        "error",
        ("label_at",),
        lambda f: f.assign(label_at=f["label_at"].dt.tz_localize(None)),
    )
    yield Variant("names in capitals", "parquet", "error", ("lacks",), lambda f: f.rename(columns=str.upper))
    yield Variant("names with blanks", "csv", "accepted", (), lambda f: f.rename(columns=lambda c: f" {c} "))


def _cut(path: Path, *, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def _rewritten(path: Path, change: Callable[[str], str | bytes]) -> None:
    made = change(path.read_text())
    path.write_bytes(made if isinstance(made, bytes) else made.encode())


def _files() -> Iterator[Variant]:
    """Files that are no such file, or not all of it."""
    same = lambda frame: frame  # noqa: E731
    spoilt = partial(Variant, edit=same, ends="error")
    yield spoilt("Parquet cut in the middle", "parquet", names=("cannot be read",), spoil=partial(_cut, share=0.5))
    yield spoilt("Parquet cut at its end", "parquet", names=("cannot be read",), spoil=partial(_cut, share=0.99))
    yield spoilt("Parquet of no bytes", "parquet", names=("cannot be read",), spoil=partial(_cut, share=0.0))
    yield spoilt(
        "CSV called Parquet", "parquet", names=("cannot be read",), spoil=lambda path: path.write_text("id,at\n1,2\n")
    )
    yield spoilt(
        "CSV line cut",
        "csv",
        names=("cannot be read",),
        spoil=lambda path: _rewritten(path, lambda text: text[: text.rindex(",", 0, -60)]),
    )
    yield spoilt("CSV of no bytes", "csv", names=("lacks",), spoil=partial(_cut, share=0.0))
    yield spoilt(
        "semicolons in half of the lines",
        "csv",
        names=("lacks",),
        spoil=lambda path: _rewritten(
            path,
            lambda text: "\n".join(
                line.replace(",", ";") if n % 2 else line for n, line in enumerate(text.splitlines())
            ),
        ),
    )
    yield spoilt(
        "no header", "csv", names=("lacks",), spoil=lambda path: _rewritten(path, lambda text: text.split("\n", 1)[1])
    )
    yield spoilt(
        "latin-1", "csv", names=("rows.csv",), spoil=lambda path: _rewritten(path, lambda text: text.encode("latin-1"))
    )
    yield spoilt(
        "wrong delimiter: a bar in the header",
        "csv",
        names=("lacks",),
        spoil=lambda path: _rewritten(path, lambda text: text.replace(",", "|", 5)),
    )


def _weeks() -> Iterator[Variant]:
    """Every row looks right: the newest week is held against those before it."""
    newest = lambda frame: frame["at"] >= frame["at"].max().floor("D") - 6 * DAY  # noqa: E731
    window = partial(Variant, kind="parquet", ends="window")
    yield window(
        "units: cents for francs, within range",
        names=("moved", "amount"),
        edit=partial(_week, "amount", lambda x: x * 100),
    )
    yield window(
        "columns swapped: score and share",
        names=("moved", "share"),
        edit=lambda f: f.assign(
            share=f["share"].where(~newest(f), f["score"].fillna(0.2)), score=f["score"].where(~newest(f), f["share"])
        ),
    )
    yield window("a column frozen", names=("moved", "amount"), edit=partial(_week, "amount", lambda x: x * 0 + 33.0))
    yield window(
        "a column half empty",
        names=("score", "missing"),
        edit=partial(_week, "score", lambda x: x.where(np.arange(len(x)) % 3 == 0)),
    )
    yield window("a column empty", names=("score", "missing"), edit=partial(_week, "score", lambda x: x * np.nan))
    yield window("free text garbled", names=("note",), edit=partial(_week, "note", lambda x: x + "\ufffd"))
    yield window(
        "clock eleven hours ahead",
        names=("volume",),
        edit=lambda f: f.assign(at=(f["at"] + pd.Timedelta(hours=11)).where(newest(f), f["at"])),
    )
    yield window(
        "local time called UTC",
        names=("hour",),
        edit=lambda f: f.assign(at=(f["at"] - pd.Timedelta(hours=5)).where(newest(f), f["at"])),
    )
    day = lambda frame, back: frame["at"].dt.floor("D") == frame["at"].max().floor("D") - back * DAY  # noqa: E731
    yield window("a day that did not come", names=("volume",), edit=lambda f: f[~day(f, 3)])
    yield window(
        "a day cut off at a tenth", names=("volume",), edit=lambda f: f[~day(f, 3) | (np.arange(len(f)) % 10 == 0)]
    )
    yield window(
        "three days that have not come", names=("late",), edit=lambda f: f[f["at"] < f["at"].max().floor("D") - 2 * DAY]
    )
    yield window(
        "a day ten times",
        names=("volume",),
        edit=lambda f: pd.concat([f, *(f[day(f, 3)].assign(id=f["id"] + n * 10**6) for n in range(1, 10))]),
    )
    yield window(
        "a day that holds what another held",
        names=("twice",),
        edit=lambda f: pd.concat([f[~day(f, 2)], f[day(f, 3)].assign(id=f["id"] + 10**6, at=f["at"] + DAY)]),
    )
    yield window(
        "days shuffled: Sunday's rows on a Thursday",
        names=("volume",),
        edit=lambda f: f.assign(at=(f["at"] - 3 * DAY).where(day(f, 0), (f["at"] + 3 * DAY).where(day(f, 3), f["at"]))),
    )
    yield window(
        "most of a category became another",
        names=("moved", "channel"),
        edit=partial(_week, "channel", lambda x: x.where(x != "shop", "web")),
    )
    accepted = partial(Variant, kind="parquet", ends="accepted", names=())
    yield accepted("the good table", edit=lambda f: f)
    yield accepted("rows in another order", edit=lambda f: f.sample(frac=1, random_state=1))
    yield accepted("columns in another order", edit=lambda f: f[sorted(f.columns, reverse=True)])
    yield accepted("a column more", edit=lambda f: f.assign(more=1))
    yield accepted("the same moments in another zone", edit=lambda f: f.assign(at=f["at"].dt.tz_convert("Asia/Tokyo")))
    yield Variant("the good table, as CSV", "csv", "accepted", (), lambda f: f)
    yield Variant("semicolons throughout", "csv", "accepted", (), lambda f: f, csv=(("sep", ";"),))
    yield Variant("a mark of byte order", "csv", "accepted", (), lambda f: f, csv=(("encoding", "utf-8-sig"),))


VARIANTS = (*_single(), *_many(), *_columns(), *_files(), *_weeks())
