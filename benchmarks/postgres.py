"""A PostgreSQL server of one's own, from the programs on this machine; it can be killed and started again."""

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

from stylesearch.errors import StyleSearchError, UsageError

_SECONDS = 60.0  # for starting, which after a kill replays the log


class Server:
    """Listens on a socket in its folder alone, and ends at the latest with the thread that has started it.

    Attributes:
        socket: its folder, which is what clients call the host.
        url: of its database, for a catalog.

    Args:
        folder: empty or new; of the user nobody where this user is root, whom PostgreSQL refuses. Others must be able
            to enter the folders above it.
        durable: False: commits need not outlive the machine.

    Raises:
        UsageError: PostgreSQL is not installed.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        programs = find_programs()
        if programs is None:
            raise UsageError("PostgreSQL's server is not installed. Install it with: apt-get install postgresql")
        self._programs = programs
        self._user = "nobody" if os.geteuid() == 0 else None
        self._options = [] if durable else ["-c", "fsync=off"]
        self._process: subprocess.Popen[bytes] | None = None
        self.socket = folder
        self.url = f"postgresql://app@/postgres?host={folder}"
        folder.mkdir(exist_ok=True)
        if self._user:
            shutil.chown(folder, self._user)
        made = subprocess.run(  # noqa: S603 - found by `find_programs`
            [programs / "initdb", "-D", folder / "data", "-U", "app", "--auth=trust", "--locale=C.UTF-8", "--no-sync"],
            user=self._user,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise StyleSearchError(f"initdb failed: {made.stderr.strip()}")

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        options = ["-D", str(self.socket / "data"), "-k", str(self.socket), "-c", "listen_addresses=", *self._options]
        end_with_parent = ["setpriv", "--pdeathsig", "QUIT"] if shutil.which("setpriv") else []
        with open(self.socket / "log", "ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - found by `find_programs`
                [*end_with_parent, self._programs / "postgres", *options],
                user=self._user,
                cwd="/",
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _SECONDS
        while True:
            try:
                psycopg.connect(host=str(self.socket), user="app", dbname="postgres").close()
                return
            except psycopg.OperationalError as exc:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    said = (self.socket / "log").read_text(errors="replace")
                    raise StyleSearchError(f"PostgreSQL did not start: {said}") from exc
                time.sleep(0.1)

    def kill(self) -> None:
        """Ends the server at once; its other processes find out and end, too."""
        self._end(signal.SIGKILL)
        (self.socket / "data" / "postmaster.pid").unlink(missing_ok=True)  # its number may be given to another

    def stop(self) -> None:
        """Ends it in good order; whoever is connected is cut off."""
        self._end(signal.SIGINT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_SECONDS)
            self._process = None


def find_programs() -> Path | None:
    """The folder with initdb and postgres, newest version first; Debian does not put it on the PATH."""
    found = shutil.which("postgres")
    folders = [Path(found).parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: -float(folder.parent.name))
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


@contextmanager
def running_server() -> Iterator[Server]:
    """A server in a temporary folder, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="stylesearch-pg-") as folder:
        Path(folder).chmod(0o755)  # the server runs as another user where this one is root
        server = Server(Path(folder) / "server", durable=False)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def new_database(socket: str | Path, name: str) -> Iterator[str]:
    """The catalog URL of an empty database, which is dropped with the block."""
    with psycopg.connect(host=str(socket), user="app", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    yield f"postgresql://app@/{name}?host={socket}"
    with psycopg.connect(host=str(socket), user="app", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
