"""A ComfyUI server, over HTTP and WebSocket: uploads, jobs, their progress, their pictures.

What is said between the two was taken down from ComfyUI 0.3.64 (`server.py` and `execution.py` of Comfy-Org/ComfyUI);
tests/comfyui_recorded.json holds it.
"""

from __future__ import annotations

import json
import math
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeAlias, cast
from urllib.parse import quote, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from stylesearch.errors import ImageError, MissingDependencyError, TransferError, UsageError
from stylesearch.images import read_image
from stylesearch.records import Limits
from stylesearch.transfer.comfyui_graph import Graph, Nodes, Specs
from stylesearch.transfer.comfyui_job import Job, Shown, Tell, holds, refusal, shown_by

if TYPE_CHECKING:
    from PIL.Image import Image
    from websockets.sync.client import ClientConnection

FOLDER = "stylesearch"  # of uploads, among the server's input pictures
_LIMITS = Limits(max_bytes=256 * 2**20)  # of a picture that it made
_MOST_JSON = 64 * 2**20  # bytes; what all nodes of a large installation are takes 5 MB
_ATTEMPTS = 6  # to hear of a job
_TOLD = 300  # letters of why it cannot be reached


_Outputs: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Node -> "images" and whatever else it shows."""


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for, in seconds.

    Attributes:
        answer: for the answer to a request.
        cancel: until somebody's wish to stop is noticed.
        look: without news, until the server is asked what has become of the job.
        silence: without news of a job that runs, until it is given up; loading models from a slow disk is silent.
        pause: before the first attempt to connect anew, doubled each time.
    """

    answer: float = 60
    cancel: float = 0.25
    look: float = 5
    silence: float = 1800
    pause: float = 0.5


class _AwayError(TransferError):
    """The server cannot be reached now; a job that it has may go on."""


def without_websockets() -> MissingDependencyError:
    """What to say where the package is not there."""
    return MissingDependencyError("websockets", "comfyui", "to follow a ComfyUI server")


class ComfyServer:
    """One server.

    Args:
        url: http or https address, with the path before `/prompt` where a proxy has put one.

    Raises:
        UsageError: no such address.
        MissingDependencyError: the package for WebSockets is not there.
    """

    def __init__(self, url: str, patience: Patience | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise UsageError(f"'{url}' is no address of a ComfyUI server. Write for example: http://127.0.0.1:8188")
        if parts.username or parts.password:
            raise UsageError("The address of the server holds a password, which would be kept with each picture.")
        try:
            from websockets.sync.client import connect
        except ImportError as exc:
            raise without_websockets() from exc
        self._connect = connect
        self.url = url.rstrip("/")
        self._patience = patience or Patience()
        self._client = uuid.uuid4().hex
        # Only what changes nothing is asked for again once it has arrived: a job must not run twice.
        retries = urllib3.Retry(
            3, backoff_factor=0.2, status_forcelist=(502, 503, 504), allowed_methods={"GET"}, raise_on_status=False
        )
        self._pool = urllib3.PoolManager(
            retries=retries,
            timeout=urllib3.Timeout(connect=10, read=self._patience.answer),
            headers={"User-Agent": f"stylesearch/{version('stylesearch')}"},
        )

    def close(self) -> None:
        """Closes the connections."""
        self._pool.clear()

    def specs(self, classes: Sequence[str]) -> Specs:
        """What the server says of these classes of nodes; those that it does not have are missing.

        Raises:
            TransferError: it does not answer, or not as ComfyUI does.
        """
        found: dict[str, Any] = {}
        for name in dict.fromkeys(classes):
            found |= self._json("GET", f"/object_info/{quote(name, safe='')}")
        return found

    def upload(self, name: str, data: bytes) -> str:
        """Puts a picture where `LoadImage` finds it; what is there already under this name is kept.

        Returns:
            what `LoadImage` calls it.
        """
        fields = {"image": (name, data, "image/png"), "subfolder": FOLDER, "type": "input"}
        kept = self._json("POST", "/upload/image", fields=fields)
        return "/".join(filter(None, (str(kept.get("subfolder", "")), str(kept.get("name", name)))))

    def run(
        self, graph: Graph, results: Sequence[str], tell: Tell, cancel: threading.Event
    ) -> tuple[list[Shown], float]:
        """Runs a workflow to its end.

        Args:
            graph: what to run.
            results: its nodes whose pictures are wanted.
            tell: see `Tell`; also called soon after `cancel` is set.

        Returns:
            the pictures, files where there are any, else previews; and how many seconds the server worked.

        Raises:
            TransferError: the server refuses the workflow, fails, or goes away. Whatever is raised, also by `tell`, the
                server is told to stop.
        """
        job = Job(str(uuid.uuid4()), graph, tell)
        try:
            return shown_by(self._run(job, graph.nodes, cancel), results), job.seconds
        except BaseException:
            with suppress(TransferError):  # one that has gone away makes nothing any more
                self._withdraw(job.id)
            raise

    def picture(self, shown: Shown) -> Image:
        """A picture that was made: mode RGB, sRGB."""
        fields = {"filename": shown.filename, "subfolder": shown.subfolder, "type": shown.type}
        data = self._bytes("GET", "/view", _LIMITS.max_bytes, fields=fields)
        try:
            return read_image(data, limits=_LIMITS)
        except ImageError as exc:
            raise TransferError(f"The picture '{shown.filename}' that the server made cannot be read ({exc})") from exc

    def _queue(self, nodes: Nodes, job: str) -> None:
        answer = self._json("POST", "/prompt", json={"prompt": nodes, "client_id": self._client, "prompt_id": job})
        # A workflow of which only a part is right is run in part.
        if answer.get("error") or answer.get("node_errors"):
            raise TransferError(f"The server at '{self.url}' refuses the workflow: {refusal(answer)}.")
        if answer.get("prompt_id") != job:
            raise TransferError(f"The ComfyUI at '{self.url}' is too old to name jobs. Update it.")

    def _run(self, job: Job, nodes: Nodes, cancel: threading.Event) -> _Outputs:
        """What each node has put out at the end, also where the server cannot be reached for a while."""
        queued = False
        for attempt in range(_ATTEMPTS):
            try:
                with self._listening() as socket:  # before the job begins, so that nothing is missed
                    if not queued:
                        self._queue(nodes, job.id)
                    again, queued = queued, True
                    outputs = self._follow(socket, job, cancel, ask_first=again)
                if outputs is not None:
                    return outputs
            except _AwayError:
                if not queued or attempt == _ATTEMPTS - 1:
                    raise
            if cancel.wait(self._patience.pause * 2**attempt):
                job.repeat()
        raise TransferError(f"The server at '{self.url}' hangs up again and again.")

    def _follow(
        self, socket: ClientConnection, job: Job, cancel: threading.Event, *, ask_first: bool
    ) -> _Outputs | None:
        """None: the server has hung up. `ask_first`: the job may have ended already."""
        from websockets.exceptions import ConnectionClosed

        patience, heard = self._patience, time.monotonic()
        asked = -math.inf if ask_first else heard
        while True:
            if cancel.is_set():
                job.repeat()
            now = time.monotonic()
            if job.ended or now - asked > patience.look:
                if (outputs := self._outcome(job)) is not None:
                    return outputs
                asked = now
            if job.started and now - heard > patience.silence:
                raise TransferError(
                    f"The job at '{self.url}' was stopped: nothing was heard of it for {patience.silence:.0f} seconds."
                )
            try:
                message = socket.recv(timeout=patience.cancel)
            except TimeoutError:
                continue
            except ConnectionClosed:
                return None
            if isinstance(message, str) and job.hear(message):
                heard = time.monotonic()

    def _outcome(self, job: Job) -> _Outputs | None:
        """What each node has put out; None where it has not ended."""
        for _ in range(2):  # it may go from the queue to the history between the two questions
            if entry := self._json("GET", f"/history/{job.id}").get(job.id):
                for event, data in entry.get("status", {}).get("messages", ()):
                    job.note(event, data)
                return cast(_Outputs, entry.get("outputs", {}))
            queue = self._json("GET", "/queue")
            if any(holds(queue, part, job.id) for part in ("queue_running", "queue_pending")):
                return None
        raise TransferError(
            f"The server at '{self.url}' knows nothing of the job any more; it was started anew, it seems."
        )

    def _withdraw(self, job: str) -> None:
        self._bytes("POST", "/queue", _MOST_JSON, json={"delete": [job]})
        # Older servers stop whatever runs, so they are asked first what that is.
        if holds(self._json("GET", "/queue"), "queue_running", job):
            self._bytes("POST", "/interrupt", _MOST_JSON, json={"prompt_id": job})

    @contextmanager
    def _listening(self) -> Iterator[ClientConnection]:
        from websockets.exceptions import WebSocketException

        address = f"ws{self.url.removeprefix('http')}/ws?clientId={self._client}"
        wait = self._patience.answer
        with ExitStack() as stack:
            # Previews of half-made pictures come this way, too.
            try:
                socket = stack.enter_context(
                    self._connect(
                        address, open_timeout=wait, ping_timeout=wait, close_timeout=1, max_size=_MOST_JSON, proxy=None
                    )
                )
            except (OSError, WebSocketException) as exc:
                raise self._silent(exc) from exc
            yield socket

    def _json(self, method: str, path: str, **given: Any) -> dict[str, Any]:
        data = self._bytes(method, path, _MOST_JSON, **given)
        try:
            found = json.loads(data)
        except (ValueError, RecursionError) as exc:
            raise TransferError(
                f"'{self.url}' answers, but not as ComfyUI does ({path}). Is the address right?"
            ) from exc
        if not isinstance(found, dict):
            raise TransferError(f"'{self.url}' answers, but not as ComfyUI does ({path}). Is the address right?")
        return found

    def _bytes(self, method: str, path: str, most: int, **given: Any) -> bytes:
        try:
            answer = self._pool.request(method, self.url + path, preload_content=False, **given)
            try:
                data = answer.read(most + 1)
            finally:
                # What was not read to its end would be taken for the answer to the next request.
                answer.close() if answer.length_remaining else answer.release_conn()
        except HTTPError as exc:
            raise self._silent(getattr(exc, "reason", None) or exc) from exc
        if len(data) > most:
            raise TransferError(f"'{self.url}' answers with more than {most >> 20} MiB ({path}).")
        # Why it refuses a workflow, it says in the answer.
        if answer.status >= 400 and not (path == "/prompt" and answer.status == 400):
            raise TransferError(
                f"'{self.url}' refuses {path} (HTTP {answer.status}). Is a ComfyUI there, and may it be asked?"
            )
        return data

    def _silent(self, why: object) -> _AwayError:
        return _AwayError(
            f"The ComfyUI server at '{self.url}' does not answer ({str(why).strip()[:_TOLD]}). "
            "Start it with: python main.py --listen 127.0.0.1 --port 8188"
        )
