"""How is all state kept as one file, and brought back? Taken while turns run, and proved before it replaces anything."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import Any

from schemas.errors import PerennialError
from schemas.settings import Settings
from tasks import bundles, database, dumps, ledger
from tasks.elsewhere import settings_as

__all__ = ["Restored", "backup", "restore"]

_HOME, _DATABASES = "home", "databases"
_STAGING = ".restoring"
# What is made anew: copies of registered models, and what servers said.
_NOT_STATE = ("cache", "logs")
_COPIED = ("sqlite:", "postgresql")


@dataclass(frozen=True)
class Restored:
    """What came back: the rows of each problem's ledger, and what the backup says that it does not hold."""

    rows: dict[str, int]
    taken: str
    missing: tuple[str, ...]


def backup(to: Path) -> Path:
    """Write one file with all state: into the folder `to`, or as `to`.

    What refers is copied before what it refers to, and what moves before where it moves to. The ledger names models and
    snapshots, which are written before the row that names them: copied after the ledger, all that it names is there, and
    the newest of them may be named by no row yet, which the next turn mends. In the same way answers go from a gateway's
    spill to the log, and from the log to the archive: a row that moves meanwhile is in both copies, and in none never.
    """
    target, root = _target(to), Settings().root
    heads = _heads()
    if not any(root.glob("*")) and all(map(dumps.is_empty, _urls().values())):
        raise PerennialError(
            f"there is nothing to back up in {root}. Is PERENNIAL_HOME the one that turns are taken in?"
        )
    links, absent = {}, list(_absent())
    with bundles.writing(target) as bundle, TemporaryDirectory(dir=target.parent, prefix=".perennial-") as folder:
        spilled = [path for path in _files(root) if _is_spill(path.relative_to(root))]
        for path in spilled:
            bundle.add(path, _member(path, root))
        kept = _add_databases(bundle, Path(folder))
        ours = {Path(url.removeprefix("sqlite:///")) for url in _urls().values() if url.startswith("sqlite:///")}
        for path in _files(root):
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


def restore(source: Path, *, force: bool = False) -> Restored:
    """Bring a backup's state back. All of it is unpacked, held against its hashes and its ledger verified beside what is
    there, and then takes its place. End what runs over this home first: processes keep what they have opened."""
    root = Settings().root
    if not source.is_file():
        raise PerennialError(
            f"{source} is no file. Name one that make backup wrote: make restore FROM=perennial-....tar.gz"
        )
    if not force:
        _refuse_what_is_there(root)
    for name, url in _urls().items():
        if dumps.busy(url):
            raise PerennialError(
                f"somebody is connected to the {name} database. End what runs over it, and restore then."
            )
    staging = root / _STAGING
    shutil.rmtree(staging, ignore_errors=True)  # of a restore that was killed
    staging.mkdir(parents=True, mode=0o700)
    staged: dict[str, str] = {}
    try:
        manifest = bundles.unpacked(source, staging)
        _stage_databases(manifest, staging, staged)
        rows = _proved(manifest, staged)
        if (old := manifest["home"]) != str(root) and "mlflow" in staged:
            dumps.relocate(staged["mlflow"], old, str(root))
        _take_place(root, staging, staged)
    finally:
        database.close_databases()
        for url in set(staged.values()):
            dumps.discard(url)
        shutil.rmtree(staging, ignore_errors=True)
    return Restored(rows, manifest["taken"], tuple(manifest["absent"]))


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


def _urls() -> dict[str, str]:
    """Where each database is. The ledger comes first: it is what refers to all others."""
    settings = Settings()
    every = {
        "ledger": settings.ledger,
        "log": settings.log,
        "mlflow": settings.mlflow_database,
        "prefect": settings.prefect_database,
    }
    return {name: url for name, url in every.items() if url.startswith(_COPIED)}


def _absent() -> Iterator[str]:
    """What somebody else keeps."""
    settings = Settings()
    own = settings.mlflow_database
    if not own.startswith(_COPIED) or (settings.mlflow != own and dumps.is_empty(own)):
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
    for name, url in _urls().items():
        if url not in done:
            if dumps.is_empty(url):
                continue
            member = f"{_DATABASES}/{name}"
            dumps.dump(url, folder / name)
            bundle.add(folder / name, member)
            (folder / name).unlink()
            done[url] = {"member": member, "kind": dumps.kind_of(url)}
        kept[name] = done[url]
    return kept


def _files(root: Path) -> list[Path]:
    """All that is state, and no half-written file: ours begin with a dot until they are whole."""
    found = []
    for folder, folders, names in os.walk(root):
        inside = Path(folder).relative_to(root)
        folders[:] = [name for name in folders if _is_state(inside / name)]
        linked = [name for name in folders if (Path(folder) / name).is_symlink()]
        found += [Path(folder) / name for name in (*names, *linked) if _is_state(inside / name)]
    return sorted(found)


def _is_state(path: PurePath) -> bool:
    made_anew = path.parts[0] in _NOT_STATE or (
        path.parts[0] == "gateway" and len(path.parts) > 2 and not _is_spill(path)
    )
    half = path.name.startswith(".") or path.name.endswith((".partial", ".lock", "-wal", "-shm", "-journal"))
    return not (made_anew or half)


def _is_spill(path: PurePath) -> bool:
    """Answers that a gateway keeps until the prediction log is back."""
    return path.parts[0] == "gateway" and path.parts[2:3] == ("spill",)


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
    return f"{_HOME}/{path.relative_to(root)}"


def _refuse_what_is_there(root: Path) -> None:
    there = sorted(path.name for path in root.glob("*") if path.name not in (*_NOT_STATE, _STAGING))
    full = [name for name, url in _urls().items() if not dumps.is_empty(url)]
    if there or full:
        what = f"{root} holds {there[0]}" if there else f"the {full[0]} database holds tables"
        raise PerennialError(f"{what}: a restore would replace all of it. If that is meant, FORCE=1 (--force).")


def _stage_databases(manifest: dict[str, Any], staging: Path, staged: dict[str, str]) -> None:
    done: dict[str, str] = {}
    for name, kept in manifest["databases"].items():
        if name not in _urls() or kept["member"] not in manifest["files"]:
            raise PerennialError(
                f"the manifest names a database {name!r} that it does not hold. Take another backup's file."
            )
        url = _urls()[name]
        if dumps.kind_of(url) != kept["kind"]:
            asks = "set PERENNIAL_DATABASE" if kept["kind"] == "postgresql" else "unset PERENNIAL_DATABASE"
            raise PerennialError(
                f"the {name} of this backup is of {kept['kind']}, and the settings name {dumps.kind_of(url)}; {asks} and "
                "restore again: rows are not carried from one to the other."
            )
        if kept["member"] not in done:
            done[kept["member"]] = dumps.stage(url, staging / kept["member"])
        staged[name] = done[kept["member"]]


def _proved(manifest: dict[str, Any], staged: dict[str, str]) -> dict[str, int]:
    """The rows of each problem's ledger, verified where it is staged, and held against what the manifest says of it."""
    if "ledger" not in staged:
        return {}
    with settings_as({"PERENNIAL_LEDGER_URL": staged["ledger"]}):
        rows = {name: ledger.verify(name) for name in ledger.problems()}
        for name, said in manifest["ledger"].items():
            at = next(iter(ledger.rows(name, since=said["rows"] - 1)), None)
            if at is None or at.hash != said["head"]:
                raise ledger.BrokenLedgerError(
                    f"row {said['rows']} of {name!r} in this backup is not the one that it was taken with. "
                    "Nothing was restored; take another backup's file."
                )
    return rows


def _take_place(root: Path, staging: Path, staged: dict[str, str]) -> None:
    """Entry by entry, since the folder itself may be a mounted one. The ledger comes first: killed before the rest is there,
    its next turn says what is missing, and the restore is run again with --force."""
    urls = _urls()
    done = set()
    for name, waits in staged.items():
        if waits not in done:
            dumps.adopt(waits, urls[name])
        done.add(waits)
    files = {Path(url.removeprefix("sqlite:///")) for url in urls.values() if url.startswith("sqlite:///")}
    come = [path for path in sorted((staging / _HOME).rglob("*")) if path.is_file()]
    inside = [path.relative_to(staging / _HOME) for path in come]
    taken = {root / above for path in inside for above in (path, *path.parents)}
    # A link to a table elsewhere is in no backup, and stays, unless a file of the backup belongs there.
    links = {path for path in root.rglob("*") if path.is_symlink() and path not in taken}
    for path in root.iterdir():
        if path != staging:
            _remove(path, keep=files | links)
    for path, relative in zip(come, inside, strict=True):
        target = root / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)


def _remove(path: Path, *, keep: set[Path]) -> None:
    """What was there before, but for the databases that have just come."""
    if path.is_dir() and not path.is_symlink():
        for inside in path.iterdir():
            _remove(inside, keep=keep)
        if not any(path.iterdir()):
            path.rmdir()
    elif path not in keep:
        path.unlink()
