"""How is a backup brought back? All of it is proved beside what is there before it replaces anything."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.kept_state import HOME, MADE_ANEW, databases
from schemas.errors import PerennialError
from schemas.settings import Settings
from tasks import bundles, database, dumps, ledger
from tasks.elsewhere import settings_as

__all__ = ["Restored", "restore"]

_STAGING = ".restoring"


@dataclass(frozen=True)
class Restored:
    """What came back: the rows of each problem's ledger, and what the backup says that it does not hold."""

    rows: dict[str, int]
    taken: str
    missing: tuple[str, ...]


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
    for name, url in databases().items():
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


def _refuse_what_is_there(root: Path) -> None:
    there = sorted(path.name for path in root.glob("*") if path.name not in (*MADE_ANEW, _STAGING))
    full = [name for name, url in databases().items() if not dumps.is_empty(url)]
    if there or full:
        what = f"{root} holds {there[0]}" if there else f"the {full[0]} database holds tables"
        raise PerennialError(f"{what}: a restore would replace all of it. If that is meant, FORCE=1 (--force).")


def _stage_databases(manifest: dict[str, Any], staging: Path, staged: dict[str, str]) -> None:
    done: dict[str, str] = {}
    for name, kept in manifest["databases"].items():
        if name not in databases() or kept["member"] not in manifest["files"]:
            raise PerennialError(
                f"the manifest names a database {name!r} that it does not hold. Take another backup's file."
            )
        url = databases()[name]
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
    urls = databases()
    done = set()
    for name, waits in staged.items():
        if waits not in done:
            dumps.adopt(waits, urls[name])
        done.add(waits)
    files = {Path(url.removeprefix("sqlite:///")) for url in urls.values() if url.startswith("sqlite:///")}
    come = [path for path in sorted((staging / HOME).rglob("*")) if path.is_file()]
    inside = [path.relative_to(staging / HOME) for path in come]
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
