"""A real PostgreSQL server for the tests: started from the programs on this machine, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg


def find_programs() -> Path | None:
    """The folder with initdb and postgres, newest version first; Debian does not put it on the PATH."""
    found = shutil.which("postgres")
    folders = [Path(found).parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: -float(folder.parent.name))
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


@contextmanager
def running_server(programs: Path) -> Iterator[str]:
    """The folder of the server's socket. The server ends with the block, and with this process however it ends."""
    # PostgreSQL refuses to run as root. Not pytest's own temporary folder: other users may not enter that.
    user = "nobody" if os.geteuid() == 0 else None
    folder = tempfile.mkdtemp(prefix="stylesearch-pg-")
    if user:
        shutil.chown(folder, user)
    try:
        data = f"{folder}/data"
        initdb = [str(programs / "initdb"), "-D", data, "-U", "app", "--auth=trust", "--locale=C.UTF-8", "--no-sync"]
        made = subprocess.run(
            initdb,
            check=False,
            user=user,
            cwd="/",
            capture_output=True,
            text=True,
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stderr}")
        end_with_parent = ["setpriv", "--pdeathsig", "QUIT"] if shutil.which("setpriv") else []
        with open(f"{folder}/log", "wb") as log:
            options = ["-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"]
            server = subprocess.Popen(
                [*end_with_parent, programs / "postgres", *options],
                user=user,
                cwd="/",
                stdout=log,
                stderr=log,
            )
        try:
            _wait_until_ready(server, folder)
            yield folder
        finally:
            server.send_signal(signal.SIGQUIT)  # at once; nothing here is worth a checkpoint
            server.wait(30)
    finally:
        shutil.rmtree(folder)


@contextmanager
def new_database(socket: str, name: str) -> Iterator[str]:
    """The catalog URL of an empty database, which is dropped with the block."""
    with psycopg.connect(host=socket, user="app", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield f"postgresql://app@/{name}?host={socket}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _wait_until_ready(server: subprocess.Popen[bytes], folder: str) -> None:
    for _ in range(300):
        try:
            psycopg.connect(host=folder, user="app", dbname="postgres").close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None:
                break
            time.sleep(0.1)
    raise RuntimeError(f"PostgreSQL did not start: {Path(folder, 'log').read_text()}")
