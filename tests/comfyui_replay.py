"""A ComfyUI server on loopback that replays what a real one said (comfyui_recorded.json), and fails on request."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from PIL import Image

RECORDED = json.loads(Path(__file__).with_name("comfyui_recorded.json").read_text(encoding="utf-8"))
SPECS: dict[str, Any] = RECORDED["object_info"]


@dataclass
class Replay:
    """What the server holds, and what was asked of it.

    Attributes:
        address: of its root, without a slash at the end.
        runs: names of the recorded runs that the next jobs are; the last one again and again.
        specs: what it says of its nodes.
        hang_up_after: messages, after which it closes the WebSocket of the next job, once; the job goes on.
        forget: after hanging up, it knows nothing of the job.
        silent_after: messages, after which it says no more of the job and does not end it.
        mute_after: messages, after which it says no more of the job, which goes on.
        wait: jobs stay in the queue.
        picture: what `/view` answers.
        uploads: by name.
        prompts: workflows that were sent.
        asked: method and path of each request.
        stopped: ids of the jobs that were interrupted, and those taken from the queue.
    """

    address: str = ""
    runs: deque[str] = field(default_factory=deque)
    specs: dict[str, Any] = field(default_factory=lambda: dict(SPECS))
    hang_up_after: int | None = None
    forget: bool = False
    silent_after: int | None = None
    mute_after: int | None = None
    wait: bool = False
    picture: bytes = b""
    uploads: dict[str, bytes] = field(default_factory=dict)
    prompts: list[dict[str, Any]] = field(default_factory=list)
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    interrupted: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)


class _Server:
    def __init__(self, replay: Replay) -> None:
        self.replay = replay
        self.running: dict[str, asyncio.Event] = {}
        self.pending: list[str] = []
        self.history: dict[str, Any] = {}
        self.sockets: dict[str, web.WebSocketResponse] = {}
        self.jobs: set[asyncio.Task[None]] = set()

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._count])
        app.router.add_get("/ws", self._ws)
        app.router.add_get("/object_info/{name}", self._object_info)
        app.router.add_post("/upload/image", self._upload)
        app.router.add_post("/prompt", self._prompt)
        app.router.add_get("/queue", self._queue)
        app.router.add_post("/queue", self._delete)
        app.router.add_post("/interrupt", self._interrupt)
        app.router.add_get("/history/{job}", self._history)
        app.router.add_get("/view", self._view)
        return app

    @web.middleware
    async def _count(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.replay.asked[request.method, "/" + request.path.split("/")[1]] += 1
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _ws(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        client = request.query["clientId"]
        self.sockets[client] = socket
        await socket.send_json(
            {"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 0}}, "sid": client}}
        )
        async for _ in socket:
            pass
        if self.sockets.get(client) is socket:
            del self.sockets[client]
        return socket

    async def _object_info(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return web.json_response({name: self.replay.specs[name]} if name in self.replay.specs else {})

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        image = form["image"]
        assert isinstance(image, web.FileField) and form["type"] == "input"
        self.replay.uploads[image.filename] = image.file.read()
        return web.json_response({"name": image.filename, "subfolder": str(form["subfolder"]), "type": "input"})

    async def _prompt(self, request: web.Request) -> web.Response:
        asked = await request.json()
        runs = self.replay.runs
        run, job = RECORDED["runs"][runs[0] if len(runs) == 1 else runs.popleft()], asked["prompt_id"]
        run = json.loads(json.dumps(run).replace("PROMPT", job).replace("CLIENT", asked["client_id"]))
        self.replay.prompts.append(asked["prompt"])
        if run["status"] == 200:
            self.pending.append(job)
            if not self.replay.wait:
                task = asyncio.get_running_loop().create_task(self._play(run, job, asked["client_id"]))
                self.jobs.add(task)
                task.add_done_callback(self.jobs.discard)
        return web.json_response(run["answer"], status=run["status"])

    async def _play(self, run: dict[str, Any], job: str, client: str) -> None:
        self.pending.remove(job)
        stop = self.running[job] = asyncio.Event()
        for number, message in enumerate(run["messages"][1:], 1):  # the first one greeted the client
            if self.replay.hang_up_after == number:
                self.replay.hang_up_after = None
                await self.sockets.pop(client).close()
                if self.replay.forget:
                    del self.running[job]
                    return
            if self.replay.silent_after == number:
                await stop.wait()
                break
            if run.get("interrupted_after") == number:
                await stop.wait()
            if message["type"] == "execution_success":
                await self._binary(client)
            if client in self.sockets and (self.replay.mute_after is None or number < self.replay.mute_after):
                await self.sockets[client].send_json(message)
        self.history |= run["history"]
        del self.running[job]

    async def _binary(self, client: str) -> None:
        """A preview, as samplers send them: two numbers and a JPEG."""
        if client in self.sockets:
            await self.sockets[client].send_bytes(b"\0\0\0\1\0\0\0\1\xff\xd8")

    async def _queue(self, request: web.Request) -> web.Response:
        running = [[0, job, {}, {}, []] for job in self.running]
        return web.json_response(
            {"queue_running": running, "queue_pending": [[0, job, {}, {}, []] for job in self.pending]}
        )

    async def _delete(self, request: web.Request) -> web.Response:
        for job in (await request.json())["delete"]:
            if job in self.pending:
                self.pending.remove(job)
                self.replay.deleted.append(job)
        return web.Response()

    async def _interrupt(self, request: web.Request) -> web.Response:
        job = (await request.json())["prompt_id"]
        if job in self.running:
            self.running[job].set()
            self.replay.interrupted.append(job)
        return web.Response()

    async def _history(self, request: web.Request) -> web.Response:
        job = request.match_info["job"]
        return web.json_response({job: self.history[job]} if job in self.history else {})

    async def _view(self, request: web.Request) -> web.Response:
        assert set(request.query) == {"filename", "subfolder", "type"}
        return web.Response(body=self.replay.picture, content_type="image/png")


@contextmanager
def replaying(*runs: str) -> Iterator[Replay]:
    """A server on a free port whose jobs are these recorded runs."""
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), (10, 20, 30)).save(buffer, "PNG")
    replay = Replay(runs=deque(runs), picture=buffer.getvalue())
    ready, loop = threading.Event(), asyncio.new_event_loop()
    done = asyncio.Event()

    async def serve() -> None:
        server = _Server(replay)
        runner = web.AppRunner(server.application(), shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        replay.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        ready.set()
        await done.wait()
        for task in list(server.jobs):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        for socket in list(server.sockets.values()):
            await socket.close()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(10)
        yield replay
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(10)
        loop.close()
