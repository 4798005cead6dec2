"""How is a column of text written: as numbers, percentages, sums of money, dates of which kind, or as plain words?"""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from tasks.guesses.facts import Format
from tasks.guesses.words import MONTHS, tokens

__all__ = ["DATES", "NULLS", "format_of"]

NULLS = ("", "?", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None", "-", "--", ".", "NaT", "(null)")
_AMBIGUOUS = frozenset({"None", "-", "--", "."})  # words and signs that may as well be values
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?$")
_COMMA = re.compile(r"[+-]?\d{1,3}(\.\d{3})*,\d+$|[+-]?\d+,\d+$")
_MONEY = re.compile(r"[+-]?\s*[$€£¥]\s*[+-]?[\d,]+(\.\d+)?$|[+-]?[\d,]+(\.\d+)?\s*[$€£¥]$")
_PERCENT = re.compile(r"[+-]?\d+(\.\d+)?\s*%$")
_UNIT = re.compile(r"[+-]?\d+(?:\.\d+)?\s*([A-Za-z/²³°]+)$")
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?$")

_D, _Y = r"\d{1,2}", r"\d{4}"
_HM, _HMS = r"\d{1,2}:\d{2}", r"\d{1,2}:\d{2}:\d{2}"
_DAYS = (
    (rf"{_Y}-{_D}-{_D}", "%Y-%m-%d"),
    (rf"{_Y}/{_D}/{_D}", "%Y/%m/%d"),
    (rf"{_Y}\.{_D}\.{_D}", "%Y.%m.%d"),
    (rf"({_D})/({_D})/{_Y}", "%d/%m/%Y"),
    (rf"({_D})-({_D})-{_Y}", "%d-%m-%Y"),
    (rf"({_D})\.({_D})\.{_Y}", "%d.%m.%Y"),
    (rf"({_D})/({_D})/\d{{2}}", "%d/%m/%y"),
    (rf"({_D})-({_D})-\d{{2}}", "%d-%m-%y"),
    (rf"({_D})\.({_D})\.\d{{2}}", "%d.%m.%y"),
    (rf"{_D}[- ][A-Za-z]{{3}}[- ]{_Y}", "%d-%b-%Y"),
    (rf"{_D}[- ][A-Za-z]{{3}}[- ]\d{{2}}", "%d-%b-%y"),
    (rf"[A-Za-z]{{3}} {_D}, {_Y}", "%b %d, %Y"),
    (rf"[A-Za-z]{{3}} {_D} {_Y}", "%b %d %Y"),
    (rf"[A-Za-z]{{4,9}} {_D}, {_Y}", "%B %d, %Y"),
    (rf"{_D} [A-Za-z]{{4,9}} {_Y}", "%d %B %Y"),
)
_CLOCKS: tuple[tuple[str, str], ...] = (
    ("", ""),
    (rf" {_HM}", " %H:%M"),
    (rf" {_HMS}", " %H:%M:%S"),
    (rf" {_HM} ?[AaPp][Mm]", " %I:%M %p"),
)
_CLOCKS += ((rf" {_HMS} ?[AaPp][Mm]", " %I:%M:%S %p"),)
_MONTHLY = (
    (r"[A-Za-z]{3}-\d{4}", "%b-%Y"),
    (r"[A-Za-z]{3} \d{4}", "%b %Y"),
    (r"[A-Za-z]{3}-\d{2}", "%b-%y"),
    (rf"{_Y}-\d{{2}}", "%Y-%m"),
    (rf"{_Y}/\d{{2}}", "%Y/%m"),
    (r"\d{8}T\d{6}", "%Y%m%dT%H%M%S"),
)
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?(Z|[+-]\d{2}(:?\d{2})?)?$")
DATES = tuple((re.compile(day + hour + "$"), form + clock) for day, form in _DAYS for hour, clock in _CLOCKS)
DATES += tuple((re.compile(pattern + "$"), form) for pattern, form in _MONTHLY)


def format_of(name: str, values: Mapping[str, int], *, in_order: Sequence[str] = ()) -> Format:
    """What a column of text holds, from sampled values and their counts; `in_order` are some of them in the file's order."""
    known = {value.strip(): count for value, count in values.items() if value.strip() not in NULLS}
    nulls = tuple(sorted({v for v in values if v.strip() in NULLS}))
    padded = any(value != value.strip() for value in values if value.strip())
    if not known:
        return Format("text", says="empty", nulls=nulls)
    for said in (_number, _dates, _clock):
        found = said(name, known, in_order)
        if found is not None:
            return _with(found, nulls=nulls)
    # Of words, only what cannot be one is no value.
    nulls = tuple(v for v in nulls if v.strip() not in _AMBIGUOUS)
    if padded:
        return Format("text", code="{0}.strip()", says="blanks around the words", nulls=nulls)
    return Format("text", nulls=nulls)


def _with(found: Format, *, nulls: tuple[str, ...]) -> Format:
    return Format(found.kind, found.code, found.read_as, found.says, nulls, found.daily, found.doubt)


def _number(name: str, known: Mapping[str, int], _order: Sequence[str]) -> Format | None:
    if _all(_NUMBER, known):
        return _plain(name, known)
    if {value.lower() for value in known} <= {"true", "false"}:
        return Format("flag", read_as="BOOLEAN")
    if all(_NUMBER.match(v) or _GROUPED.match(v) for v in known) and any("," in v for v in known):
        decimal = any(_COMMA.match(v) and not _GROUPED.match(v) for v in known)
        if not decimal:
            return Format("number", _cast('{0}.replace(",", "")'), says="a comma each thousand")
    if all(_NUMBER.match(v) or _COMMA.match(v) for v in known) and any("," in v for v in known):
        if any("." in v and "," in v for v in known):
            return Format("number", _cast('{0}.replace(".", "").replace(",", ".")'), says="points and a decimal comma")
        return Format("number", _cast('{0}.replace(",", ".")'), says="a decimal comma")
    if _all(_MONEY, known):
        return Format("number", _cast('{0}.re_replace(r"[^0-9.+-]", "")'), says="a currency sign")
    if _all(_PERCENT, known):
        return Format("number", _cast('{0}.replace("%", "").strip()'), says="per cent")
    units = {found.group(1) for v in known if (found := _UNIT.match(v))}
    if _all(_UNIT, known) and len(units) == 1:
        return Format("number", _cast('{0}.re_replace(r"[^0-9.+-]", "")'), says=f"numbers of {units.pop()}")
    return None


def _plain(name: str, known: Mapping[str, int]) -> Format | None:
    digits = all(re.fullmatch(r"[+-]?\d{1,18}", v) for v in known)
    zeros = [v for v in known if re.fullmatch(r"0\d+", v)]
    if zeros and max(map(len, zeros)) >= 4 and len({len(v) for v in known}) == 1:
        return None  # a code: its leading zero is part of it
    if digits and all(_is_day(v) for v in known) and len(known) > 1:
        code = '{0}.cast("string").as_timestamp("%Y%m%d")'
        return Format("time", code, "BIGINT", "days as whole numbers, %Y%m%d", daily=True)
    seconds = [float(v) for v in known]
    named = {"time", "timestamp", "date", "epoch", "unix", "ts", "datetime", "at"} & set(tokens(name))
    if digits and named and min(seconds) > 3e8 and max(seconds) < 4.2e9:
        return Format("time", '{0}.cast("int64").as_timestamp("s")', "BIGINT", "seconds since 1970")
    if digits and named and min(seconds) > 3e11 and max(seconds) < 4.2e12:
        return Format("time", '{0}.cast("int64").as_timestamp("ms")', "BIGINT", "milliseconds since 1970")
    return Format("number", read_as="BIGINT" if digits else "DOUBLE")


def _is_day(value: str) -> bool:
    return bool(re.fullmatch(r"(19|20)\d{6}", value)) and 1 <= int(value[4:6]) <= 12 and 1 <= int(value[6:]) <= 31


def _dates(_name: str, known: Mapping[str, int], in_order: Sequence[str]) -> Format | None:
    if _all(_ISO, known):
        daily = all(len(v) == 10 or re.match(r"[T ]00:00(:00(\.0+)?)?(Z|[+-]|$)", v[10:]) for v in known)
        zoned = any(re.search(r"(Z|[+-]\d{2}:?\d{0,2})$", v[10:]) for v in known if len(v) > 10)
        return Format("time", '{0}.cast("timestamp")', "TIMESTAMPTZ" if zoned else "TIMESTAMP", "", daily=daily)
    for pattern, form in DATES:
        if not _all(pattern, known):
            continue
        form, doubt = _day_or_month_first(pattern, form, known, in_order)
        if "%b" in form and not all(_months_named(v) for v in known):
            return None
        sample = next(iter(known))
        if "%d-%b" in form and " " in sample.strip()[:3]:
            form = form.replace("-", " ")
        code = f'{{0}}.as_timestamp("{form}")' if "%d" in form else _first_of_month(form)
        return Format("time", code, "VARCHAR", f"written {form}", daily=_daily(form, known), doubt=doubt)
    return None


def _daily(form: str, known: Mapping[str, int]) -> bool:
    """A date alone, or one whose hour is always midnight."""
    clock = "H" in form or "I" in form
    return not clock or all(re.search(r"[T ]0{1,2}:?00(:?00)?$", value) for value in known)


def _first_of_month(form: str) -> str:
    return f'("1 " + {{0}}).as_timestamp("%d {form}")' if "%b" in form else f'({{0}} + "-01").as_timestamp("{form}-%d")'


def _months_named(value: str) -> bool:
    return any(word[:3].lower() in MONTHS for word in re.findall(r"[A-Za-z]{3,}", value))


def _day_or_month_first(
    pattern: re.Pattern[str], form: str, known: Mapping[str, int], in_order: Sequence[str]
) -> tuple[str, str]:
    """Whether 3/4 is in March or in April: a number over 12 says it, else the order of the rows does."""
    if not form.startswith("%d") or pattern.groups < 2 or "%b" in form:
        return form, ""
    swapped = form.replace("%d", "#").replace("%m", "%d", 1).replace("#", "%m", 1)
    parts = [(int(found.group(1)), int(found.group(2))) for v in known if (found := pattern.match(v))]
    if any(first > 12 for first, _ in parts):
        return form, ""
    if any(second > 12 for _, second in parts):
        return swapped, ""
    ordered = [(int(f.group(1)), int(f.group(2))) for v in in_order if (f := pattern.match(v.strip()))]
    changes = [sum(a[i] != b[i] for a, b in pairwise(ordered)) for i in (0, 1)]
    # What changes more often from row to row is the day.
    if changes[0] > changes[1] and "." in form:
        return form, ""
    return (form if changes[0] > changes[1] else swapped), "no day over 12 says which number is the month"


def _clock(_name: str, known: Mapping[str, int], _order: Sequence[str]) -> Format | None:
    if not _all(_CLOCK, known) or any(int(v.split(":")[0]) > 23 for v in known):
        return None
    hours = '({0}.split(":")[0].cast("float64") + {0}.split(":")[1].cast("float64") / 60)'
    return Format("number", hours, says="a time of day, in hours")


def _cast(code: str) -> str:
    return code + '.cast("float64")'


def _all(pattern: re.Pattern[str], known: Mapping[str, int]) -> bool:
    return all(pattern.match(value) for value in known)
