"""Do the door and pandera agree on every row, and does the door never repeat what a client said?"""

import json
import math
import re
import warnings
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandera.config import config_context

from schemas.errors import PerennialError
from schemas.problem import load_problem
from tasks.door import PLANS, Breach, Door

REAL = ("fraud", "bikes", "electricity")
UTC_TIME = pd.DatetimeTZDtype(unit="us", tz="UTC")
NOON = "2024-01-01T12:00:00+00:00"


def asking(toy, **columns):
    """The toy problem, whose contract has these columns too."""
    return replace(toy, contract=pa.DataFrameSchema({**toy.contract.columns, **columns}))


def told(toy, column, *values):
    """What the door says of these values of one column: the broken rules of each."""
    admitted = Door(asking(toy, c=column)).check(("c",), [[value] for value in values], required=("c",))
    return [[b.rule for b in admitted.breaches if b.row == row] for row in range(len(values))]


# --- The reference: strict types by hand, then pandera on a frame of one row ---


def typed(dtype, value):
    """A one-value series of this dtype that holds exactly the JSON value; ValueError where there is none."""
    values = dtype.categories.dtype if isinstance(dtype, pd.CategoricalDtype) else dtype
    letter = getattr(values, "kind", "O")
    if value is None:
        if isinstance(dtype, np.dtype) and letter in "iub":
            raise ValueError
        return pd.Series([None], dtype=dtype)
    if letter == "M":
        if type(value) is not str or not re.search(r"(Z|[+-]\d\d:\d\d)$", value):
            raise ValueError
        time = pd.Timestamp(value)
        if time.as_unit(dtype.unit) != time:
            raise ValueError
        return pd.Series([time]).astype(dtype)
    wanted = {"i": (int, float), "u": (int, float), "f": (int, float), "b": (bool,)}.get(letter, (str,))
    if type(value) not in wanted:
        raise ValueError
    if letter in "iu":
        limits = np.iinfo(str(values).lower())
        if not math.isfinite(value) or value != int(value) or not limits.min <= int(value) <= limits.max:
            raise ValueError
        value = int(value)
    if letter == "f" and not abs(float(value)) <= float(np.finfo(str(values).lower()).max):
        raise ValueError
    if isinstance(dtype, pd.CategoricalDtype) and value not in dtype.categories.tolist():
        raise ValueError
    if type(value) is str:
        value.encode()
    return pd.Series([value], dtype=dtype)


def refused(contract, asked, given, required):
    """Columns that break the contract in this one row, and the frame of the others."""
    bad = {name for name in given if name not in asked} | {name for name in required if name not in given}
    frame = {}
    for name in set(given) - bad:
        try:
            frame[name] = typed(contract.columns[name].dtype.type, given[name])
        except (ValueError, OverflowError):
            bad.add(name)
    restricted = pa.DataFrameSchema({name: contract.columns[name] for name in frame})
    frame = pd.DataFrame(frame)
    try:
        restricted.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        bad |= {error.schema.name for error in errors.schema_errors}
    return bad, frame


def assert_agrees(problem, columns, rows, required):
    with warnings.catch_warnings():
        # numpy warns of a bound that no float32 can hold, and says no more about the value.
        warnings.simplefilter("ignore")
        door = Door(problem)
        admitted = door.check(columns, rows, required=required)
        for at, row in enumerate(rows):
            bad, frame = refused(problem.contract, door.asked, dict(zip(columns, row, strict=True)), required)
            assert {b.column for b in admitted.breaches if b.row == at} == bad
            if not bad:
                alone = door.check(columns, [row], required=required)
                names = list(frame)
                pd.testing.assert_frame_equal(alone.frame(names, door), frame, check_column_type=False)
        kept = admitted.frame([name for name in columns if name in door.asked], door)
        assert len(kept) == len(rows) - len({b.row for b in admitted.breaches})


def failing(schema, rows):
    """Which of these one-value series break the schema of one column."""
    try:
        schema.validate(pd.DataFrame({"c": pd.concat(rows).droplevel(1)}), lazy=True)
    except pa.errors.SchemaErrors as errors:
        failed = errors.failure_cases["index"]
        if failed.notna().all():
            return set(failed)
        # A check that cannot be asked of one value, a null, say, is pandera's answer to all of them: ask about each.
        return set(rows) if len(rows) == 1 else {row for row in rows if failing(schema, {row: rows[row]})}
    return set()


def assert_column_agrees(toy, column, values):
    """The same of many values of one column, for which pandera is asked once."""
    exact, bad = {}, set()
    for row, value in enumerate(values):
        try:
            exact[row] = typed(column.dtype.type, value)
        except (ValueError, OverflowError):
            bad.add(row)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bad |= failing(pa.DataFrameSchema({"c": column}), exact)
        door = Door(asking(toy, c=column))
        together = door.check(("c",), [[value] for value in values], required=("c",))
        alone = {row for row, value in enumerate(values) if door.check(("c",), [[value]], required=("c",)).breaches}
    assert {b.row for b in together.breaches} == alone == bad


# --- Contracts and rows at random ---

NUMBERS = (-1, 0, 0.1, 0.5, 1, 1.0, 2, 2.5, 3, 100, 127, 128, 255, 256, -128, 16_777_217, 2**53 - 1, 2**53, 2**53 + 1)
TEXTS = ("", "a", "b", "ab", "abc", "12", "a1", "A b", "é", "a\n", "١", "ß1", "a b\t")
TIMES = (
    NOON,
    "2024-01-01T12:00:00Z",
    "2024-01-01T13:00:00+01:00",
    "2024-01-01T12:00:00.000001+00:00",
    "2024-01-01T12:00:00.5Z",
    "1969-12-31T23:00:00-08:00",
    "0001-01-02T00:00:00+00:00",
    "2024-01-01T12:00:00",
    "2024-01-01",
    "noon",
)
ODDITIES = (
    None,
    True,
    False,
    math.nan,
    math.inf,
    -math.inf,
    10**400,
    2**63,
    2**64,
    -(2**63) - 1,
    1e39,
    12.5,
    "x",
    [1],
    {},
)
VALUES = {
    "number": NUMBERS,
    "truth": (True, False),
    "text": TEXTS,
    "time": TIMES,
    "names": ("a", "b", "ab"),
    "levels": (1, 2, 3, 2.0),
}
DTYPES = {
    "number": ("int64", "int8", "uint8", "uint64", "Int64", "Int16", "float64", "float32", "Float64", "Float32"),
    "truth": ("bool", "boolean"),
    "text": (str, "str", "string", object),
    "time": (UTC_TIME, "datetime64[ns, UTC]", pd.DatetimeTZDtype(unit="s", tz="Europe/Berlin")),
    "names": (pd.CategoricalDtype(["a", "b"]), pd.CategoricalDtype(["a", "b"], ordered=True)),
    "levels": (pd.CategoricalDtype([1, 2]), pd.CategoricalDtype([1.5, 2.0])),
}
PATTERNS = (
    "a",
    "^a",
    "b$",
    r"\d+$",
    "a|1",
    "[ab]+",
    r"\w$",
    "(?:ab)+",
    "^$",
    r"\s",
    "(?=a)",
    r"a\Z",
    "^[^a]",
    "a{1,2}b",
)
BOUNDS = {
    "number": (*NUMBERS[:-3], -0.5, 300, 1e39, math.inf, np.float64(0.1), np.int64(1), "a"),
    "truth": (True, False, 0, 1),
    "text": (*TEXTS, 1),
    "time": (
        datetime(2024, 1, 1, 12, tzinfo=UTC),
        datetime(2024, 1, 1, 13, tzinfo=timezone(timedelta(hours=1))),
        pd.Timestamp("2024-01-01T12:00:00.000000001Z"),
        pd.Timestamp("2024-01-01T12:00:00"),
        "2024-01-01",
    ),
    "names": ("a", "b", "z"),
    "levels": (1, 2, 2.5, 9),
}


@st.composite
def checks(draw, family):
    bound, flag = st.sampled_from(BOUNDS[family]), st.booleans()
    options = {
        "ignore_na": draw(st.sampled_from([True, True, True, False])),
        "name": draw(st.sampled_from([None, "mine"])),
    }
    kinds = ["gt", "ge", "lt", "le", "in_range", "eq", "ne", "isin", "isin", "notin"]
    kinds += ["pattern", "ends", "length"] * 2 if family == "text" else []
    kind = draw(st.sampled_from(kinds))
    if kind == "in_range":
        low, high = draw(bound), draw(bound)
        try:
            return pa.Check.in_range(low, high, include_min=draw(flag), include_max=draw(flag), **options)
        except (TypeError, ValueError):
            return pa.Check.ge(low, **options)
    if kind in {"isin", "notin"}:
        members = draw(st.lists(st.one_of(bound, st.sampled_from(VALUES[family])), min_size=1, max_size=9))
        return getattr(pa.Check, kind)(members + draw(st.sampled_from([[], [None]])), **options)
    if kind == "pattern":
        return getattr(pa.Check, draw(st.sampled_from(["str_matches", "str_contains"])))(
            draw(st.sampled_from(PATTERNS)), **options
        )
    if kind == "ends":
        return getattr(pa.Check, draw(st.sampled_from(["str_startswith", "str_endswith"])))(
            draw(st.sampled_from(TEXTS)), **options
        )
    if kind == "length":
        low = draw(st.integers(0, 3))
        return pa.Check.str_length(
            **draw(st.sampled_from([{"min_value": low}, {"max_value": low}, {"exact_value": low}])), **options
        )
    return getattr(pa.Check, kind)(draw(bound), **options)


@st.composite
def contracts(draw):
    """Up to four columns, and up to four rows that are mostly of the right kind."""
    columns, cells = {}, []
    for at in range(draw(st.integers(1, 4))):
        family = draw(st.sampled_from(sorted(DTYPES)))
        dtype = draw(st.sampled_from(DTYPES[family]))
        columns[f"c{at}"] = pa.Column(dtype, draw(st.lists(checks(family), max_size=2)), nullable=draw(st.booleans()))
        usual = st.sampled_from(VALUES[family])
        cells.append(st.one_of(usual, usual, usual, usual, st.none(), st.sampled_from(ODDITIES)))
    rows = draw(st.lists(st.tuples(*cells).map(list), min_size=1, max_size=4))
    return columns, rows


@settings(max_examples=40)
@given(drawn=contracts(), extra=st.sampled_from([None, None, None, "label", "nobody"]), lacking=st.integers(0, 9))
def test_the_door_and_pandera_refuse_the_same_columns_of_the_same_rows(toy, drawn, extra, lacking):
    columns, rows = drawn
    problem = asking(toy, **columns)
    names = [name for at, name in enumerate(columns) if at != lacking]
    rows = [[cell for at, cell in enumerate(row) if at != lacking] for row in rows]
    if extra:
        names, rows = [*names, extra], [[*row, 1.0] for row in rows]
    assert_agrees(problem, tuple(names), rows, required=tuple(columns))


@settings(max_examples=60)
@given(data=st.data())
def test_the_door_and_pandera_refuse_the_same_values_of_a_column(toy, data):
    family = data.draw(st.sampled_from(["number", "number", "number", *DTYPES]))
    dtype, drawn = data.draw(st.sampled_from(DTYPES[family])), data.draw(st.lists(checks(family), max_size=2))
    column = pa.Column(dtype, drawn, nullable=data.draw(st.booleans()))
    assert_column_agrees(toy, column, (*VALUES[family], *ODDITIES))


@pytest.mark.parametrize(
    "pattern", [*PATTERNS, "(?i)A", r"\bb", "a{,2}$", r"(.)\1", "[[:alpha:]]", "a++b", "[^ -~]", r"\W"]
)
@pytest.mark.parametrize("dtype", [str, object])
def test_the_door_and_pandera_read_a_pattern_alike(toy, pattern, dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's re says what it may read differently one day
        both = [pa.Check.str_matches(pattern), pa.Check.str_contains(pattern)]
    for check in both:
        assert_column_agrees(toy, pa.Column(dtype, check), (*TEXTS, "aab", "b b", "AA", "a{,2}", "a:", "ab\n", "\x1c"))


@pytest.mark.parametrize(
    "column",
    [
        pa.Column("float32", pa.Check.gt(np.float64(0.1))),  # numpy compares its own doubles as doubles
        pa.Column("int64", pa.Check.isin([0.5, 2**53 + 1])),  # pandas makes doubles of whole numbers among doubles
        pa.Column("int64", pa.Check.notin([2**53 + 1])),
    ],
)
def test_the_door_and_pandera_round_alike(toy, column):
    assert_column_agrees(toy, column, NUMBERS)


def usual(column):
    """Values that keep a column of the real problems, its edges among them."""
    arguments = {key: value for check in column.checks for key, value in check._check_kwargs.items()}
    if "allowed_values" in arguments:
        return st.sampled_from(sorted(arguments["allowed_values"]))
    if str(column.dtype).startswith("datetime"):
        return st.sampled_from(TIMES[:3])
    low, high = arguments.get("min_value", 0), arguments.get("max_value", 10_000)
    if str(column.dtype) == "int64":
        return st.integers(math.ceil(low), math.floor(high))
    return st.floats(low, high)


@pytest.mark.parametrize("name", REAL)
@settings(max_examples=20)
@given(data=st.data())
def test_on_the_real_problems_too(name, data):
    problem = load_problem(name)
    columns = data.draw(st.permutations(Door(problem).asked))
    rows = [
        [data.draw(usual(problem.contract.columns[c])) for c in columns] for _ in range(data.draw(st.integers(1, 3)))
    ]
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.tuples(st.integers(0, len(rows) - 1), st.integers(0, len(columns) - 1)))
        rows[at[0]][at[1]] = data.draw(st.sampled_from((*ODDITIES, *NUMBERS, *TIMES)))
    assert_agrees(problem, tuple(columns), rows, required=columns)


# --- Decision tables ---


@pytest.mark.parametrize("name", REAL)
def test_a_request_may_hold_what_is_known_at_the_event(name):
    problem = load_problem(name)
    assert Door(problem).asked == tuple(c for c in problem.contract.columns if c not in problem.late)


@pytest.mark.parametrize(
    "column, value, rules",
    [
        (pa.Column("float64"), 1, []),
        (pa.Column("float64"), True, ["float64"]),
        (pa.Column("float64"), "1.5", ["float64"]),
        (pa.Column("float64"), [1.5], ["float64"]),
        (pa.Column("float64"), {}, ["float64"]),
        (pa.Column("float64"), None, ["not nullable"]),
        (pa.Column("float64", nullable=True), None, []),
        (pa.Column("float64", nullable=True), math.nan, ["finite"]),
        (pa.Column("float64", pa.Check.ge(0)), math.inf, ["finite"]),
        (pa.Column("float64"), 10**400, ["finite"]),
        (pa.Column("float32"), 1e39, ["finite"]),
        (pa.Column("int64"), 12.0, []),
        (pa.Column("int64"), 12.5, ["int64"]),
        (pa.Column("int64"), math.inf, ["finite"]),
        (pa.Column("int64"), 2**63, ["int64"]),
        (pa.Column("int8"), 128, ["int8"]),
        (pa.Column("int64", nullable=True), None, ["not nullable"]),
        (pa.Column("Int64", nullable=True), None, []),
        (pa.Column("bool"), 1, ["bool"]),
        (pa.Column(str), 1, ["str"]),
        (pa.Column(str), "half \ud800", ["str"]),
        (pa.Column(object), 1, ["str"]),
        (pa.Column(UTC_TIME), NOON, []),
        (pa.Column(UTC_TIME), "2024-01-01T12:00:00", ["time with a zone (ISO 8601)"]),
        (pa.Column(UTC_TIME), 1_704_110_400, ["time with a zone (ISO 8601)"]),
        (pa.Column(UTC_TIME), "9999-12-31T23:59:59-05:00", ["time with a zone (ISO 8601)"]),
        (pa.Column(pd.CategoricalDtype(["a", "b"])), "c", ["category(a, b)"]),
        (pa.Column("float64", [pa.Check.gt(1), pa.Check.ne(0)]), 0, ["gt(1)", "ne(0)"]),
        (pa.Column("float64", pa.Check.in_range(0.01, 50_000)), 0, ["in_range(0.01, 50000)"]),
        (pa.Column("float64", pa.Check.in_range(0, 1, include_max=False)), 1, ["in_range(0, 1, include_max=False)"]),
        (pa.Column(str, pa.Check.isin(["pos", "online"])), "x", ["isin(pos, online)"]),
        (pa.Column("int64", pa.Check.isin(range(9))), -1, ["isin(0, 1, 2, 3, 4, 4 more)"]),
        (pa.Column(str, pa.Check.str_length(2, 3)), "x", ["str_length(min_value=2, max_value=3)"]),
        (pa.Column("float64", pa.Check.gt(1, raise_warning=True)), 0, []),
        (pa.Column("float64", pa.Check.gt(1, element_wise=True)), 2, ["gt(1)"]),  # pandera raises, and so refuses
        (pa.Column("float64", pa.Check.gt(1, groupby="kind")), 2, ["gt(1)"]),
        (pa.Column("float32", pa.Check.le(0.1)), 0.1, []),  # numpy compares as float32
        (pa.Column("float32", pa.Check.gt(0.1)), 0.1, ["gt(0.1)"]),
        (pa.Column("float32", pa.Check.isin([0.1])), 0.1, ["isin(0.1)"]),  # and pandas its members as doubles
        (pa.Column("float64", pa.Check.ge(float("nan"))), 0, ["ge(nan)"]),
    ],
)
def test_a_value_is_of_its_type_and_keeps_its_rules(toy, column, value, rules):
    assert told(toy, column, value) == [rules]


@pytest.mark.parametrize("value, kind", [("x", "string"), (0.5, "number"), (7, "integer"), (True, "boolean"), (None, "null"), ([], "array"), ({}, "object")])  # fmt: skip
def test_a_breach_names_the_kind_of_the_value(toy, value, kind):
    column = pa.Column("int64", pa.Check.ge(100))
    (breach,) = Door(asking(toy, c=column)).check(("c",), [[value]], required=()).breaches
    assert breach.kind == kind


def test_a_batch_says_which_rows_and_keeps_the_others(toy):
    door = Door(toy)
    columns = ("kind", "x", "at", "id")
    rows = [["a", 1.0, NOON, 1], ["z", "1", NOON, 2], ["b", 2, NOON, 3], ["b", None, "now", 4]]
    admitted = door.check(columns, rows, required=columns)
    assert admitted.breaches == [
        Breach(1, "kind", "isin(a, b)", "string"),
        Breach(1, "x", "float64", "string"),
        Breach(3, "x", "not nullable", "null"),
        Breach(3, "at", "time with a zone (ISO 8601)", "string"),
    ]
    frame = admitted.frame(["id", "x", "kind", "at"], door)
    assert frame.to_dict("list") == {"id": [1, 3], "x": [1.0, 2.0], "kind": ["a", "b"], "at": [pd.Timestamp(NOON)] * 2}
    assert frame.dtypes.astype(str).tolist() == ["int64", "float64", "str", "datetime64[us, UTC]"]
    assert admitted.texts["kind"] == ["a", None, "b", "b"]


@pytest.mark.parametrize("leak", ["label", "label_at", "review", "reviewed_at", "y"])
def test_what_is_known_later_does_not_enter(toy, leak):
    admitted = Door(toy).check(("x", leak), [[0.5, None], [0.5, 1.0]], required=("x",))
    assert [(b.row, b.column, b.rule) for b in admitted.breaches] == [(row, leak, "unknown column") for row in (0, 1)]


def test_a_column_that_is_required_is_missing_from_every_row(toy):
    admitted = Door(toy).check(("x",), [[0.5], [0.6]], required=("kind", "x", "id"))
    assert admitted.breaches == [Breach(row, name, "missing", "missing") for row in (0, 1) for name in ("id", "kind")]


def test_no_rows_are_no_breach_and_an_empty_frame(toy):
    door = Door(toy)
    admitted = door.check(door.asked, [], required=door.asked)
    assert admitted.breaches == []
    assert admitted.frame(door.asked, door).shape == (0, len(door.asked))


def test_numbers_are_where_their_names_say(toy):
    problem = asking(
        toy, r=pa.Column("float64", nullable=True), t=pa.Column("bool"), w=pa.Column("int8"), n=pa.Column("float32")
    )
    admitted = Door(problem).check(("t", "r", "n", "w"), [[True, 0.5, 0.1, 3], [False, None, 1, 4.0]], required=())
    by_name = dict(zip(admitted.numeric, admitted.numbers.T.tolist(), strict=True))
    assert (by_name["t"], by_name["w"], by_name["n"]) == ([1.0, 0.0], [3.0, 4.0], [float(np.float32(0.1)), 1.0])
    assert by_name["r"][0] == 0.5
    assert math.isnan(by_name["r"][1])


@pytest.mark.parametrize("family, dtype", [(family, dtype) for family in DTYPES for dtype in DTYPES[family]])
def test_a_frame_has_the_contracts_dtypes(toy, family, dtype):
    column = pa.Column(dtype)
    door = Door(asking(toy, c=column))
    value = {"number": 1, "levels": 2.0}.get(family, VALUES[family][0])
    frame = door.check(("c",), [[value], [value]], required=()).frame(["c"], door)
    assert frame["c"].dtype == column.dtype.type
    assert len(frame) == 2
    pa.DataFrameSchema({"c": column}).validate(frame)


def test_times_come_in_utc(toy):
    admitted = Door(toy).check(("at",), [["2024-01-01T13:00:00+01:00"]], required=())
    assert [time.isoformat() for time in admitted.times["at"]] == [NOON]


@pytest.mark.parametrize("value", [2**53 + 1, -(2**53) - 1, 2**63 - 1])
def test_a_large_whole_number_keeps_its_last_digit(toy, value):
    problem = asking(toy, c=pa.Column("int64", nullable=True))
    door = Door(problem)
    admitted = door.check(("c",), [[value], [7]], required=())
    assert admitted.breaches == []
    assert admitted.frame(["c"], door)["c"].tolist() == admitted.exact["c"] == [value, 7]


# --- Nothing of a request is repeated, and nothing of it is kept ---

SECRET = "hunter2"


def test_no_breach_repeats_a_value(toy):
    problem = asking(
        toy,
        t=pa.Column("bool"),
        m=pa.Column(str, [pa.Check.str_matches("^a"), pa.Check.str_length(1, 2), pa.Check.eq("a")]),
        g=pa.Column(pd.CategoricalDtype(["a"])),
    )
    door = Door(problem)
    rows = [[value] * len(door.asked) for value in (SECRET, [SECRET], {SECRET: SECRET}, 987_654_321.25)]
    admitted = door.check(door.asked, rows, required=door.asked)
    said = json.dumps([vars(breach) for breach in admitted.breaches])
    assert {b.column for b in admitted.breaches} == set(door.asked)
    assert SECRET not in said
    assert "987" not in said


def test_an_unknown_columns_name_is_shown_short_and_printable(toy):
    (breach,) = Door(toy).check(("evil\x1b[2J\n\u202e" + "y" * 99,), [[1]], required=()).breaches
    assert breach.column == "evil[2J" + "y" * 53


def test_clients_cannot_fill_the_memory_with_orders_of_columns(toy):
    door = Door(asking(toy, **{f"c{at}": pa.Column("float64") for at in range(20)}))
    for at in range(3 * PLANS):
        door.check((f"made up {at}",), [[1]], required=())
    assert door._plan.cache_info().currsize == 0
    for first in range(20):
        for second in range(20):
            if first != second:
                assert door.check((f"c{first}", f"c{second}"), [[1, 2.5]], required=()).numbers.tolist() == [[1, 2.5]]
    assert door._plan.cache_info().currsize == PLANS


def test_switching_pandera_off_does_not_switch_the_door_off(toy, monkeypatch):
    monkeypatch.setenv("PANDERA_VALIDATION_ENABLED", "false")
    with config_context(validation_enabled=False):
        # The second is one that asks pandera.
        columns = [pa.Column("float64", pa.Check.gt(1)), pa.Column(str, pa.Check.str_matches("(?=a)"))]
        assert [told(toy, column, value)[0] for column, value in zip(columns, (0, "b"), strict=True)] == [
            ["gt(1)"],
            ["str_matches((?=a))"],
        ]


# --- What does not compile ---


def is_large(series):
    return series > 1


def beside(toy, columns, names, rows, **whole):
    problem = replace(toy, contract=pa.DataFrameSchema({**toy.contract.columns, **columns}, **whole))
    door = Door(problem)
    admitted = door.check(names, rows, required=names)
    assert admitted.breaches == []
    return door.listed, door.beside(admitted)


def test_a_contract_of_built_in_checks_lists_nothing(toy):
    assert Door(toy).listed == ()
    assert [Door(load_problem(name)).listed for name in REAL] == [(), (), ()]


@pytest.mark.parametrize(
    "check, expected",
    [
        (pa.Check(is_large), {"c: is_large": 2}),
        (pa.Check(lambda v: v > 1, element_wise=True, name="large"), {"c: large": 2}),
        (pa.Check(lambda s: s.mean() > 9, error="too small on average"), {"c: too small on average": 3}),
        (pa.Check(is_large, n_failure_cases=1), {"c: is_large": 2}),
        (pa.Check.gt(1, raise_warning=True), {"c: greater_than(1)": 2}),
        (pa.Check(lambda s: s > 0), {}),
        (pa.Check(lambda s: s["nothing"]), {"c: <lambda> (raised KeyError)": 3}),
    ],
)
def test_what_does_not_compile_is_listed_and_counted_beside(toy, check, expected):
    listed, counts = beside(toy, {"c": pa.Column("float64", check)}, ("c",), [[0.5], [1], [2.5]])
    assert len(listed) == 1
    assert listed[0].startswith("c: ")
    assert counts == expected


def test_rules_on_whole_rows_and_on_uniqueness_run_beside(toy):
    columns = {"c": pa.Column("float64"), "d": pa.Column("float64", unique=True)}
    whole = {"checks": pa.Check(lambda f: f["c"] < f["d"], name="ordered"), "unique": ["c", "d"]}
    listed, counts = beside(toy, columns, ("c", "d"), [[1, 2], [1, 2], [5, 4]], **whole)
    assert [sentence.split(": ")[:2] for sentence in listed] == [
        ["d", "unique"],
        ["rows", "ordered"],
        ["rows", "unique(c, d)"],
    ]
    assert counts == {"d: unique": 2, "rows: ordered": 1, "rows: unique(c, d)": 2}


def test_rows_that_break_the_contract_are_not_asked_beside(toy):
    door = Door(asking(toy, c=pa.Column("float64", pa.Check(is_large))))
    assert door.beside(door.check(("c",), [["x"], [0.5], [5]], required=())) == {"c: is_large": 1}


def test_a_rule_on_a_column_that_was_not_given_is_not_asked(toy):
    door = Door(asking(toy, c=pa.Column("float64", pa.Check(is_large))))
    assert door.beside(door.check(("x",), [[0.5]], required=())) == {}


@pytest.mark.parametrize("dtype", ["datetime64[ns]", "timedelta64[ns]", "complex128", "float16", "category", "int64[pyarrow]", "date", None])  # fmt: skip
def test_a_dtype_the_door_cannot_hold_is_refused_at_the_start(toy, dtype):
    with pytest.raises(PerennialError, match=r"column 'c' of the contract has dtype .*declare"):
        Door(asking(toy, c=pa.Column(dtype)))


@pytest.mark.parametrize("option", [{"default": 1.0}, {"parsers": pa.Parser(lambda s: s + 1)}, {"regex": True}])
def test_a_column_that_changes_its_values_is_refused_at_the_start(toy, option):
    with pytest.raises(PerennialError, match=r"column 'c' .*derive"):
        Door(asking(toy, c=pa.Column("float64", **option)))


def test_the_contracts_own_dtype_goes_before_a_columns(toy):
    columns = {name: column for name, column in toy.contract.columns.items() if name != "kind"}
    problem = replace(
        toy,
        contract=pa.DataFrameSchema({**columns, "kind": pa.Column(str), "c": pa.Column("float64")}, dtype=str),
    )
    assert [b.rule for b in Door(problem).check(("c",), [[1.5]], required=()).breaches] == ["str"]


def test_a_function_that_pandera_would_replace_by_its_own_is_refused_at_the_start(toy):
    def isin(series):
        return series > 1

    column = pa.Column("float64", pa.Check(isin))
    for _ in ("before its first call", "after it"):
        with pytest.raises(PerennialError, match="rename the function"):
            Door(asking(toy, c=column))
        with pytest.raises(TypeError):
            column.checks[0](pd.Series([1.0]))


@pytest.mark.parametrize("check", [pa.Check.ge(0, name="mine"), pa.Check.ge(0, error="below zero")])
def test_a_built_in_check_is_known_by_its_function_not_its_name(toy, check):
    assert Door(asking(toy, c=pa.Column("float64", check))).listed == ()
    assert told(toy, pa.Column("float64", check), -1) == [["ge(0)"]]
