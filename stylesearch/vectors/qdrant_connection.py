"""Where a Qdrant server is, how it is reached, and what goes wrong there."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from stylesearch.errors import MissingDependencyError, StyleSearchError, UsageError, VectorIndexError

TIMEOUT = 60  # seconds that a request may take


@dataclass(frozen=True)
class Server:
    """Where the vectors of a library are kept, and how.

    Attributes:
        url: scheme, host and port.
        name: of the library's collection there.
        key: API key; "": none.
        grpc: port of gRPC, which carries vectors as bytes; 0: REST only.
        shards: parts that a collection is split into, on different nodes of a cluster.
        replicas: nodes that hold each part.
        write_consistency: replicas that must have taken a change before it counts.
        on_disk: keep the vectors on disk, and only their codes in memory.
    """

    url: str
    name: str
    key: str = ""
    grpc: int = 0
    shards: int = 1
    replicas: int = 1
    write_consistency: int = 1
    on_disk: bool = False

    @classmethod
    def parse(cls, place: str, key: str) -> Server:
        """From "http://HOST:PORT/NAME?shards=2&replicas=2&write_consistency=2&on_disk=1&grpc=6334".

        Raises UsageError where an option is unknown or no number.
        """
        parts = urlsplit(place)
        options: dict[str, int] = {}
        for option, value in parse_qsl(parts.query, keep_blank_values=True):
            if option not in ("grpc", "shards", "replicas", "write_consistency", "on_disk") or not value.isdecimal():
                raise UsageError(
                    f"A Qdrant server has no option '{option}={value}'. There are, each with a whole number: grpc "
                    "(a port), shards, replicas, write_consistency, on_disk (0 or 1)."
                )
            options[option] = int(value)
        on_disk = bool(options.pop("on_disk", 0))
        url = f"{parts.scheme}://{parts.hostname}:{parts.port or 6333}"
        return cls(url, parts.path.strip("/"), key, on_disk=on_disk, **options)


def connect(server: Server) -> Any:
    """A `QdrantClient`; raises UsageError where it would carry the key in the clear, else as `server_errors`."""
    if server.key and server.url.startswith("http://") and urlsplit(server.url).hostname not in _LOOPBACK:
        raise UsageError(
            f"'{server.url}' would carry the API key unencrypted over the network. Write: qdrant+https://..., "
            "or reach the server through a tunnel."
        )
    with server_errors(server):
        return import_client().QdrantClient(
            url=server.url,
            api_key=server.key or None,
            prefer_grpc=bool(server.grpc),
            grpc_port=server.grpc or 6334,
            timeout=TIMEOUT,
            check_compatibility=False,
        )


_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@contextmanager
def server_errors(server: Server) -> Iterator[None]:
    """What the client raises, as VectorIndexError."""
    exceptions = importlib.import_module("qdrant_client.http.exceptions")
    grpc = importlib.import_module("grpc")
    try:
        yield
    except StyleSearchError:
        raise
    except exceptions.UnexpectedResponse as exc:
        text = exc.content.decode(errors="replace")[:300]
        raise _refused(server, exc.status_code in (401, 403), f"{exc.status_code}: {text}") from exc
    except exceptions.ResponseHandlingException as exc:
        raise _unreachable(server, str(exc)) from exc
    except grpc.RpcError as exc:
        code = exc.code()
        if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            raise _unreachable(server, str(exc.details())) from exc
        denied = code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
        raise _refused(server, denied, str(exc.details())) from exc


def _unreachable(server: Server, why: str) -> VectorIndexError:
    return VectorIndexError(
        f"The Qdrant server '{server.url}' cannot be reached ({why}). Start it, or check the address in library.json; "
        "the catalog still holds every vector."
    )


def _refused(server: Server, denied: bool, why: str) -> VectorIndexError:
    if denied:
        return VectorIndexError(
            f"The Qdrant server '{server.url}' refuses the API key. Set the right one in STYLESEARCH_QDRANT_API_KEY."
        )
    return VectorIndexError(f"The Qdrant server '{server.url}' refuses ({why}).")


def import_client() -> Any:
    """The module; raises MissingDependencyError."""
    try:
        return importlib.import_module("qdrant_client")
    except ImportError as exc:
        raise MissingDependencyError("qdrant-client", "qdrant-server", "for a vector index on a Qdrant server") from exc
