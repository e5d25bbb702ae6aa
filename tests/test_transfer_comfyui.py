"""A ComfyUI server is followed through all that it may say; a recorded one stands in for it."""

from __future__ import annotations

import io
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import urllib3
from comfyui_replay import RECORDED, Replay, replaying
from PIL import Image
from servers import serving

from stylesearch.errors import MissingDependencyError, TransferCancelled, TransferError, UsageError
from stylesearch.transfer import backends, load_backend
from stylesearch.transfer.base import StyleReference, TransferProgress, TransferRequest
from stylesearch.transfer.comfyui import WORKFLOWS, ComfyBackend, describe
from stylesearch.transfer.comfyui_server import Patience

HASTY = Patience(answer=20, cancel=0.02, look=20, silence=20, pause=0.01)
REFERENCE = StyleReference(Image.new("RGB", (48, 32), (200, 30, 40)))
ASKED = TransferRequest((REFERENCE,), "a bench", seed=7)


@pytest.fixture
def server() -> Iterator[Replay]:
    with replaying("sampled") as replay:
        yield replay


def made(server: Replay, request: TransferRequest = ASKED, workflow: str = "megastyle") -> list[TransferProgress]:
    told: list[TransferProgress] = []
    with ComfyBackend(server.address, workflow, HASTY) as backend:
        (result,) = backend.run(request, told.append)
    assert result.picture.size == (40, 30) and result.picture.getpixel((0, 0)) == (10, 20, 30)
    assert result.seed == request.seed
    return told


def scaling(folder: Path) -> str:
    """A workflow that needs no model, as it was recorded."""
    nodes = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "example.png"}},
        "2": {
            "class_type": "ImageScale",
            "inputs": {"image": ["1", 0], "upscale_method": "lanczos", "width": 1, "height": 1, "crop": "disabled"},
        },
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}},
    }
    path = folder / "scaling.json"
    path.write_text(json.dumps(nodes))
    return str(path)


def test_a_picture_is_made_and_its_progress_told(server):
    told = made(server)
    assert [step.done for step in told] == sorted(step.done for step in told)
    assert {step.done for step in told} == {0, 25, 50, 75, 100} and {step.total for step in told} == {100}
    assert "Running 'MegaStyleSampler'" in {step.what for step in told}
    ((name, data),) = server.uploads.items()
    (nodes,) = server.prompts
    assert Image.open(io.BytesIO(data)).getpixel((3, 3)) == (200, 30, 40)
    by_class = {node["class_type"]: node["inputs"] for node in nodes.values()}
    assert by_class["LoadImage"]["image"] == f"stylesearch/{name}"
    assert by_class["MegaStyleTextEncode"]["prompt"] == "a bench"
    assert by_class["MegaStyleSampler"]["seed"] == 7


def test_the_time_is_that_of_the_server(server):
    with ComfyBackend(server.address, "megastyle", HASTY) as backend:
        (result,) = backend.run(ASKED)
    (entry,) = RECORDED["runs"]["sampled"]["history"].values()
    moments = {event: data["timestamp"] for event, data in entry["status"]["messages"]}
    assert result.seconds * 1000 == pytest.approx(moments["execution_success"] - moments["execution_start"])
    assert result.models[0].name == "black-forest-labs/FLUX.1-dev"


def test_several_pictures_count_the_seed_up(server):
    told: list[TransferProgress] = []
    with ComfyBackend(server.address, "megastyle", HASTY) as backend:
        results = backend.run(TransferRequest((REFERENCE,), "a bench", seed=7, count=3), told.append)
    assert [result.seed for result in results] == [7, 8, 9]
    assert [nodes["6"]["inputs"]["seed"] for nodes in server.prompts] == [7, 8, 9]
    assert told[-1].done == told[-1].total == 300 and len(server.uploads) == 1


@pytest.mark.parametrize("run", ["success", "cached"])
def test_a_workflow_of_ones_own_is_run(server, tmp_path, run):
    server.runs[0] = run
    made(server, TransferRequest((REFERENCE,), width=96, height=100), scaling(tmp_path))
    (nodes,) = server.prompts
    assert (nodes["2"]["inputs"]["width"], nodes["2"]["inputs"]["height"]) == (96, 100)


def test_what_happens_while_nobody_listens_is_found_in_the_history(server):
    server.hang_up_after = 12
    made(server)
    assert server.asked["POST", "/prompt"] == 1 and server.asked["GET", "/ws"] == 2


def test_a_server_that_was_started_anew_has_lost_the_job(server):
    server.hang_up_after, server.forget = 12, True
    with pytest.raises(TransferError, match="knows nothing of the job any more"):
        made(server)
    assert server.asked["POST", "/prompt"] == 1


def test_a_server_that_dies_half_way_is_told_in_a_sentence():
    with ExitStack() as alive:
        server = alive.enter_context(replaying("interrupted"))

        def die(step: TransferProgress) -> None:
            if step.done:
                alive.close()

        with (
            ComfyBackend(server.address, "megastyle", HASTY) as backend,
            pytest.raises(TransferError, match=r"does not answer .* Start it with"),
        ):
            backend.run(ASKED, die)


def test_a_job_that_runs_and_says_nothing_is_given_up(server):
    server.silent_after = 9
    with (
        ComfyBackend(server.address, "megastyle", replace(HASTY, silence=0.5)) as backend,
        pytest.raises(TransferError, match="nothing was heard of it"),
    ):
        backend.run(ASKED)
    assert len(server.interrupted) == 1


def test_an_end_that_was_not_told_is_found_in_the_history(server):
    server.mute_after = 9
    with ComfyBackend(server.address, "megastyle", replace(HASTY, look=0.1)) as backend:
        assert len(backend.run(ASKED)) == 1


def test_cancelling_interrupts_the_job_that_runs(server):
    server.runs[0] = "interrupted"
    cancel = threading.Event()

    def progress(step: TransferProgress) -> None:
        if step.done:
            cancel.set()

    with ComfyBackend(server.address, "megastyle", HASTY) as backend, pytest.raises(TransferCancelled):
        backend.run(ASKED, progress, cancel)
    assert len(server.interrupted) == 1


@contextmanager
def meanwhile(there: Callable[[], object], act: Callable[[], object]) -> Iterator[None]:
    """In another thread: waits until something is there, and then acts."""

    def wait() -> None:
        until = time.monotonic() + 20
        while not there() and time.monotonic() < until:
            time.sleep(0.01)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_cancelling_takes_a_waiting_job_from_the_queue(server):
    server.wait = True
    cancel = threading.Event()
    with (
        meanwhile(lambda: server.prompts, cancel.set),
        ComfyBackend(server.address, "megastyle", HASTY) as backend,
        pytest.raises(TransferCancelled),
    ):
        backend.run(ASKED, None, cancel)
    assert len(server.deleted) == 1 and not server.interrupted


def test_somebody_else_may_stop_the_job(server):
    server.runs[0] = "interrupted"

    def running() -> list[list[object]]:
        jobs: list[list[object]] = urllib3.request("GET", f"{server.address}/queue").json()["queue_running"]
        return jobs

    def stop() -> None:
        urllib3.request("POST", f"{server.address}/interrupt", json={"prompt_id": running()[0][1]})

    with meanwhile(running, stop), pytest.raises(TransferError, match="Somebody has stopped the job"):
        made(server)


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ("missing node", "refuses the workflow: Cannot execute because node Nope does not exist"),
        ("missing picture", "LoadImage .*Invalid image file: nope.png"),
        ("partly invalid", "UNETLoader .*'nope.safetensors' not in"),
        ("error", r"failed in the node 'LoadImage': cannot identify image file .* \(UnidentifiedImageError\)"),
    ],
)
def test_what_the_server_refuses_or_fails_at_is_told(server, run, words):
    server.runs[0] = run
    with pytest.raises(TransferError, match=words):
        made(server)
    assert not server.asked["GET", "/view"]


def test_a_full_gpu_is_told_with_what_helps(server, monkeypatch):
    run = json.loads(json.dumps(RECORDED["runs"]["error"]))
    failed = next(message for message in run["messages"] if message["type"] == "execution_error")
    failed["data"] |= {"exception_type": "torch.OutOfMemoryError", "exception_message": "Allocation on device"}
    monkeypatch.setitem(RECORDED["runs"], "full", run)
    server.runs[0] = "full"
    with pytest.raises(TransferError, match=r"memory of the server's GPU is full.*--lowvram"):
        made(server)


def test_all_that_a_server_lacks_is_told_at_once(server):
    del server.specs["StyleModelApply"]
    server.specs["VAELoader"] = {"input": {"required": {"vae_name": [["pixel_space"]]}}, "output": ["VAE"]}
    with pytest.raises(TransferError) as caught:
        ComfyBackend(server.address, "flux-redux", HASTY)
    assert "no node 'StyleModelApply'" in str(caught.value)
    assert "no 'ae.safetensors' for 'vae_name' of VAELoader (there is 'pixel_space')" in str(caught.value)


def test_a_server_of_another_kind_is_refused():
    with serving() as site:
        site.files["/object_info/LoadImage"] = b"<html>"
        with pytest.raises(TransferError, match=r"HTTP 404.*Is a ComfyUI there"):
            ComfyBackend(site.address, "flux-redux", HASTY)


@pytest.mark.parametrize("picture", [b"no picture", b""])
def test_a_picture_that_cannot_be_read_is_told(server, picture):
    server.picture = picture
    with pytest.raises(TransferError, match="that the server made cannot be read"):
        made(server)


@pytest.mark.parametrize("url", ["", "127.0.0.1:8188", "ftp://host", "http://me:secret@host"])
def test_addresses_are_checked(url):
    with pytest.raises(UsageError) as caught:
        load_backend(f"comfyui:{url}")
    assert "secret" not in str(caught.value)


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "websockets.sync.client", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'stylesearch\[comfyui\]'"):
        load_backend("comfyui:http://127.0.0.1:1")


def test_ours_offer_what_they_can(server):
    offered = {info.name.partition("#")[2]: info for info in describe()}
    for name in ("flux-redux", "megastyle"):
        with load_backend(f"comfyui:{server.address}#{name}") as backend:
            assert backend.capabilities == offered[name].capabilities
            assert backend.licence == offered[name].licence and backend.licence.commercial is False
    assert {info.name for info in describe()} <= {info.name for info in backends()}


@pytest.mark.parametrize("name", ["flux-redux", "megastyle"])
def test_ours_have_the_places_for_what_they_offer(server, name):
    with (
        ComfyBackend(server.address, name, HASTY) as ours,
        ComfyBackend(server.address, str(WORKFLOWS / f"{name}.json"), HASTY) as found,
    ):
        assert replace(ours.capabilities, needs_text=False) == found.capabilities
        assert found.licence.commercial is None


def test_what_a_workflow_has_no_place_for_is_refused(server, tmp_path):
    with ComfyBackend(server.address, scaling(tmp_path), HASTY) as backend:
        for wrong, words in (
            (TransferRequest((REFERENCE,), steps=9), "no place for steps"),
            (TransferRequest((REFERENCE,), strength=0.5), "no place for a strength"),
            (TransferRequest((REFERENCE,), count=2), "no seed"),
            (TransferRequest((REFERENCE,), prompt="a cat"), "takes no prompt"),
        ):
            with pytest.raises(UsageError, match=words):
                backend.run(wrong)
    assert not server.prompts
