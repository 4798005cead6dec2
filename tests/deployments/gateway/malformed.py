"""What do broken and hostile clients send? Requests that must be refused, as bytes of HTTP, each with the planted secret."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.benchmarks.serve_made import FEATURES
from tests.deployments.gateway.running import GOOD, NAME

__all__ = ["SECRET", "Malformed", "bodies", "garbage", "heads", "requests"]

SECRET = "4111111111111111"
_NUMBER = int(SECRET)
_FORMS = (
    "dataframe_split",
    "dataframe_records",
    "instances_lists",
    "instances_records",
    "inputs_columns",
    "inputs_lists",
)


@dataclass(frozen=True)
class Malformed:
    """One request: `what` is wrong with it, and its bytes."""

    what: str
    raw: bytes


def requests() -> list[Malformed]:
    return list({one.raw: one for one in (*bodies(), *heads(), *garbage())}.values())


def message(path: str, body: bytes, *, method: str = "POST", length: int | None = None, **headers: str) -> bytes:
    """A whole HTTP request; a header that is given empty is left out."""
    said = {
        "host": "here",
        "content-type": "application/json",
        "content-length": str(len(body) if length is None else length),
    }
    said |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in said.items() if value)
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


def asked(form: str, columns: list[str], rows: list[list[Any]]) -> dict[str, Any]:
    """Rows in one of MLflow's forms."""
    records = [dict(zip(columns, row, strict=False)) for row in rows]
    by_column = {name: [row[at] for row in rows if at < len(row)] for at, name in enumerate(columns)}
    return {
        "dataframe_split": {"dataframe_split": {"columns": columns, "data": rows}},
        "dataframe_records": {"dataframe_records": records},
        "instances_lists": {"instances": rows},
        "instances_records": {"instances": records},
        "inputs_columns": {"inputs": by_column},
        "inputs_lists": {"inputs": rows},
    }[form]


def bodies() -> Iterator[Malformed]:
    """Bodies that are no request, or a request for rows that no contract admits."""
    for what, path, body in [*_cut(), *_values(), *_shapes(), *_texts(), *_tensors(), *_labels()]:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        yield Malformed(f"{path}: {what}", message(path, raw))


def _cut() -> Iterator[tuple[str, str, Any]]:
    for form in _FORMS:
        whole = json.dumps(asked(form, list(FEATURES), [[_NUMBER] * len(FEATURES)])).encode()
        for part in range(1, 10):
            yield f"{form} cut at {part}/10", "/invocations", whole[: len(whole) * part // 10]


def _values() -> Iterator[tuple[str, str, Any]]:
    wrong = {
        "string": SECRET, "string of a number": "1.5", "true": True, "null": None, "list": [_NUMBER], "object": {"a": _NUMBER},
        "out of range": _NUMBER, "below": -_NUMBER, "beyond double": 10**400, "empty string": "", "NUL": "\x00", "emoji": "💳" * 50,
    }  # fmt: skip
    for form in _FORMS:
        for what, value in wrong.items():
            row = [0.5] * (len(FEATURES) - 1)
            yield f"{form}: {what}", "/invocations", asked(form, list(FEATURES), [[0.5, *row], [value, *row]])
        for name in ("high", "known_at", "no column", "x00 ", "X00", ""):
            columns, row = [*FEATURES, name], [0.5] * len(FEATURES)
            if form.endswith("lists"):
                yield f"{form}: a value too many, {name!r}", "/invocations", asked(form, columns, [[*row, 1.0]])
            else:
                yield f"{form}: column {name!r}", "/invocations", asked(form, columns, [[*row, 1.0]])
        yield (
            f"{form}: a column too few",
            "/invocations",
            asked(form, list(FEATURES[1:]), [[0.5] * (len(FEATURES) - 1)]),
        )


def _shapes() -> Iterator[tuple[str, str, Any]]:
    n, columns = len(FEATURES), list(FEATURES)
    for form in _FORMS:
        yield f"{form}: no rows", "/invocations", asked(form, columns, [])
        yield f"{form}: 501 rows", "/invocations", asked(form, columns, [[0.5] * n] * 501)
        if not form.startswith("inputs_columns"):
            yield f"{form}: a ragged row", "/invocations", asked(form, columns, [[0.5] * n, [0.5] * (n - 1)])
    yield "ragged columns", "/invocations", {"inputs": {"x00": [1, 2], "x01": [1]}}
    yield "a column twice", "/invocations", asked("dataframe_split", [*columns[1:], "x01"], [[0.5] * n])
    yield "two forms", "/invocations", {"instances": [[0.5] * n], "inputs": [[0.5] * n]}
    yield "no form", "/invocations", {"rows": [[_NUMBER] * n]}
    yield "300,000 empty rows", "/invocations", b'{"instances":[' + b"[]," * 300_000 + b"[]]}"
    yield "10**6 rows", "/invocations", b'{"instances":[' + b"1," * 500_000 + b"1]}"
    # Each unknown column is a breach. Open defect 1: their cost grows by the square, and a megabyte has room for 200,000.
    many = {"columns": [f"c{i}" for i in range(2_000)], "data": [[_NUMBER] * 2_000]}
    yield "2,000 unknown columns", "/invocations", {"dataframe_split": many}
    for wrong in (
        None,
        True,
        1,
        SECRET,
        [],
        {},
        [_NUMBER],
        [None],
        [[]],
        [[], []],
        {"columns": 1, "data": []},
        {"data": [[1]]},
    ):
        for form in ("dataframe_split", "dataframe_records", "instances", "inputs"):
            yield f"{form} is {json.dumps(wrong)}", "/invocations", {form: wrong}


def _texts() -> Iterator[tuple[str, str, Any]]:
    deep = 100_000
    texts = {
        "empty": b"", "space": b"  ", "null": b"null", "a number": b"4111111111111111", "a string": b'"4111111111111111"',
        "NaN": b'{"instances":[[NaN]]}', "Infinity": b'{"instances":[[-Infinity]]}', "1e999": b'{"instances":[[1e999]]}',
        "hex": b'{"instances":[[0x10]]}', "leading zero": b'{"instances":[[01]]}', "5,000 digits": b'{"instances":[[' + b"9" * 5_000 + b"]]}",
        "a trailing comma": GOOD[:-1] + b",}", "two documents": GOOD + GOOD, "single quotes": GOOD.replace(b'"', b"'"),
        "not UTF-8": GOOD.replace(b"x00", b"\xff\xfe\x00"), "UTF-16": GOOD.decode().encode("utf-16"), "BOM": b"\xef\xbb\xbf" + GOOD,
        "a lone surrogate": GOOD.replace(b"x00", b"\\ud800"), "NUL in a name": GOOD.replace(b"x00", b"\\u0000"), "NUL bytes": b"\x00" * 100,
        "brackets": b"[" * deep, "brackets within": b'{"instances":' + b"[" * deep + b"]" * deep + b"}",
        "objects within": b'{"inputs":' + b'{"a":' * deep + b"1" + b"}" * deep + b"}", "brackets aside": b'{"z":' + b"[" * deep + b"]" * deep + b"}",
        "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "XML": b"<a>4111111111111111</a>", "a form": b"a=4111111111111111&b=2", "CSV": b"a,b\n4111111111111111,2",
    }  # fmt: skip
    for path in ("/invocations", f"/v2/models/{NAME}/infer", "/labels"):
        for what, text in texts.items():
            yield what, path, text


def _tensors() -> Iterator[tuple[str, str, Any]]:
    path, n = f"/v2/models/{NAME}/infer", len(FEATURES)
    sound = {"name": "a", "shape": [1, n], "datatype": "FP64", "data": [0.5] * n}
    lies: list[dict[str, Any]] = [
        {"shape": shape}
        for shape in (
            [2, n],
            [n],
            [],
            [0],
            [-1, -n],
            [1, n, 1],
            [10**18, n],
            [1, 10**18],
            [10**30],
            [1.5],
            ["1"],
            None,
            SECRET,
            [None, n],
        )
    ]
    lies += [{"datatype": kind} for kind in ("FP65", "", None, 7, SECRET)]
    lies += [
        {"data": data}
        for data in (None, 1, SECRET, [], [SECRET] * n, [[0.5] * n, [0.5]], [[[0.5]]] * n, [None] * n, {"a": 1})
    ]
    lies += [{"name": None}, {"name": 7}]
    for lie in lies:
        yield json.dumps(lie)[:60], path, {"inputs": [sound | lie]}
    for inputs in (
        [],
        None,
        {},
        [None],
        [{}],
        [sound, sound],
        [sound | {"shape": [1], "data": [1], "name": "no column"}],
    ):
        yield f"inputs {json.dumps(inputs)[:40]}", path, {"inputs": inputs}


def _labels() -> Iterator[tuple[str, str, Any]]:
    later = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}T12:00:00+00:00"  # every worker collects the same name
    for label in (SECRET, "NaN", None, [1], {"a": 1}, 0.5, 2, -1, 10**400, _NUMBER):
        yield f"label {str(label)[:20]}", "/labels", {"key": "1", "label": label}
        yield (
            f"among others {str(label)[:20]}",
            "/labels",
            {"labels": [{"key": "1", "label": 1}, {"key": "2", "label": label}]},
        )
    for when in (
        later,
        "9999-12-31T23:59:59-23:00",
        "2024-01-01T00:00:00",
        "2024-01-01",
        "yesterday",
        SECRET,
        1,
        True,
        [],
        "",
    ):
        yield f"known at {when}", "/labels", {"key": "1", "label": 1, "known_at": when}
    for key in (None, "", "a" * 201, [], {}, True, 1.5):
        yield f"key {str(key)[:20]}", "/labels", {"key": key, "label": 1}
    for body in (
        {},
        [],
        {"labels": []},
        {"labels": {}},
        {"labels": [1]},
        {"key": "1"},
        {"label": 1},
        {"labels": None},
        {"key": "1", "label": 1, "a": SECRET},
    ):
        yield json.dumps(body)[:40], "/labels", body


def heads() -> Iterator[Malformed]:
    """Requests whose method, path or headers are wrong, around a body that is right."""
    for kind in (
        "text/plain",
        "text/html",
        "application/xml",
        "multipart/form-data; boundary=a",
        "application/jsonx",
        "a" * 1_000,
        "",
    ):
        yield Malformed(f"content-type {kind[:30]}", message("/invocations", GOOD, content_type=kind))
    for coding in ("gzip", "br", "deflate", "zstd", "identity, gzip", SECRET):
        yield Malformed(f"content-encoding {coding}", message("/invocations", GOOD, content_encoding=coding))
    for length in (2**20 + 1, 10**12, 2**63, 2**64 + 5):
        yield Malformed(f"content-length {length}", message("/invocations", GOOD, length=length))
    for name in ("a b", "\x7f", "é", "a" * 201, "\t"):
        yield Malformed(f"request id {name[:10]!r}", message("/invocations", GOOD, x_request_id=name))
    yield Malformed("an arm without a token", message("/invocations", GOOD, x_perennial_arm="challenger"))
    for path in ("/invocations", "/labels", f"/v2/models/{NAME}/infer"):
        for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            yield Malformed(f"{method} {path}", message(path, GOOD, method=method))
    for path in ("/", "/ping", "/metrics", "/v2/health/ready", f"/v2/models/{NAME}"):
        yield Malformed(f"POST {path}", message(path, GOOD))
    for path in (f"/{SECRET}", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/invocations/", "//invocations", "/INVOCATIONS", "/%00", "/%ff", "/v2/models", "/v2/models/other/infer", "/v2/models/%7B%7D", "/" + "a" * 10_000, "/?" + "a" * 10_000 + SECRET):  # fmt: skip
        if path.startswith("/?"):
            path = "/nothing" + path
        yield Malformed(f"path {path[:30]}", message(path, b"", method="GET", content_type=""))


def garbage() -> Iterator[Malformed]:
    """What is hardly HTTP."""
    head = b"POST /invocations HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    for raw in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GARBAGE\r\n\r\n", b"\r\n\r\n\r\n\x00\r\n", b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"BREW /ping HTTP/1.1\r\n\r\n", b"GET /\xff\xfe HTTP/1.1\r\nhost: a\r\n\r\n", b"GET /ping HTTP/1.1\r\nhost : a\r\n\r\n",
        b"GET /ping HTTP/1.1\r\nx\x00a: b\r\n\r\n", b"GET /ping HTTP/1.1\r\n: b\r\n\r\n", b"GET /ping HTTP/1.1\r\nx\r\n\r\n", b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n",
        head + b"content-length: -5\r\n\r\n{}", head + b"content-length: 5\r\ncontent-length: 6\r\n\r\n{}", head + b"content-length: abc\r\n\r\n{}",
        head + b"transfer-encoding: chunked\r\n\r\nzz\r\n", head + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
        head + b"transfer-encoding: chunked\r\n\r\n" + b"10000\r\n" + b"1" * 65_536 + b"\r\n" + (b"10000\r\n" + b"1" * 65_536 + b"\r\n") * 17 + b"0\r\n\r\n",
    ):  # fmt: skip
        yield Malformed(repr(raw[:60]), raw)
