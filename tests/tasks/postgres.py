"""A real PostgreSQL for the tests that need one, where its programs are installed."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import psycopg2

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
    said = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder, "fsync": "off"}
    with (folder / "data" / "postgresql.conf").open("a") as settings:
        settings.writelines(f"{name} = '{value}'\n" for name, value in said.items())
    _start(folder, password)
    try:
        yield f"postgresql+psycopg2://postgres@127.0.0.1:{port}/postgres"
    finally:
        _run("pg_ctl", "-D", folder / "data", "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def away(url: str) -> Iterator[None]:
    """The server of `url` is gone, as by a power cut, until the block ends."""
    with psycopg2.connect(url.replace("+psycopg2", "")) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW data_directory")
        folder = Path(cursor.fetchone()[0]).parent
    connection.close()
    _run("pg_ctl", "-D", folder / "data", "-m", "immediate", "-w", "stop")
    try:
        yield
    finally:
        _start(folder, "")


def _start(folder: Path, password: str) -> None:
    start = ("pg_ctl", "-D", folder / "data", "-l", folder / "log")
    _run(*start, "-w", "start", PGPASSWORD=password)  # it waits until it may log in


def _run(program: str, *arguments: object, **more: str) -> None:
    assert _NEWEST is not None
    command = [str(_NEWEST / program), *map(str, arguments)]
    if os.getuid() == 0:
        command = ["runuser", "-u", "postgres", "--", *command]
    env = {**os.environ, **{name: value for name, value in more.items() if value}}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60, cwd="/", env=env)
