"""How is a model written to a file and brought back? As skops, only of types on our list, and known by its content."""

import os
import re
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

from schemas.errors import PerennialError
from schemas.problem import Problem
from schemas.settings import Settings
from schemas.trusted import trusted_for

__all__ = ["AlteredModelError", "content_of", "digest", "load_file"]


class AlteredModelError(PerennialError):
    """A model file is not the one that was registered, or holds types nobody trusts."""


def load_file(path: Path, problem: Problem) -> Any:
    """The estimator in a file; refused where it holds a type that nobody listed."""
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        return skops.io.load(path, trusted=trusted_for(problem.heuristic))
    except UntrustedTypesFoundException as error:
        raise AlteredModelError(
            f"{path} holds types that nobody trusts: {error}. Review them, and add them to schemas/trusted.py."
        ) from None


def content_of(model: Any, problem: Problem) -> str:
    """The digest that the file of `model` will have; refused where no file of it could be loaded again."""
    import skops.io

    folder = Settings().root / "cache"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{os.getpid()}.skops"
    skops.io.dump(model, path)
    untrusted = sorted(set(skops.io.get_untrusted_types(file=path)) - set(trusted_for(problem.heuristic)))
    try:
        if untrusted:
            raise AlteredModelError(
                f"the model holds types that are not on our list: {', '.join(untrusted)}. "
                "Review them, and add them to schemas/trusted.py."
            )
        return digest(path)
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
            whole.update(sha256(archive.read(name)).digest())
    return whole.hexdigest()
