"""A disk that is full: a small one of memory where mounting is allowed, else a limit on the length of a file."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_LIMITS = resource.getrlimit(resource.RLIMIT_FSIZE)


@dataclass(frozen=True)
class Disk:
    """A folder, and whether it is a disk of its own."""

    path: Path
    mounted: bool

    def fill(self, left: int) -> None:
        """Leaves room for so many bytes more."""
        if not self.mounted:
            resource.setrlimit(resource.RLIMIT_FSIZE, (left, _LIMITS[1]))
            return
        with open(self.path / "ballast", "wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(bytes(1 << 16))
            except OSError:
                ballast.truncate(max(0, ballast.tell() - left))

    def free(self) -> None:
        """Makes room again."""
        resource.setrlimit(resource.RLIMIT_FSIZE, _LIMITS)
        (self.path / "ballast").unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Disk]:
    """A disk of that size; it is gone afterwards."""
    place = folder / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(place)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    disk = Disk(place, mounted)
    try:
        yield disk
    finally:
        disk.free()
        if mounted:
            # Lazily: an engine may not have let go of its files.
            subprocess.run(["umount", "--lazy", str(place)], check=True)
