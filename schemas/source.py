"""Where do a problem's rows come from, and what did the table look like at a given moment?"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ibis
    import pandas as pd

__all__ = ["Source", "is_text"]


@dataclass(frozen=True)
class Source:
    """A table behind an Ibis connection: DuckDB over files, unless `url` says otherwise.

    `location` is a Parquet or CSV file or glob (relative to the data folder), read by DuckDB. `derive` adds columns in the
    engine, point in time: a row may only use what was known at its event time. When a column is known is said in the
    contract (schemas/columns.py): before that moment, readers see null.
    """

    location: str
    # An Ibis connection (postgresql://reader:${SHOP_PASSWORD}@host/shop, trino://...), where `location` is then a table's name.
    url: str | None = None
    derive: "Callable[[ibis.Table], ibis.Table] | None" = None
    # How a text file is read where DuckDB's own guess is wrong: delim, header, encoding, nullstr, types ...
    reading: Mapping[str, Any] = field(default_factory=dict)
    starts: datetime | None = None  # the first event, where a replay may begin to count its history
    history: timedelta = timedelta(days=56)  # what a replay treats as the team's past before the loop goes live
    simulate: "Callable[[int], pd.DataFrame] | None" = None  # makes the table from a seed, when there is no file
    fetch: "Callable[[], pd.DataFrame] | None" = None  # gets the public table, where there is internet
    hint: str = ""  # how to get the file, in the error that says it is missing


def is_text(location: str) -> bool:
    """Is the file or glob delimited text, packed or not? All else is Parquet.

    >>> is_text("bookings/*.csv.gz"), is_text("bookings.parquet")
    (True, False)
    """
    return bool({".csv", ".tsv", ".txt", ".data", ".dat"} & set(PurePath(location).suffixes))
