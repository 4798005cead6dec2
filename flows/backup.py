"""How is all state kept as one file, taken while turns run?"""

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flows.kept_state import COPIED, DATABASES, HOME, databases, files, is_spill
from schemas.errors import PerennialError
from schemas.settings import Settings
from tasks import bundles, dumps, ledger

__all__ = ["backup"]


def backup(to: Path) -> Path:
    """Write one file with all state: into the folder `to`, or as `to`.

    What refers is copied before what it refers to, and what moves before where it moves to. The ledger names models and
    snapshots, which are written before the row that names them: copied after the ledger, all that it names is there, and
    the newest of them may be named by no row yet, which the next turn mends. In the same way answers go from a gateway's
    spill to the log, and from the log to the archive: a row that moves meanwhile is in both copies, and in none never.
    """
    target, root = _target(to), Settings().root
    heads = _heads()
    if not any(root.glob("*")) and all(map(dumps.is_empty, databases().values())):
        raise PerennialError(
            f"there is nothing to back up in {root}. Is PERENNIAL_HOME the one that turns are taken in?"
        )
    links, absent = {}, list(_absent())
    with bundles.writing(target) as bundle, TemporaryDirectory(dir=target.parent, prefix=".perennial-") as folder:
        spilled = [path for path in files(root) if is_spill(path.relative_to(root))]
        for path in spilled:
            bundle.add(path, _member(path, root))
        kept = _add_databases(bundle, Path(folder))
        ours = {Path(url.removeprefix("sqlite:///")) for url in databases().values() if url.startswith("sqlite:///")}
        for path in files(root):
            if path.is_symlink():
                links[str(path.relative_to(root))] = str(path.readlink())
            elif path not in ours and path not in spilled:
                _add(bundle, path, _member(path, root), Path(folder))
        absent += [f"{name}, a link to {where}" for name, where in links.items()]
        bundle.finish(
            {
                "perennial": version("perennial"),
                "taken": datetime.now(UTC).isoformat(timespec="seconds"),
                "home": str(root),
                "databases": kept,
                "ledger": heads,
                "absent": absent,
            }
        )
    return target


def _target(to: Path) -> Path:
    to = to.expanduser().absolute()
    if to.is_relative_to(Settings().root):
        raise PerennialError(f"{to} lies in PERENNIAL_HOME, and would be lost with it. Write the backup elsewhere.")
    # A name that ends in .gz is a file's; all else is a folder's.
    if to.is_dir() or to.suffix != ".gz":
        to.mkdir(parents=True, exist_ok=True)
        to = to / f"perennial-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar.gz"
    if to.exists():
        raise PerennialError(f"{to} is there already, and no backup is written over another. Choose another name.")
    to.parent.mkdir(parents=True, exist_ok=True)
    return to


def _absent() -> Iterator[str]:
    """What somebody else keeps."""
    settings = Settings()
    own = settings.mlflow_database
    if not own.startswith(COPIED) or (settings.mlflow != own and dumps.is_empty(own)):
        yield f"MLflow's runs and models: they are kept at {settings.mlflow.split('@')[-1]}"
    if dumps.is_empty(settings.prefect_database):
        yield "Prefect's runs: no server of ours keeps them here"


def _heads() -> dict[str, dict[str, Any]]:
    """Each problem's newest row, whose hash covers all before it. A ledger that does not verify is not worth keeping."""
    if dumps.is_empty(Settings().ledger):
        return {}
    newest = {name: ledger.state_of(name) for name in ledger.problems()}
    for name in newest:
        ledger.verify(name)
    return {name: {"rows": state.sequence, "head": state.hash} for name, state in newest.items()}


def _add_databases(bundle: bundles.Writer, folder: Path) -> dict[str, dict[str, str]]:
    """Copy each database once, in order, although two may be one. Returns the member and the kind of each."""
    kept: dict[str, dict[str, str]] = {}
    done: dict[str, dict[str, str]] = {}
    for name, url in databases().items():
        if url not in done:
            if dumps.is_empty(url):
                continue
            member = f"{DATABASES}/{name}"
            dumps.dump(url, folder / name)
            bundle.add(folder / name, member)
            (folder / name).unlink()
            done[url] = {"member": member, "kind": dumps.kind_of(url)}
        kept[name] = done[url]
    return kept


def _add(bundle: bundles.Writer, path: Path, member: str, folder: Path) -> None:
    try:
        foreign = dumps.is_sqlite(path)
    except FileNotFoundError:  # archived, erased or replaced a moment ago
        return
    if foreign:
        # A database that we do not know of is still copied whole.
        dumps.dump_file(path, folder / "other")
        path = folder / "other"
    bundle.add(path, member)
    (folder / "other").unlink(missing_ok=True)


def _member(path: Path, root: Path) -> str:
    return f"{HOME}/{path.relative_to(root)}"
