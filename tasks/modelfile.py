"""How is a model written to a file and brought back? As skops, only of types on our list, and known by its content."""

import os
import re
import zipfile
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.recfunctions import repack_fields

from schemas.errors import PerennialError
from schemas.problem import Problem
from schemas.settings import Settings
from schemas.trusted import trusted_for

__all__ = ["AlteredModelError", "content_of", "digest", "held", "load_file", "trusted_in"]

_HEADER = 1_000  # bytes that hold the description of an array, in which a gap between fields is of type |V


class AlteredModelError(PerennialError):
    """A model file is not the one that was registered, or holds types nobody trusts."""


def load_file(path: Path, problem: Problem) -> Any:
    """The estimator in a file; refused where it holds a type that nobody listed."""
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        return skops.io.load(path, trusted=trusted_in(path, problem))
    except UntrustedTypesFoundException as error:
        raise AlteredModelError(
            f"{path} holds types that nobody trusts: {error}. Review them, and add them to schemas/trusted.py."
        ) from None


def trusted_in(path: Path, problem: Problem) -> list[str]:
    """The types that may be brought to life of the file of a model of `problem`."""
    import skops.io

    return trusted_for(problem.heuristic, skops.io.get_untrusted_types(file=path))


def content_of(model: Any, problem: Problem) -> str:
    """The digest that the file of `model` will have; refused where no file of it could be loaded again."""
    return held(model, problem)[0]


def held(model: Any, problem: Problem) -> tuple[str, list[str]]:
    """The digest that the file of `model` will have, and the types that may be brought to life of it."""
    import skops.io

    folder = Settings().root / "cache"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{os.getpid()}.skops"
    skops.io.dump(model, path)
    try:
        trusted = trusted_in(path, problem)
        untrusted = sorted(set(skops.io.get_untrusted_types(file=path)) - set(trusted))
        if untrusted:
            raise AlteredModelError(
                f"the model holds types that are not on our list: {', '.join(untrusted)}. "
                "Review them, and add them to schemas/trusted.py."
            )
        return digest(path), trusted
    finally:
        path.unlink()


def digest(path: Path) -> str:
    """sha256 of a skops file's content: its schema with object ids renumbered, and its arrays. Two dumps of one model
    differ in memory addresses and dates; their digests do not."""
    with zipfile.ZipFile(path) as archive:
        schema = archive.read("schema.json").decode()
        order: dict[str, str] = {}
        schema = re.sub(
            r'(?<="__id__": )\d+|(?<="file": ")\d+(?=\.)',
            lambda match: order.setdefault(match.group(), str(len(order))),
            schema,
        )
        whole = sha256(schema.encode())
        names = [name for name in archive.namelist() if name != "schema.json"]
        for name in sorted(names, key=lambda n: int(order.get(n.split(".")[0], "-1"))):
            whole.update(sha256(_said(name, archive.read(name))).digest())
    return whole.hexdigest()


def _said(name: str, content: bytes) -> bytes:
    """What a file of the archive says: of an array whose rows are padded, as a decision tree's nodes are, its fields alone.
    What lies between them in memory is anything, and is written too."""
    if not name.endswith(".npy") or b"'|V" not in content[:_HEADER]:
        return content
    array = np.load(BytesIO(content), allow_pickle=False)
    return bytes(repack_fields(array).tobytes()) if array.dtype.names else content
