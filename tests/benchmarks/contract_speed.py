"""What do the contract and the profile of a large window cost, in the engine and in pandas?

Rows are made by DuckDB, once, as Parquet on disk: 20 columns, one row in ten thousand broken in a known way. Each side runs
in a process of its own, of which the peak memory is read. Both do the same: read, hold to the contract, write the bad rows
to quarantine, count every column over 64 frozen bins.

    .venv/bin/python -m tests.benchmarks.contract_speed                  # 100 million rows against 5 million in pandas
    .venv/bin/python -m tests.benchmarks.contract_speed --rows 1000000 --frame-rows 500000
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from schemas.problem import Problem
from schemas.settings import Settings
from tasks.figures import keep

START = datetime(2024, 1, 1, tzinfo=UTC)
MEASURED = tuple(f"m{n}" for n in range(9))
WHOLE = ("visits", "items", "age")
TEXTS = {"channel": 4, "region": 16, "product": 200}
FEATURES = (*MEASURED, *WHOLE, *TEXTS)
BAD_EVERY = 10_000
LIMIT_GIB, FASTER = 2.0, 5.0


def problem_of(frame_rows: int) -> Problem:
    """Twenty columns under a contract: every rule of the engine has work to do."""
    import pandas as pd
    import pandera.pandas as pa

    from schemas.framing import BrierLoss, Framing
    from schemas.plans import DataPlan
    from schemas.recipe import Recipe
    from schemas.source import Source

    time_type = pd.DatetimeTZDtype(unit="us", tz="UTC")
    columns = {
        "id": pa.Column("int64", pa.Check.ge(0)),
        "at": pa.Column(time_type),
        "customer": pa.Column("int64", pa.Check.ge(0)),
        **{name: pa.Column("float64", pa.Check.in_range(0, 1_000), nullable=name == "m8") for name in MEASURED},
        **{name: pa.Column("int64", pa.Check.in_range(0, 1_000)) for name in WHOLE},
        **{name: pa.Column(str, pa.Check.isin([f"{name}{n}" for n in range(size)])) for name, size in TEXTS.items()},
        "label": pa.Column("float64", pa.Check.isin([0.0, 1.0]), nullable=True),
        "label_at": pa.Column(time_type, nullable=True),
    }
    framing = Framing(
        task="binary",
        objective="be measured",
        key="id",
        entity="customer",
        event_time="at",
        target="label",
        label_time="label_at",
        maturity=timedelta(days=2),
        loss=BrierLoss(),
        margin=0.01,
        tolerated_harm=0.01,
        metric="roc_auc",
    )
    return Problem(
        name="large",
        statement="How long does it take?",
        contract=pa.DataFrameSchema(columns),
        source=Source(location="large.parquet"),
        framing=framing,
        recipe=Recipe(features=FEATURES),
        data=DataPlan(frame_rows=frame_rows),
    )


def make(path: Path, rows: int) -> None:
    """Write `rows` rows, whole or not at all, in bounded memory."""
    import duckdb

    if path.exists():
        return
    measured = [f"(hash(i * 31 + {n}) % {1_000 * (n + 1)})::double / {n + 1} as m{n}" for n in range(len(MEASURED))]
    measured[0] = f"case when i % {BAD_EVERY} = 7 then -1.0 else (hash(i * 31) % 1000)::double end as m0"
    measured[8] = "case when hash(i * 7) % 10 = 0 then null else (hash(i * 31 + 8) % 9000)::double / 9 end as m8"
    whole = [f"(hash(i * 17 + {n}) % {50 * (n + 1)})::bigint as {name}" for n, name in enumerate(WHOLE)]
    texts = [f"'{name}' || (hash(i * 13 + {n}) % {size}) as {name}" for n, (name, size) in enumerate(TEXTS.items())]
    at = f"timestamptz '{START.isoformat()}' + to_microseconds(i * 1000)"
    columns = ["i as id", f"{at} as at", "(hash(i * 3) % 1000000)::bigint as customer", *measured, *whole, *texts]
    columns += ["(hash(i * 5) % 2)::double as label", f"{at} + interval 1 day as label_at"]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with duckdb.connect(config={"threads": 2, "memory_limit": "1GB", "preserve_insertion_order": False}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        query = f"SELECT {', '.join(columns)} FROM range({rows}) t(i)"
        connection.execute(f"COPY ({query}) TO '{partial}' (FORMAT parquet, COMPRESSION zstd)")
    partial.replace(path)


def in_engine(path: Path, rows: int, frame_rows: int) -> dict[str, Any]:
    """Contract, quarantine and profile of the file, without a frame."""
    import ibis

    from tasks.engine_contracts import check_table, quarantine_table
    from tasks.engine_profiles import profile_table

    problem = problem_of(2_000_000)
    connection = ibis.duckdb.connect(threads=2, memory_limit="1GB", temp_directory=str(path.parent / "spilled"))
    connection.raw_sql("SET TimeZone = 'UTC'")
    connection.raw_sql("SET preserve_insertion_order = false")
    table = connection.read_parquet(path)
    profile = _reference(table.limit(200_000).to_pandas())
    began = time.perf_counter()
    checked = check_table(problem, table)
    contract = time.perf_counter() - began
    quarantine_table(problem, checked, start=START, end=START + timedelta(days=1))
    quarantined = time.perf_counter() - began
    counts = profile_table(table, profile)
    whole = time.perf_counter() - began
    right = checked.rows == rows and checked.bad_rows == rows // BAD_EVERY
    right = right and all(int(count.sum()) == rows for count in counts.values()) and len(counts) == len(FEATURES)
    return _measured(rows, whole, right) | {"contract_s": contract, "quarantine_s": quarantined - contract}


def in_pandas(path: Path, rows: int, frame_rows: int) -> dict[str, Any]:
    """The same of as many rows as pandas can hold."""
    import pandas as pd

    from tasks.contracts import check, quarantine
    from tasks.stats import binned

    problem = problem_of(2_000_000)
    profile = _reference(pd.read_parquet(path).head(200_000))
    began = time.perf_counter()
    frame = pd.read_parquet(path)
    read = time.perf_counter() - began
    checked = check(problem, frame)
    contract = time.perf_counter() - began
    quarantine(problem, checked, start=START, end=START + timedelta(days=1))
    for name, column in profile.items():
        binned(frame[name].to_numpy(), column.bins, ordered=column.ordered)
    whole = time.perf_counter() - began
    right = checked.rows == rows and checked.bad_rows == rows // BAD_EVERY
    return _measured(rows, whole, right) | {"read_s": read, "contract_s": contract - read}


def _reference(frame: Any) -> Any:
    from tasks.profiles import freeze_profile

    return freeze_profile(frame, FEATURES)


def _measured(rows: int, seconds: float, right: bool) -> dict[str, Any]:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"rows": rows, "seconds": seconds, "ns_a_row": seconds / rows * 1e9, "peak_gib": peak, "right": right}


SIDES = {"engine": in_engine, "pandas": in_pandas}


def _in_child(side: str, path: Path, rows: int) -> dict[str, Any]:
    command = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.contract_speed", "--side", side]
    command += ["--rows", str(rows), "--folder", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--frame-rows", type=int, default=5_000_000)
    parser.add_argument("--folder", type=Path, default=Settings().root / "bench-data", help="where the rows are kept")
    parser.add_argument("--side", choices=SIDES)
    args = parser.parse_args()
    if args.side:
        print(json.dumps(SIDES[args.side](args.folder, args.rows, args.frame_rows)))
        return 0
    load = os.getloadavg()[0]
    found: dict[str, Any] = {}
    for side, rows in (("pandas", args.frame_rows), ("engine", args.rows)):
        path = args.folder / f"rows-{rows}.parquet"
        make(path, rows)
        found[side] = _in_child(side, path, rows)
        print(
            f"{side}: "
            + ", ".join(f"{k} {v:,.2f}" if isinstance(v, float) else f"{k} {v}" for k, v in found[side].items())
        )
        sys.stdout.flush()
    faster = found["pandas"]["ns_a_row"] / found["engine"]["ns_a_row"]
    holds = found["engine"]["peak_gib"] < LIMIT_GIB and faster >= FASTER and all(one["right"] for one in found.values())
    keep("bench-data", found | {"times_faster": faster, "load_before": load, "cores": os.cpu_count(), "holds": holds})
    print(
        f"the engine is {faster:.1f} times faster a row, at {found['engine']['peak_gib']:.2f} GiB: {'holds' if holds else 'DOES NOT HOLD'}"
    )
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
