"""What is wrong with what somebody wrote? pydantic's findings as one sentence: each field with its value and its rule."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from schemas.errors import PerennialError

__all__ = ["RefusedError", "findings", "refused"]

# In the name of a field whose value nobody prints; nor is an address that names who enters.
_SECRET = ("token", "webhook", "password", "secret", "url", "uri")
_SHOWN = 3  # findings: who has mended three looks again
_LONGEST = 80  # characters of a value


class RefusedError(PerennialError, ValueError):
    """What somebody wrote is none of what may stand there."""


@contextmanager
def refused(
    what: str, then: str, *, model: type[BaseModel] | None = None, name: Callable[[str], str] = str
) -> Iterator[None]:
    """Turn what pydantic refuses within into one sentence: `what` was refused, why, and the next step, `then`. `name` says
    what a field is called by whoever wrote it, and `model` which fields there are."""
    try:
        yield
    except ValidationError as error:
        raise RefusedError(f"{what} cannot be taken: {findings(error, model=model, name=name)}. {then}") from error


def findings(error: ValidationError, *, model: type[BaseModel] | None = None, name: Callable[[str], str] = str) -> str:
    """Each field with its value and its rule, and no full stop.

    >>> class Spent(BaseModel):
    ...     runs: int = 1
    >>> try:
    ...     Spent.model_validate({"runs": "two"})
    ... except ValidationError as error:
    ...     findings(error)
    "runs is 'two', and should be a valid integer, unable to parse string as an integer"
    """
    found = [_finding(dict(one), model, name) for one in error.errors()]
    more = [f"{len(found) - _SHOWN} more like these"] if len(found) > _SHOWN else []
    return "; ".join([*found[:_SHOWN], *more])


def _finding(one: dict[str, Any], model: type[BaseModel] | None, name: Callable[[str], str]) -> str:
    loc, rule = one["loc"], one["msg"].removeprefix("Value error, ").rstrip(".")
    where = ".".join([name(str(part)) if n == 0 else str(part) for n, part in enumerate(loc)])
    match one["type"]:
        case "missing":
            return f"{where} is missing"
        case "extra_forbidden":
            known = ", ".join(name(field) for field in _fields(model, loc[:-1]))
            return f"{where} is no field of it{f'; its fields are {known}' if known else ''}"
        case "value_error" if not loc:  # a rule over several fields, in our own words
            return rule
    if one["type"] == "value_error":
        return f"{where}: {rule}"
    rule = rule.removeprefix("Input ") if rule.startswith("Input ") else rule[:1].lower() + rule[1:]
    return f"{where or 'it'} is {_value(where, one['input'])}, and {rule}"


def _value(where: str, value: Any) -> str:
    said = repr(value)
    if any(word in where.lower() for word in _SECRET) or ("://" in said and "@" in said):
        return "a value that is not shown"
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]} …"


def _fields(model: Any, loc: tuple[Any, ...]) -> list[str]:
    """Names of the fields of the model at `loc`; none where that is no model."""
    for part in loc:
        fields = getattr(model, "model_fields", {})
        if part in fields:
            model = _model_in(fields[part].annotation)
    return list(getattr(model, "model_fields", {}))


def _model_in(kind: Any) -> type[BaseModel] | None:
    """The first model that an annotation names: of `tuple[Tier, ...]` it is Tier."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    return next((found for one in get_args(kind) if (found := _model_in(one)) is not None), None)
