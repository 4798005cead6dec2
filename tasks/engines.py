"""How is the table of another engine opened? Through Ibis, by URL; and no error shows what is secret in it."""

import atexit
import os
import re
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import ibis
import ibis.expr.types as ir

from schemas.errors import PerennialError
from schemas.problem import Problem

__all__ = ["EngineError", "close_engines", "open_table", "shown_url"]

_VARIABLE = re.compile(r"\$\{(\w+)\}")


class EngineError(PerennialError):
    """A source's engine cannot be reached, or has no such table. It never quotes a password."""


def open_table(problem: Problem) -> ir.Table:
    """The table that the source names, as its engine describes it now; `location` is TABLE or SCHEMA.TABLE.

    A `${NAME}` in the URL is taken from the environment, so that no password stands in a problem's file. Connections are
    kept, and opened anew once where one was lost.
    """
    url = _filled(problem)
    schema, _, name = problem.source.location.rpartition(".")
    for attempt in (1, 2):
        kept = url in _CONNECTIONS
        try:
            if not kept:
                _CONNECTIONS[url] = _connected(url)
            return _CONNECTIONS[url].table(name, database=schema or None)
        except ibis.common.exceptions.TableNotFound:
            raise _refused(problem, url, f"has no table {problem.source.location!r}. Correct `location`.") from None
        except ImportError as error:
            said = f"needs a driver that is not installed ({error.name}). `make setup` installs it for PostgreSQL, as the extra `postgres`."
            raise _refused(problem, url, said) from None
        except Exception as error:
            _CONNECTIONS.pop(url, None)
            if not kept or attempt == 2:
                raise _refused(problem, url, _told(error, url)) from None
    raise AssertionError("two attempts either return or raise")


def shown_url(url: str) -> str:
    """The URL without its password and its query, which may hold one.

    >>> shown_url("postgresql://reader:secret@db.example:5432/shop?sslpassword=also")
    'postgresql://reader@db.example:5432/shop'
    """
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{login.partition(':')[0]}{at}{host}{parts.path}"


# One a process and URL: a connection costs more than most of what is asked over it.
_CONNECTIONS: dict[str, Any] = {}


def close_engines() -> None:
    """Close every connection; the next read opens its own anew."""
    while _CONNECTIONS:
        _CONNECTIONS.popitem()[1].disconnect()


def _connected(url: str) -> Any:
    atexit.register(close_engines)  # a driver complains of what is still open when the process ends
    if not url.startswith("duckdb:"):
        return ibis.connect(url)
    connection = ibis.connect(url, read_only=True)
    connection.raw_sql("SET TimeZone = 'UTC'")
    return connection


def _filled(problem: Problem) -> str:
    """The URL with what the environment says."""
    url = str(problem.source.url)
    missing = [name for name in _VARIABLE.findall(url) if name not in os.environ]
    if missing:
        raise EngineError(
            f"the source of {problem.name!r} reads {', '.join(missing)} from the environment, and it is not set there. "
            "Set it where this process starts."
        )
    return _VARIABLE.sub(lambda match: quote(os.environ[match[1]], safe=""), url)


def _refused(problem: Problem, url: str, says: str) -> EngineError:
    return EngineError(
        f"the source of {problem.name!r}, {shown_url(url)}, {says} It is named in schemas/problems/{problem.name}.py."
    )


def _told(error: Exception, url: str) -> str:
    """The driver's first line, with the password taken out should it be in there."""
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    secret = urlsplit(url).netloc.rpartition("@")[0].partition(":")[2]
    for word in {secret, unquote(secret)} - {""}:
        first = first.replace(word, "***")
    return (
        f"cannot be read: {type(error).__name__}: {first[:300].rstrip('.')}. Is it up, and are name and password right?"
    )
