"""Each kind of FLUX transfer from a folder to pictures, and what goes wrong on the way; on tiny models, on the CPU."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import numpy as np
import pytest
import tiny_flux
import torch
from diffusers import FluxKontextPipeline
from pictures import assert_same_picture
from PIL import Image
from safetensors.torch import load_file, save_file

from stylesearch.errors import MissingDependencyError, TransferCancelled, TransferError, UsageError
from stylesearch.transfer import flux, weight_digests
from stylesearch.transfer.base import StyleReference, TransferProgress, TransferRequest
from stylesearch.transfer.flux_backend import FluxBackend
from stylesearch.transfer.flux_lora import attached_layers
from stylesearch.transfer.flux_memory import RESERVE, Placement, choose_placement, network_sizes, place

Folders: TypeAlias = Callable[[str], Path]
Loader: TypeAlias = Callable[[str], FluxBackend]
GIB = 1 << 30


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """The model folder of a kind; never written to."""
    dev = tiny_flux.save_all(tmp_path_factory.mktemp("dev"))
    others = {
        "kontext": tiny_flux.save_flux(tmp_path_factory.mktemp("kontext"), FluxKontextPipeline),
        "klein": tiny_flux.save_klein(tmp_path_factory.mktemp("klein")),
    }
    return lambda kind: others.get(kind, dev)


@pytest.fixture(scope="module")
def loaded(folder_of: Folders) -> Loader:
    """Backends by kind, each loaded once."""
    return cache(lambda kind: cast(FluxBackend, flux.load(f"{kind}@{folder_of(kind)}")))


@pytest.fixture
def broken(folder_of: Folders, tmp_path: Path) -> Path:
    """A copy of FLUX.1 with all its parts, to be damaged."""
    return shutil.copytree(folder_of("mega"), tmp_path / "dev")


def picture(number: int, width: int = 80, height: int = 64) -> Image.Image:
    noise = np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def request_for(kind: str, **options: Any) -> TransferRequest:
    """As much as a kind takes, up to two references."""
    can = flux.KINDS[kind].capabilities
    given = {
        "references": tuple(StyleReference(picture(i)) for i in range(min(2, can.references))),
        "prompt": "a cat",
        "content": picture(9, 120, 90) if can.content else None,
        "width": 100,
        "height": 64,
        "steps": 2,
        "seed": 5,
    }
    return TransferRequest(**{**given, **options})


def same(one: Image.Image, other: Image.Image) -> bool:
    return one.tobytes() == other.tobytes()


@pytest.mark.parametrize("kind", flux.KINDS)
def test_each_kind_makes_pictures_that_its_seed_makes_again(kind: str, loaded: Loader) -> None:
    backend = loaded(kind)
    steps: list[TransferProgress] = []
    both = backend.run(request_for(kind, count=2), steps.append)
    assert [result.picture.size for result in both] == [(96, 64)] * 2  # the grid of tokens is 16 pixels
    assert [result.seed for result in both] == [5, 6]
    assert all(result.picture.mode == "RGB" and result.seconds > 0 for result in both)
    assert [(step.done, step.total) for step in steps] == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    again = backend.run(request_for(kind, seed=6))[0]
    assert_same_picture(again.picture, both[1].picture)
    assert not same(both[0].picture, both[1].picture)
    assert not same(backend.run(request_for(kind, seed=6, prompt="dogs"))[0].picture, again.picture)


@pytest.mark.parametrize("kind", flux.KINDS)
def test_results_name_their_models(kind: str, loaded: Loader, folder_of: Folders) -> None:
    models = loaded(kind).run(request_for(kind, steps=1))[0].models
    added = {"mega": "style.safetensors", "lora": "style.safetensors", "redux": "redux", "ip-adapter": "ip-adapter"}
    assert [model.name for model in models] == [folder_of(kind).name, *([added[kind]] if kind in added else [])]
    assert all(model.sha256 and len(model.sha256) == 64 and model.licence for model in models)
    if models[-1].name == "style.safetensors":
        assert models[-1].sha256 == weight_digests.file_sha256(folder_of(kind) / kind / "style.safetensors")


def test_in_bfloat16_too(folder_of: Folders) -> None:
    with closing(tiny_flux.open_backend("mega", folder_of("mega"), "bfloat16")) as backend:
        assert np.asarray(backend.run(request_for("mega"))[0].picture).std() > 1


def test_cancelled_between_two_steps_and_ready_for_the_next_request(loaded: Loader) -> None:
    backend, asked, stop = loaded("redux"), request_for("redux", steps=4), threading.Event()
    before = backend.run(asked)[0]
    seen: list[int] = []

    def watch(step: TransferProgress) -> None:
        seen.append(step.done)
        if step.done == 2:
            stop.set()

    with pytest.raises(TransferCancelled, match="was cancelled after 3 of 4 steps"):
        backend.run(asked, watch, stop)
    assert seen == [0, 1, 2]
    assert_same_picture(backend.run(asked)[0].picture, before.picture)


@pytest.mark.parametrize(("kind", "strength"), [("mega", 1.0), ("lora", 0.25)])
def test_alpha_of_the_file_counts_for_a_lora_and_not_for_megastyle(broken: Path, kind: str, strength: float) -> None:
    path = broken / kind / "style.safetensors"
    state = load_file(path)
    names = [name.removesuffix(".lora_A.weight") for name in state if name.endswith(".lora_A.weight")]
    save_file(state | {f"{name}.alpha": torch.tensor(1.0) for name in names}, path)  # of rank 4
    with closing(tiny_flux.open_backend(kind, broken)) as backend:
        layers = attached_layers(backend._recipe.pipe.transformer)
    assert len(layers) == len(names)
    for name in names:
        wanted = strength * state[f"{name}.lora_B.weight"] @ state[f"{name}.lora_A.weight"]
        delta = layers[name.removeprefix("transformer.")].get_delta_weight("style")
        torch.testing.assert_close(delta.detach().cpu(), wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), RuntimeError("can't allocate memory")],
)
def test_a_full_card_is_said_plainly(loaded, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    backend, asked = loaded("mega"), request_for("mega")

    def full(*_args: object, **_kwargs: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(backend._recipe.pipe.transformer, "forward", full)
        with pytest.raises(TransferError, match=r"failed at 96 x 64 pixels: memory is full. Ask for a smaller picture"):
            backend.run(asked)
    assert backend.run(asked)


def test_what_no_model_is_said_before_anything_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="Write flux:KIND@FOLDER; a kind is one of: mega, redux"):
        flux.load("mega")
    with pytest.raises(UsageError, match="no backend 'flux:oil@/x'"):
        flux.load("oil@/x")
    with pytest.raises(UsageError, match=r"no model in diffusers' layout.*FLUX.1-dev and, in 'redux'"):
        flux.load(f"redux@{tmp_path}")
    (tmp_path / "model_index.json").write_text("{}")
    monkeypatch.setattr(flux, "find_spec", lambda package: None if package == "peft" else object())
    with pytest.raises(MissingDependencyError, match=r"'peft' is needed .*pip install 'stylesearch\[flux\]'"):
        flux.load(f"redux@{tmp_path}")
    assert "stylesearch[flux]" in flux.describe()[0].missing


def test_every_kind_is_described() -> None:
    infos = flux.describe()
    assert [info.name for info in infos] == [f"flux:{kind}@FOLDER" for kind in flux.KINDS]
    assert all(info.usable and info.licence.text and "FOLDER:" in info.what for info in infos)


def damaged_index(folder: Path) -> None:
    (folder / "model_index.json").write_text("{")


def another_model(folder: Path) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "_class_name": "StableDiffusionPipeline"}))


def cut_weights(folder: Path) -> None:
    path = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def pickled_weights(folder: Path) -> None:
    path = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    torch.save({}, path.with_suffix(".bin"))
    path.unlink()


def two_loras(folder: Path) -> None:
    shutil.copy(folder / "mega" / "style.safetensors", folder / "mega" / "other.safetensors")


WRONG = [
    ("mega", damaged_index, "model_index.json' cannot be read"),
    ("mega", another_model, "is a 'StableDiffusionPipeline'; this kind needs a FluxPipeline"),
    ("kontext", lambda folder: None, "is a 'FluxPipeline'; this kind needs a FluxKontextPipeline"),
    ("mega", cut_weights, "cannot be loaded .*It needs a folder with FLUX.1-dev"),
    ("mega", pickled_weights, "cannot be loaded .*It needs a folder with FLUX.1-dev"),
    ("lora", lambda folder: shutil.rmtree(folder / "vae"), "cannot be loaded .*It needs a folder with FLUX.1-dev"),
    ("lora", lambda folder: shutil.rmtree(folder / "lora"), "There are 0 files '[*].safetensors' in '.*lora'"),
    ("mega", two_loras, "There are 2 files"),
    ("redux", lambda folder: shutil.rmtree(folder / "redux"), "Put FLUX.1-Redux-dev into '.*redux'"),
    ("ip-adapter", lambda folder: shutil.rmtree(folder / "ip-adapter" / "image_encoder"), "Put the CLIP image encoder"),
    ("ip-adapter", lambda folder: tiny_flux.save_ip_adapter(folder / "ip-adapter", blocks=1), "cannot be loaded"),
]


@pytest.mark.parametrize(("kind", "damage", "words"), WRONG)
def test_a_folder_that_cannot_be_used_is_said_plainly(broken: Path, kind: str, damage, words: str) -> None:
    damage(broken)
    with pytest.raises(TransferError, match=words):
        flux.load(f"{kind}@{broken}")


def test_the_fastest_placement_that_fits_is_chosen() -> None:
    sizes = {"transformer": 24 * GIB, "text_encoder_2": 10 * GIB, "vae": GIB}
    assert choose_placement(sizes, None) == Placement("resident")
    assert choose_placement(sizes, 35 * GIB + RESERVE) == Placement("resident")
    assert choose_placement(sizes, 34 * GIB + RESERVE) == Placement("offload")
    assert choose_placement(sizes, 23 * GIB + RESERVE) == Placement("offload", fp8=True)
    assert choose_placement(sizes, 11 * GIB + RESERVE) == Placement("layers")


@pytest.mark.parametrize("mode", ["offload", "layers"])
@pytest.mark.parametrize("kind", ["redux", "ip-adapter"])
def test_where_weights_wait_changes_no_picture(
    kind: str, mode: Literal["offload", "layers"], folder_of: Folders
) -> None:
    asked = request_for(kind)
    with closing(tiny_flux.open_backend(kind, folder_of(kind))) as backend:
        resident = backend.run(asked)[0].picture
        for pipeline in backend._recipe.pipelines:
            place(pipeline, Placement(mode), torch.device("cpu"))
        assert_same_picture(backend.run(asked)[0].picture, resident)


def test_weights_in_float8_take_less_and_draw_nearly_the_same(folder_of: Folders) -> None:
    asked = request_for("mega", strength=0.8)
    with closing(tiny_flux.open_backend("mega", folder_of("mega"), "bfloat16")) as backend:
        pipe, exact = backend._recipe.pipe, backend.run(asked)[0].picture
        before = network_sizes(pipe)["transformer"]
        place(pipe, Placement("resident", fp8=True), torch.device("cpu"))
        assert pipe.transformer.transformer_blocks[0].ff.net[2].weight.dtype == torch.float8_e4m3fn
        assert pipe.transformer.transformer_blocks[0].attn.to_q.lora_A["style"].weight.dtype == torch.bfloat16
        assert network_sizes(pipe)["transformer"] < 0.8 * before
        drawn = backend.run(asked)[0].picture
    difference = np.abs(np.asarray(drawn, float) - np.asarray(exact, float)).mean()
    assert 0 < difference < 20


def test_pictures_above_the_vae_s_size_are_decoded_in_tiles(loaded: Loader) -> None:
    vae = loaded("lora")._recipe.pipe.vae
    assert vae.use_tiling
    assert vae.tile_sample_min_size == 1024


def test_digests_are_read_again_only_where_a_file_has_changed(tmp_path: Path) -> None:
    one, two = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    one.write_bytes(b"one")
    two.write_bytes(b"two")
    first, both = weight_digests.file_sha256(one), weight_digests.weights_sha256([one, two], tmp_path)
    assert first == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
    assert weight_digests.weights_sha256([one], tmp_path) == first
    assert weight_digests.weights_sha256([two, one], tmp_path) == both != first
    status = one.stat()
    one.write_bytes(b"new")
    os.utime(one, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert weight_digests.file_sha256(one) == first  # same size, same time: not read
    os.utime(one, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert weight_digests.file_sha256(one) != first
    assert weight_digests.weights_sha256([one, two], tmp_path) != both
