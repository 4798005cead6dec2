"""How do clients ask, and how are they answered? MLflow's scoring contract and the Open Inference Protocol, as columns and rows."""

import csv
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from io import StringIO
from itertools import islice
from typing import Any

import msgspec

from schemas.errors import PerennialError

__all__ = [
    "Asked",
    "MalformedError",
    "csv_invocation",
    "infer_answer",
    "inference",
    "invocation",
    "labels_of",
    "scoring_answer",
]

Row = Sequence[Any]


class MalformedError(PerennialError, ValueError):
    """A request that says nothing we can read; `status` is its HTTP answer."""

    def __init__(self, says: str, status: int = 400) -> None:
        self.status = status
        super().__init__(says)


class Asked(msgspec.Struct, frozen=True):
    """What one request asks: rows of values, in the order of `columns`."""

    columns: tuple[str, ...]
    rows: list[Any]
    id: str | None = None


class _Split(msgspec.Struct):
    columns: list[str]
    data: list[list[Any]]
    index: Any = None


class _Invocation(msgspec.Struct):
    dataframe_split: _Split | None = None
    dataframe_records: list[dict[str, Any]] | None = None
    instances: list[Any] | None = None
    inputs: dict[str, Any] | list[Any] | None = None
    params: dict[str, Any] | None = None
    id: str | None = None


class _Tensor(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: list[Any]
    parameters: dict[str, Any] | None = None


class _Inference(msgspec.Struct):
    inputs: list[_Tensor]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[dict[str, Any]] | None = None


_INVOCATION = msgspec.json.Decoder(_Invocation)
_INFERENCE = msgspec.json.Decoder(_Inference)
_FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_DATATYPES = {"BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP32", "FP64", "BYTES"}


def invocation(body: bytes, features: Sequence[str], at_most: int) -> Asked:
    """A body of POST /invocations. Rows without names are in the order of `features`, which is that of the signature."""
    said = _decoded(_INVOCATION, body)
    given = [form for form in _FORMS if getattr(said, form) is not None]
    if len(given) != 1:
        found = f"{' and '.join(given)} were given" if given else "none was given"
        raise MalformedError(f"a request holds exactly one of {', '.join(_FORMS)}; {found}.")
    sent = getattr(said, given[0])
    _few(sent if isinstance(sent, list) else getattr(sent, "data", ()), at_most)
    if said.dataframe_split is not None:
        columns, rows = said.dataframe_split.columns, said.dataframe_split.data
    elif said.dataframe_records is not None:
        columns, rows = _records(said.dataframe_records)
    elif said.instances is not None:
        columns, rows = _instances(said.instances, features)
    else:
        columns, rows = _inputs(said.inputs, features)
    return _whole(columns, rows, said.id, at_most)


def inference(body: bytes, features: Sequence[str], at_most: int) -> Asked:
    """A body of POST /v2/models/NAME/infer: one tensor a column, or one of shape (n, number of features)."""
    said = _decoded(_INFERENCE, body)
    for tensor in said.inputs:
        if tensor.datatype not in _DATATYPES:
            raise MalformedError(f"a datatype is one of {', '.join(sorted(_DATATYPES))}.")
        if not tensor.shape or any(size < 0 for size in tensor.shape) or len(tensor.shape) > 2:
            raise MalformedError("a tensor has the shape [n], [n, 1] or [n, number of features].")
    if not said.inputs:
        raise MalformedError("inputs is empty; give one tensor a column, or one of shape [n, number of features].")
    first = said.inputs[0]
    if len(said.inputs) == 1 and len(first.shape) == 2 and first.shape[1] > 1:
        n, k = first.shape
        flat = _flat(first)
        if k != len(features):
            raise MalformedError(f"the model reads {len(features)} features, and the tensor has {k} columns.")
        return _whole(list(features), [flat[i * k : (i + 1) * k] for i in range(n)], said.id, at_most)
    return _whole(*_by_name({tensor.name: _flat(tensor) for tensor in said.inputs}, len(said.inputs)), said.id, at_most)


def csv_invocation(body: bytes, columns: Mapping[str, Any], at_most: int) -> Asked:
    """A body of text/csv with a header, as MLflow takes it; `columns` say which of them hold numbers. An empty field is null."""
    try:
        lines = list(islice(csv.reader(StringIO(body.decode()), strict=True), at_most + 2))
    except (UnicodeDecodeError, csv.Error):
        raise MalformedError("the request is no CSV that can be read (UTF-8, comma, a header).") from None
    if not lines:
        raise MalformedError("the request holds no rows; send at least one.")
    names, *rows = [line for line in lines if line] or [[]]
    if any(len(row) != len(names) for row in rows):
        raise MalformedError(f"a row has another number of fields than the header, which has {len(names)}.")
    read = [_number if getattr(columns.get(name), "kind", "text") in ("whole", "real") else _or_null for name in names]
    return _whole(names, [[one(value) for one, value in zip(read, row, strict=True)] for row in rows], None, at_most)


def _number(text: str) -> Any:
    """A number as JSON would have brought it; other text stays text, and the contract says what it thinks of it."""
    try:
        return int(text) if text.lstrip("+-").isdigit() else float(text)
    except ValueError:
        return text or None


def _or_null(text: str) -> str | None:
    return text or None


def scoring_answer(predictions: list[Any], decisions: list[Any], roles: list[str] | None) -> bytes:
    """MLflow's answer, with the decisions beside it, and the roles where rows of one request had several."""
    said = {"predictions": predictions, "decisions": decisions}
    return _ENCODER.encode(said | {"roles": roles} if roles else said)


def infer_answer(name: str, version: str, request: str, predictions: list[Any], decisions: list[Any]) -> bytes:
    wide = bool(predictions) and isinstance(predictions[0], list)
    flat = [value for row in predictions for value in row] if wide else predictions
    shape = [len(predictions), len(predictions[0])] if wide else [len(predictions)]
    return _ENCODER.encode(
        {
            "model_name": name,
            "model_version": version,
            "id": request,
            "outputs": [
                {"name": "predict", "datatype": "FP64", "shape": shape, "data": flat},
                {
                    "name": "decision",
                    "datatype": "BYTES" if any(isinstance(one, str) for one in decisions) else "FP64",
                    "shape": [len(decisions)],
                    "data": decisions,
                },
            ],
        }
    )


_ENCODER = msgspec.json.Encoder()


def _decoded(decoder: Any, body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        # msgspec names the place and the types, never a value.
        raise MalformedError(f"the request has another shape than its form: {error}.") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError):
        raise MalformedError(
            "the request is no JSON that can be read (text in UTF-8, finite numbers, little nesting)."
        ) from None


def _records(records: list[dict[str, Any]]) -> tuple[list[str], list[Row]]:
    columns = list(records[0]) if records else []
    same = set(columns)
    for number, record in enumerate(records):
        if record.keys() != same:
            raise MalformedError(
                f"record {number} has other columns than record 0; all rows of a request have the same."
            )
    return columns, [[record[name] for name in columns] for record in records]


def _instances(instances: list[Any], features: Sequence[str]) -> tuple[list[str], list[Row]]:
    if instances and all(isinstance(one, dict) for one in instances):
        return _records(instances)
    return list(features), [_row(one, number, features) for number, one in enumerate(instances)]


def _inputs(inputs: Any, features: Sequence[str]) -> tuple[list[str], list[Row]]:
    if isinstance(inputs, dict):
        return _by_name({name: value if isinstance(value, list) else [value] for name, value in inputs.items()}, 0)
    return _instances(inputs, features)


def _row(one: Any, number: int, features: Sequence[str]) -> Row:
    values = one if isinstance(one, list) else [one]
    if len(values) != len(features):
        raise MalformedError(f"row {number} has {len(values)} values, and the model reads {len(features)} features.")
    return values


def _by_name(columns: dict[str, list[Any]], given: int) -> tuple[list[str], list[Row]]:
    if given and len(columns) < given:
        raise MalformedError("two tensors have one name; give each column once.")
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        raise MalformedError("the columns have different lengths; each holds one value a row.")
    return list(columns), [list(row) for row in zip(*columns.values(), strict=True)]


def _flat(tensor: _Tensor) -> list[Any]:
    """The tensor's values in row-major order; nested lists are another way to write the same."""
    size = 1
    for length in tensor.shape:
        size *= length
    data = tensor.data
    if data and all(isinstance(row, list) for row in data):
        data = [value for row in data for value in row]
    if len(data) != size:
        raise MalformedError(f"a tensor holds {len(data)} values, and its shape {tensor.shape} wants {size}.")
    return data


def _few(rows: Sequence[Any], at_most: int) -> None:
    if len(rows) > at_most:
        raise MalformedError(f"a request has at most {at_most} rows; send it in parts.", 413)


def _whole(columns: Sequence[str], rows: list[Row], client_id: str | None, at_most: int) -> Asked:
    width = len(columns)
    _few(rows, at_most)
    if not rows:
        raise MalformedError("the request holds no rows; send at least one.")
    if len(set(columns)) != width:
        raise MalformedError("a column is named twice; name each once.")
    check: Callable[[Row], bool] = lambda row: len(row) != width  # noqa: E731  (the one thing that a row can get wrong)
    if any(map(check, rows)):
        number = next(i for i, row in enumerate(rows) if len(row) != width)
        raise MalformedError(f"row {number} has {len(rows[number])} values for {width} columns.")
    return Asked(tuple(columns), rows, client_id)


class _Label(msgspec.Struct, forbid_unknown_fields=True):
    label: Any
    key: str | int
    known_at: datetime | None = None


class _Labels(msgspec.Struct, forbid_unknown_fields=True):
    labels: list[_Label]


_LABELS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def labels_of(body: bytes, at_most: int) -> list[tuple[str, Any, datetime | None]]:
    """One label, or several under `labels`."""
    try:
        several = b"labels" in body and "labels" in _LABELS.decode(body)
        found = msgspec.json.decode(body, type=_Labels).labels if several else [msgspec.json.decode(body, type=_Label)]
    except msgspec.ValidationError:  # its text names a field that a client made up
        says = (
            "a label has the fields key (text or a whole number), label, and known_at (ISO 8601 with a zone, or none)."
        )
        raise MalformedError(says, 422) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError):
        raise MalformedError("the request is no JSON that can be read.") from None
    if not found:
        raise MalformedError("the request holds no labels; send at least one.", 422)
    if len(found) > at_most * 20:
        raise MalformedError(f"a request has at most {at_most * 20} labels; send it in parts.", 413)
    if any(not 1 <= len(str(one.key)) <= 200 for one in found):
        raise MalformedError("a key has 1 to 200 characters.", 422)
    return [(str(one.key), one.label, one.known_at) for one in found]
