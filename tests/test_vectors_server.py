"""A Qdrant server that is away, refuses the key, or holds something else. What one finds is tested with all engines."""

from __future__ import annotations

import http.server
import json
import socket
import sys
import threading
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from stylesearch.errors import MissingDependencyError, SpaceMismatchError, UsageError, VectorIndexError
from stylesearch.records import Changes, Facts
from stylesearch.vectors import drop_index, index_place, new_index, open_index
from stylesearch.vectors.base import Condition
from stylesearch.vectors.qdrant_connection import Server
from stylesearch.vectors.qdrant_search import HEADER
from stylesearch.vectors.qdrant_server import QdrantServerIndex

qdrant_client = pytest.importorskip("qdrant_client")

# Of the client that plays the server.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Local mode performs exact"),
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect"),
]

DIM = 8
SERVER = Server("http://localhost", "prints")


@pytest.fixture
def client():
    client = qdrant_client.QdrantClient(":memory:")
    yield client
    client.close()


@pytest.fixture
def changes():
    vectors = np.eye(DIM, dtype=np.float32)
    return Changes(np.arange(DIM), vectors, np.ones(DIM, bool), 5, "token")


def test_another_process_finds_what_one_has_added(client, changes):
    one = QdrantServerIndex.open(SERVER, "space", DIM, client=client)
    other = QdrantServerIndex.open(SERVER, "space", DIM, client=client)
    one.apply(changes)
    again = QdrantServerIndex.open(SERVER, "space", DIM, client=client)
    assert (len(again), again.sequence, again.history) == (DIM, 5, "token")
    other.apply(changes)  # it was done already
    assert (len(other), other.sequence, other.history) == (DIM, 5, "token")
    other.apply(Changes(np.array([1]), changes.vectors[:1], np.array([False]), 6, "next"))
    one.apply(Changes(np.array([1]), changes.vectors[:1], np.array([True]), 5, "old"))
    assert (len(one), one.sequence, one.history) == (DIM - 1, 6, "next")
    assert 1 not in one.search(changes.vectors[:1], DIM).ids


def test_spaces_share_points_and_go_alone(client, changes):
    first = QdrantServerIndex.open(SERVER, "first", DIM, client=client)
    first.apply(changes)
    second = QdrantServerIndex.open(SERVER, "second", DIM + 1, client=client)
    vectors = np.eye(DIM + 1, dtype=np.float32)[: DIM - 3]
    second.apply(Changes(np.arange(3, DIM), vectors, np.ones(DIM - 3, bool), 9, "other"))
    first.apply(Changes(np.array([0, 7]), changes.vectors[:2], np.zeros(2, bool), 6, "next"))
    assert (len(first), first.sequence, len(second), second.sequence) == (6, 6, DIM - 3, 9)
    held = {point.id for point in client.scroll(SERVER.name, limit=100)[0]} - {HEADER}
    assert held == {1, 2, 3, 4, 5, 6, 7}  # 7 is of the second space alone, 0 of none
    assert first.search(changes.vectors[:1], DIM).ids[0].tolist()[:6] == [1, 2, 3, 4, 5, 6]
    assert second.search(vectors[:1], DIM).ids[0].tolist() == [3, 4, 5, 6, 7, -1, -1, -1]
    assert len(QdrantServerIndex.new(SERVER, "first", DIM, client=client)) == 0
    again = QdrantServerIndex.open(SERVER, "second", DIM + 1, client=client)
    assert (len(again), again.sequence, again.history) == (DIM - 3, 9, "other")
    first.drop()
    assert {point.id for point in client.scroll(SERVER.name, limit=100)[0]} - {HEADER} == {3, 4, 5, 6, 7}
    again.drop()
    assert not client.collection_exists(SERVER.name)
    again.drop()


def test_dropping_what_lies_on_a_server(client, changes, monkeypatch, tmp_path):
    monkeypatch.setattr("stylesearch.vectors.qdrant_server.connect", lambda server: client)
    monkeypatch.setattr(client, "close", lambda: None)
    kind = "qdrant+http://none/prints"
    for name in ("one", "other"):
        open_index(kind, tmp_path / f"{name}.vectors", DIM).apply(changes)
    drop_index(kind, tmp_path / "one.vectors")
    assert len(open_index(kind, tmp_path / "other.vectors", DIM)) == DIM
    assert len(open_index(kind, tmp_path / "one.vectors", DIM)) == 0
    for name in ("one", "other", "other"):
        drop_index(kind, tmp_path / f"{name}.vectors")
    assert not client.collection_exists("prints")


def test_a_process_that_was_killed_is_followed_by_one_that_does_it_again(client, changes):
    class Killed(QdrantServerIndex):
        def _complete(self, sequence, history):
            if sequence:
                raise KeyboardInterrupt
            super()._complete(sequence, history)

    with pytest.raises(KeyboardInterrupt):
        Killed.open(SERVER, "space", DIM, client=client).apply(changes)
    again = QdrantServerIndex.open(SERVER, "space", DIM, client=client)
    assert again.sequence == 0
    again.apply(changes)
    assert (len(again), again.sequence) == (DIM, 5)


def test_a_collection_of_another_length_or_of_somebody_else_is_refused(client):
    QdrantServerIndex.open(SERVER, "space", DIM, client=client)
    with pytest.raises(SpaceMismatchError, match="vectors of 8 numbers for 'space'; the library's encoder makes 9"):
        QdrantServerIndex.open(SERVER, "space", 9, client=client)
    vectors = qdrant_client.models.VectorParams(size=DIM, distance=qdrant_client.models.Distance.COSINE)
    client.create_collection("other", vectors)
    client.upsert("other", [qdrant_client.models.PointStruct(id=1, vector=[1.0] * DIM)])
    with pytest.raises(VectorIndexError, match="was not made by this version of StyleSearch"):
        QdrantServerIndex.open(Server("http://localhost", "other"), "space", DIM, client=client)


@pytest.mark.parametrize("options", ["", "?grpc="])
def test_a_server_that_is_away(tmp_path, options):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    options = options and f"{options}{port}"
    with pytest.raises(VectorIndexError, match=rf"'http://127.0.0.1:{port}' cannot be reached .*library.json"):
        open_index(f"qdrant+http://127.0.0.1:{port}/prints{options}", tmp_path / "space.vectors", DIM)


class _Refusing(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        given = self.headers.get("api-key")
        body = b"Invalid API key or JWT" if given != "right" else b'{"status":{"error":"no room"}}'
        self.send_response(401 if given != "right" else 507)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def refusing():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")  # of loopback
def test_a_wrong_key_and_a_full_server_are_named(refusing):
    with pytest.raises(VectorIndexError, match=r"refuses the API key\. Set .*STYLESEARCH_QDRANT_API_KEY"):
        QdrantServerIndex.open(Server(refusing, "prints", key="wrong"), "space", DIM)
    with pytest.raises(VectorIndexError, match=r"refuses \(507: .*no room"):
        QdrantServerIndex.open(Server(refusing, "prints", key="right"), "space", DIM)


def test_a_key_does_not_cross_the_network_in_the_clear():
    with pytest.raises(UsageError, match=r"unencrypted.*qdrant\+https"):
        QdrantServerIndex.open(Server("http://192.0.2.1:6333", "prints", key="secret"), "space", DIM)


def test_options_of_a_server():
    server = Server.parse("https://host/prints?shards=3&replicas=2&write_consistency=2&on_disk=1&grpc=6334", "key")
    assert server == Server("https://host:6333", "prints", "key", 6334, 3, 2, 2, True)
    for option in ("shards=many", "speed=9", "shards=-1", "on_disk="):
        with pytest.raises(UsageError, match="There are, each with a whole number"):
            Server.parse(f"https://host/prints?{option}", "")


def test_options_reach_the_collection(monkeypatch):
    asked = {}
    client = qdrant_client.QdrantClient(":memory:")
    create = client.create_collection
    monkeypatch.setattr(
        client, "create_collection", lambda *args, **given: asked.update(given) or create(*args, **given)
    )
    QdrantServerIndex.new(
        Server("http://localhost", "prints", shards=3, replicas=2, write_consistency=2), "s", DIM, client=client
    )
    assert (asked["shard_number"], asked["replication_factor"], asked["write_consistency_factor"]) == (3, 2, 2)
    client.close()


class _Recording(http.server.BaseHTTPRequestHandler):
    """Answers as a server that holds 3 points, of which it shows none; keeps what it was asked."""

    asked: ClassVar[list[tuple[str, str, Any]]] = []
    done: ClassVar[dict[str, Any]] = {"operation_id": 1, "status": "completed"}
    answers: ClassVar[dict[str, Any]] = {
        "exists": {"exists": False},
        "count": {"count": 3},
        "query": {"points": []},
        "scroll": {"points": [], "next_page_offset": None},
        "prints": True,
    }

    def _answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        path = self.path.partition("?")[0].removeprefix("/collections/prints").strip("/")
        self.asked.append((self.command, path, json.loads(self.rfile.read(length) or b"null")))
        end = self.path.partition("?")[0].rpartition("/")[2]
        result = [] if (self.command, path) == ("POST", "points") else self.answers.get(end, self.done)
        body = json.dumps({"result": result, "status": "ok", "time": 0.0}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = _answer  # noqa: N815

    def log_message(self, *arguments):
        pass


def test_what_goes_over_the_wire(changes):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Recording) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        place = f"http://127.0.0.1:{server.server_port}/prints?shards=3&replicas=2&write_consistency=2&on_disk=1"
        index = QdrantServerIndex.open(Server.parse(place, ""), "space", DIM)
        facts = {0: Facts("PNG", tags=("ink",), uris=("/a/0.png",))}
        index.apply(Changes(changes.asset_ids[:2], changes.vectors[:2], np.array([True, False]), 5, "token", facts))
        index.search(changes.vectors[:1], 2, (Condition("tags", equals=("ink",)), Condition("uris", begins=("/a/",))))
        index.close()
        server.shutdown()
        thread.join()
    asked = {(method, path): body for method, path, body in reversed(_Recording.asked)}  # the first of each
    made = asked["PUT", ""]
    assert made["vectors"] == {"space": {"size": DIM, "distance": "Dot", "on_disk": True}}
    assert [made[key] for key in ("shard_number", "replication_factor", "write_consistency_factor")] == [3, 2, 2]
    assert made["quantization_config"] == {"scalar": {"type": "int8", "always_ram": True}}
    indexed = {body["field_name"]: body["field_schema"] for _, path, body in _Recording.asked if path == "index"}
    assert indexed["tags"] == "keyword" and indexed["year"] == "integer"
    assert indexed["uris"] == {"type": "keyword", "on_disk": True, "prefix": True}
    header, batch = (body for method, path, body in _Recording.asked if (method, path) == ("PUT", "points"))
    assert header["points"][0]["payload"] == {"stylesearch": {"format": "stylesearch-qdrant-server", "version": 2}}
    assert header["update_mode"] == batch["update_mode"] == "insert_only"
    assert batch["batch"]["ids"] == [0] and batch["batch"]["vectors"] == {"space": changes.vectors[:1].tolist()}
    assert batch["batch"]["payloads"] == [{"format": "PNG", "generated": 0, "uris": ["/a/0.png"], "tags": ["ink"]}]
    gone = asked["POST", "points/vectors/delete"]
    assert gone["vector"] == ["space"]
    assert gone["filter"]["must"] == [{"has_id": [1]}, {"has_vector": "space"}]
    followed = [body for _, path, body in _Recording.asked if path == "points/payload"]
    assert [(body["key"], body["points"]) for body in followed] == [("stylesearch", [HEADER])] * 2
    assert followed[1]["payload"] == {"space": {"sequence": 5, "history": "token"}}
    question = asked["POST", "points/query"]
    assert question["filter"]["must"] == [
        {"key": "tags", "match": {"any": ["ink"]}},
        {"key": "uris", "match": {"prefix": "/a/"}},
        {"has_vector": "space"},
    ]
    assert question["using"] == "space" and question["params"]["exact"] is True


def test_without_the_client_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "qdrant_client", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'stylesearch\[qdrant-server\]'"):
        new_index("qdrant+http://localhost/prints", DIM)


def test_a_folder_of_qdrant_may_lie_elsewhere(tmp_path):
    pytest.importorskip("qdrant_edge")
    path = Path("library/index/space.vectors")
    assert index_place("faiss", path) == path
    assert index_place("qdrant", path) == Path("library/index/space.qdrant")
    kind = f"qdrant:{tmp_path}/fast"
    assert index_place(kind, path) == tmp_path / "fast" / "space.qdrant"
    index = open_index(kind, path, DIM)
    index.save(index_place(kind, path))
    index.close()
    assert (tmp_path / "fast" / "space.qdrant").is_dir()
    open_index(kind, path, DIM).close()
