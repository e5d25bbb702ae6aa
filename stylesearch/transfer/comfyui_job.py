"""A job on a ComfyUI server: what is heard of it, and what the server says in the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from stylesearch.errors import TransferError
from stylesearch.transfer.comfyui_graph import Graph

_TOLD = 300  # letters of what the server tells

Tell: TypeAlias = Callable[[float, str], None]
"""Called with the share of a job that is done and what is going on; raises where the job is to be stopped."""


@dataclass(frozen=True)
class Shown:
    """A picture on the server, in the words of `/view`."""

    filename: str
    subfolder: str
    type: str


class Job:
    """What is heard of one job.

    Attributes:
        started: whether it runs, and waits for no others.
        ended: whether the server has said that it is over.
    """

    def __init__(self, job: str, graph: Graph, tell: Tell) -> None:
        self.id, self._graph, self._tell = job, graph, tell
        self._share, self._what = 0.0, "Waiting for the server"
        self._times: dict[str, float] = {}
        self.started = self.ended = False

    @property
    def seconds(self) -> float:
        """How long the server worked on it, by the server's clock; 0 before it has said so."""
        begun, ended = (self._times.get(event, 0.0) for event in ("execution_start", "execution_success"))
        return max(0.0, ended - begun) / 1000 if begun else 0.0

    def hear(self, message: str) -> bool:
        """Takes a message; whether it speaks of this job. Raises TransferError where it says that the job failed."""
        try:
            found = json.loads(message)
            event, data = str(found["type"]), dict(found["data"])
        except (ValueError, TypeError, KeyError):
            return False
        if data.get("prompt_id") != self.id:
            if event == "status" and not self.started:
                waiting = data.get("status", {}).get("exec_info", {}).get("queue_remaining", 0)
                self._news(self._share, "Waiting for the server" + (f" ({waiting} jobs)" if waiting > 1 else ""))
            return False
        self.note(event, data)
        return True

    def note(self, event: str, data: Mapping[str, Any]) -> None:
        """Takes what the server says of this job. Raises TransferError where it says that the job failed."""
        self.started = True
        self._times[event] = float(data.get("timestamp") or 0)  # milliseconds
        node = data.get("node")
        done, most = data.get("value"), data.get("max")
        if event == "progress" and isinstance(done, (int, float)) and isinstance(most, (int, float)) and most > 0:
            # Several nodes may count, such as a sampler and a decoder in tiles; a bar does not go back.
            self._news(max(self._share, min(1.0, done / most)), self._what)
        elif event == "executing" and node in self._graph.nodes:
            title = self._graph.title(node)
            name = self._graph.nodes[node]["class_type"] if title.startswith("@") else title
            self._news(self._share, f"Running '{name}'")
        elif event == "execution_success" or (event == "executing" and node is None):
            self.ended = True
        elif event == "execution_interrupted":
            raise TransferError("Somebody has stopped the job on the server.")
        elif event == "execution_error":
            raise TransferError(failure(data))

    def repeat(self) -> None:
        """Tells once more how far it is."""
        self._tell(self._share, self._what)

    def _news(self, share: float, what: str) -> None:
        if (share, what) != (self._share, self._what):
            self._share, self._what = share, what
            self.repeat()


def failure(data: Mapping[str, Any]) -> str:
    """A sentence for the data of `execution_error`."""
    kind, node = str(data.get("exception_type", "")), data.get("node_type", "?")
    why = str(data.get("exception_message", "")).strip()
    if "OutOfMemory" in kind or "out of memory" in why.lower():
        return (
            f"The memory of the server's GPU is full, in the node '{node}'. Ask for a smaller picture, or start "
            "ComfyUI with: python main.py --lowvram"
        )
    return f"The server failed in the node '{node}': {why[:_TOLD].rstrip('.')} ({kind.rpartition('.')[2]})."


def refusal(answer: Mapping[str, Any]) -> str:
    """Why a workflow was refused: the answer of `/prompt` in words."""
    errors = answer.get("node_errors")
    told = [
        f"{node.get('class_type')} (#{key}): {error.get('message')}: {error.get('details')}"
        for key, node in (errors.items() if isinstance(errors, dict) else ())
        for error in node.get("errors", ())
    ]
    error = answer.get("error")
    if not told and isinstance(error, dict):
        told = [f"{error.get('message', '')} {error.get('details', '')}".strip()]
    return "; ".join(told)[: 3 * _TOLD] or str(error)[:_TOLD]


def holds(queue: Mapping[str, Any], part: str, job: str) -> bool:
    """Whether a part of the answer of `/queue`, "queue_running" or "queue_pending", holds the job."""
    return any(isinstance(entry, list) and job in entry[:2] for entry in queue.get(part, ()))


def shown_by(outputs: Mapping[str, Mapping[str, Any]], results: Sequence[str]) -> list[Shown]:
    """Pictures among the outputs in the history: files of those nodes, or their previews where there are no files."""
    found = [
        Shown(str(image.get("filename", "")), str(image.get("subfolder", "")), str(image.get("type", "output")))
        for node in results
        for image in outputs.get(node, {}).get("images", ())
    ]
    return [shown for shown in found if shown.type == "output"] or found
