"""A real PostgreSQL for the tests that need one, where its programs are installed."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

_NEWEST = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), default=None)
available = _NEWEST is not None and (os.getuid() != 0 or shutil.which("runuser") is not None)


@contextmanager
def running(*, password: str = "") -> Iterator[str]:
    """The URL of an empty database; the server ends with the block. With a password, it lets nobody in without."""
    folder = Path(mkdtemp(prefix="perennial-pg-"))
    if os.getuid() == 0:  # it does not run as root
        shutil.chown(folder, "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    asks: tuple[object, ...] = ("-A", "trust")
    if password:
        (folder / "password").write_text(password)
        asks = ("-A", "scram-sha-256", "--pwfile", folder / "password")
    _run("initdb", "-D", folder / "data", "-U", "postgres", *asks, "--no-sync", "-E", "UTF8")
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
    start = ("pg_ctl", "-D", folder / "data", "-l", folder / "log", "-o", options)
    _run(*start, "-w", "start", PGPASSWORD=password)  # it waits until it may log in
    try:
        yield f"postgresql+psycopg2://postgres@127.0.0.1:{port}/postgres"
    finally:
        _run("pg_ctl", "-D", folder / "data", "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def _run(program: str, *arguments: object, **more: str) -> None:
    assert _NEWEST is not None
    command = [str(_NEWEST / program), *map(str, arguments)]
    if os.getuid() == 0:
        command = ["runuser", "-u", "postgres", "--", *command]
    env = {**os.environ, **{name: value for name, value in more.items() if value}}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60, cwd="/", env=env)
