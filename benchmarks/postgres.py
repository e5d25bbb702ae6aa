"""A PostgreSQL server of one's own, from the programs on this machine; it can be killed and started again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from stylesearch.catalog import Catalog
from stylesearch.errors import CatalogError, StyleSearchError, UsageError

_SECONDS = 60.0  # for starting, which after a kill replays the log


class Server:
    """Listens on a socket in its folder alone.

    Attributes:
        url: of its database, for a catalog.

    Args:
        folder: empty or new; of the user nobody where this user is root, whom PostgreSQL refuses.
    """

    def __init__(self, folder: Path) -> None:
        self._programs = _programs()
        self._user = "nobody" if os.geteuid() == 0 else None
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"postgresql://app@/postgres?host={folder}"
        folder.mkdir(exist_ok=True)
        if self._user:
            shutil.chown(folder, self._user)
        self._run("initdb", "-D", str(folder / "data"), "-U", "app", "--auth=trust", "--locale=C.UTF-8")

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        options = ["-D", str(self._folder / "data"), "-k", str(self._folder), "-c", "listen_addresses="]
        with open(self._folder / "log", "ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - found by `_programs`
                [self._programs / "postgres", *options], user=self._user, cwd="/", stdout=log, stderr=log
            )
        deadline = time.monotonic() + _SECONDS
        while True:
            try:
                Catalog.open(self.url).close()
                return
            except CatalogError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.1)

    def kill(self) -> None:
        """Ends the server at once; its other processes find out and end, too."""
        self._end(signal.SIGKILL)
        (self._folder / "data" / "postmaster.pid").unlink(missing_ok=True)  # its number may be given to another

    def stop(self) -> None:
        """Ends it in good order."""
        self._end(signal.SIGINT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_SECONDS)
            self._process = None

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(  # noqa: S603 - found by `_programs`
            [str(self._programs / program), *arguments],
            user=self._user,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise StyleSearchError(f"{program} failed: {done.stderr.strip()}")


def _programs() -> Path:
    found = shutil.which("postgres")
    folders = [Path(found).parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: -float(folder.parent.name))
    for folder in folders:
        if (folder / "initdb").exists():
            return folder
    raise UsageError("PostgreSQL's server is not installed. Install it with: apt-get install postgresql")
