"""How do many files become one that is whole or not there, and how are they read back unaltered, and nowhere else?"""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from schemas.errors import PerennialError

__all__ = ["MANIFEST", "AlteredBundleError", "Writer", "unpacked", "writing"]

MANIFEST = "manifest.json"
_FORMAT = 1


class AlteredBundleError(PerennialError):
    """A file that is not what a backup of ours wrote."""

    def __init__(self, bundle: Path, says: str) -> None:
        super().__init__(f"{bundle} {says}. Nothing was restored from it; take another backup's file.")


class _Hashed:
    """A file that is hashed while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.sha256 = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        said = self._file.read(size)
        self.sha256.update(said)
        return said


class Writer:
    """A bundle that is being written."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.files: dict[str, dict[str, Any]] = {}

    def add(self, path: Path, member: str) -> None:
        """Add a file as it is now: what is appended to it meanwhile is not in it. One that has just gone is left out."""
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return
        with file:
            info = self._tar.gettarinfo(arcname=member, fileobj=file)
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            hashed = _Hashed(file)
            try:
                self._tar.addfile(info, hashed)  # it reads, and nothing else
            except OSError as error:
                raise PerennialError(
                    f"{path} could not be read to its end, or its copy not written ({type(error).__name__}). "
                    "Is the disk full? Take the backup again."
                ) from None
        self.files[member] = {"sha256": hashed.sha256.hexdigest(), "bytes": info.size}

    def finish(self, says: dict[str, Any]) -> None:
        """The manifest comes last: what it says of each file is known once the file is written."""
        manifest = {"format": _FORMAT, **says, "files": self.files}
        text = (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode()
        info = tarfile.TarInfo(MANIFEST)
        info.size, info.mode = len(text), 0o600
        self._tar.addfile(info, io.BytesIO(text))


@contextmanager
def writing(target: Path) -> Iterator[Writer]:
    """Write to a name of its own, which becomes `target` once all of it is on the disk; with an error nothing is left."""
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        # Only its owner may read it: it holds people's rows.
        with os.fdopen(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as out:
            with tarfile.open(fileobj=out, mode="w:gz", compresslevel=3) as tar:
                yield Writer(tar)
            out.flush()
            os.fsync(out.fileno())
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)


def unpacked(bundle: Path, folder: Path) -> dict[str, Any]:
    """The manifest, once every file lies in `folder` and is what the manifest says. Nothing is written outside of it."""
    try:
        with tarfile.open(bundle, mode="r:gz") as tar:
            for member in tar:
                if not member.isreg():
                    raise AlteredBundleError(bundle, f"holds {member.name!r}, which is no plain file")
                tar.extract(member, folder, filter="data")
    except tarfile.FilterError as error:
        name = getattr(getattr(error, "tarinfo", None), "name", "a file")
        raise AlteredBundleError(bundle, f"holds {name!r}, which lies outside of it") from None
    except (OSError, EOFError, tarfile.TarError) as error:
        raise AlteredBundleError(bundle, f"cannot be read as a backup ({type(error).__name__})") from None
    return _checked(bundle, folder)


def _checked(bundle: Path, folder: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
        files, number = manifest["files"], manifest["format"]
    except (OSError, ValueError, KeyError, TypeError):
        raise AlteredBundleError(bundle, f"has no {MANIFEST} that can be read") from None
    if number != _FORMAT:
        raise AlteredBundleError(bundle, f"is of format {number}, and this version reads {_FORMAT}")
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {MANIFEST}
    if odd := found ^ set(files):
        name = min(odd)
        raise AlteredBundleError(bundle, f"{'lacks' if name in files else 'adds'} {name!r}")
    for name, said in files.items():
        with (folder / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != said["sha256"]:
                raise AlteredBundleError(bundle, f"holds {name!r} with another content than was written")
    return manifest
