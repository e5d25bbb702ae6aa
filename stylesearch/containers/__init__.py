"""Files with files inside: ZIP and TAR archives, and Parquet files with a column of pictures.

Nothing is ever written where a member's name points: names only tell members apart.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import BinaryIO

from stylesearch.containers.base import Container, Member
from stylesearch.containers.zips import ZipContainer
from stylesearch.errors import ImageError
from stylesearch.records import Limits

__all__ = ["Container", "Member", "is_container_name", "open_container"]

# By name, because documents of many programs are ZIP archives as well, and their inner pictures nobody looks for.
_NAMES = re.compile(r"\.(zip|cbz|parquet|tar|cbt|tgz|tbz2?|txz|tzst|tar\.(gz|bz2|xz|zst))\Z", re.IGNORECASE)
_OPEN = 4  # containers whose lists are kept in memory, in each process

_lock = threading.Lock()
_containers: OrderedDict[tuple[str, Limits], Container] = OrderedDict()


def is_container_name(name: str) -> bool:
    """Whether a file of this name is looked into."""
    return _NAMES.search(name) is not None


def open_container(open_self: Callable[[], BinaryIO], identity: str, limits: Limits) -> Container:
    """The container, whose kind its content tells; kept for the next call.

    Args:
        open_self: opens its file.
        identity: of its path, size and time: a file that has changed is opened anew.
        limits: caps on what is inside.

    Raises:
        ImageError: it is none, or cannot be read.
    """
    with _lock:
        if (container := _containers.get((identity, limits))) is None:
            container = _containers[identity, limits] = _new(open_self, identity, limits)
            while len(_containers) > _OPEN:
                _containers.popitem(last=False)[1].close()
        _containers.move_to_end((identity, limits))
        return container


def _new(open_self: Callable[[], BinaryIO], identity: str, limits: Limits) -> Container:
    with open_self() as file:
        first_bytes = file.read(6)
    if not first_bytes:
        raise ImageError("empty", "The file has no bytes.")
    if first_bytes[:4] == b"PAR1":
        from stylesearch.containers.rows import ParquetContainer

        return ParquetContainer(open_self, identity, limits)
    if first_bytes[:2] == b"PK":
        return ZipContainer(open_self, identity, limits)
    from stylesearch.containers.tars import TarContainer

    return TarContainer(open_self, identity, limits)
