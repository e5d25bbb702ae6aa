"""StyleExpert: a mixture of LoRA experts on a FLUX transformer, written out by hand beside the fast version."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny_flux
import torch
from diffusers import FluxKontextPipeline, FluxTransformer2DModel
from pictures import assert_same_picture
from PIL import Image
from safetensors.torch import load_file, save_file
from siglip import published_layout, tiny_siglip
from torch import Tensor, nn

from stylesearch.encoders import load_encoder
from stylesearch.errors import TransferError, UsageError
from stylesearch.transfer import backends, load_backend
from stylesearch.transfer.base import StyleReference, TransferRequest
from stylesearch.transfer.styleexpert_experts import LoraExperts, Mixing, StyleExperts

STYLE_DIM, EXPERTS, RANK = 12, 5, 3
PER_DOUBLE, PER_SINGLE = 12, 5  # attention and feed-forward maps of a block of each kind


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return tiny_flux.transformer(blocks=1).eval().requires_grad_(False)


@pytest.fixture
def flux(network: nn.Module) -> nn.Module:
    return copy.deepcopy(network)


def fresh(flux: nn.Module, mixing: Mixing = Mixing(), trained: bool = True) -> StyleExperts:  # noqa: B008 - frozen
    torch.manual_seed(1)
    experts = StyleExperts.fresh(flux, STYLE_DIM, mixing, experts=EXPERTS, rank=RANK)
    if trained:
        with torch.no_grad():
            for parameter in experts.parameters():
                parameter.normal_(0, 0.3)
    return experts


def styles(count: int = 1) -> Tensor:
    return torch.randn(count, STYLE_DIM, generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def run(flux: nn.Module, batch: int = 1) -> Tensor:
    random = torch.Generator().manual_seed(3)
    ids = torch.zeros(4, 3)
    ids[:, 1] = torch.arange(4)
    given: Tensor = flux(
        hidden_states=torch.randn(batch, 4, 16, generator=random),
        encoder_hidden_states=torch.randn(batch, 6, tiny_flux.TEXT, generator=random),
        pooled_projections=torch.randn(batch, tiny_flux.POOLED, generator=random),
        timestep=torch.full((batch,), 0.5),
        guidance=torch.full((batch,), 3.5),
        img_ids=ids,
        txt_ids=torch.zeros(6, 3),
    ).sample
    return given


def by_hand(experts: LoraExperts, hidden: Tensor, style: Tensor, mixing: Mixing) -> Tensor:
    """The formula of section 3.3 for one style, expert by expert; or, as released, that of src/moe.py."""
    logits = experts.cond_gate.weight @ style
    order = sorted(range(EXPERTS), key=lambda index: -logits[index].item())[: mixing.top_k]
    gates = torch.tensor([logits[index].exp() for index in order])
    gates = gates / gates.sum()

    def lora(index: int | None) -> Tensor:
        if index is None:
            return hidden @ experts.shared_A[0].T @ experts.shared_B[0].T
        return hidden @ experts.loraA[index].T @ experts.loraB[index].T

    everyone: list[int | None] = [None, *order]
    shares = [*gates.tolist(), 0.0] if mixing.released else [1.0, *gates.tolist()]
    return mixing.alpha / RANK * torch.stack([s * lora(i) for s, i in zip(shares, everyone, strict=True)]).sum(0)


@pytest.mark.parametrize("mixing", [Mixing(), Mixing(top_k=1), Mixing(top_k=EXPERTS, alpha=2), Mixing(released=True)])
def test_a_mixture_is_what_the_formula_says(flux: nn.Module, mixing: Mixing) -> None:
    layer = next(iter(fresh(flux, mixing).layers.values()))
    both, hidden = styles(2), torch.randn(2, 7, 32)
    with torch.no_grad():
        layer.route(both, mixing)
        expected = torch.stack([by_hand(layer, hidden[row], both[row], mixing) for row in range(2)])
        torch.testing.assert_close(layer(hidden), expected, rtol=1e-5, atol=1e-5)


def test_the_router_picks_the_k_largest_from_the_style_alone(flux: nn.Module) -> None:
    experts = fresh(flux)
    experts.route(styles(3))
    for layer in experts.layers.values():
        expected = (styles(3) @ layer.cond_gate.weight.T).argsort(1, descending=True)[:, :2]
        assert torch.equal(layer.chosen, expected)
    assert len({tuple(layer.chosen[0].tolist()) for layer in experts.layers.values()}) > 1  # each map has its own
    before = [layer.chosen for layer in experts.layers.values()]
    run(flux, batch=3)
    assert all(layer.chosen is kept for layer, kept in zip(experts.layers.values(), before, strict=True))


def test_experts_stand_on_all_attention_and_feed_forward_maps(flux: nn.Module) -> None:
    names = list(fresh(flux).layers)
    assert len(names) == PER_DOUBLE + PER_SINGLE
    assert "transformer_blocks.0.ff_context.net.0.proj" in names and "single_transformer_blocks.0.proj_out" in names
    assert not any("norm" in name or name == "proj_out" for name in names)


def test_fresh_experts_change_nothing(flux: nn.Module) -> None:
    before = run(flux)
    experts = fresh(flux, trained=False)
    experts.route(styles())
    assert torch.equal(run(flux), before)


def test_trained_experts_change_the_picture_by_their_strength_and_style(flux: nn.Module) -> None:
    before = run(flux)
    experts = fresh(flux)
    experts.route(styles(), strength=0)
    assert torch.equal(run(flux), before)
    experts.route(styles())
    whole = run(flux)
    experts.route(styles(), strength=0.5)
    half = run(flux)
    experts.route(-styles())
    other = run(flux)
    assert min((a - b).abs().max().item() for a, b in ((whole, before), (half, whole), (other, whole))) > 1e-3
    experts.remove()
    assert torch.equal(run(flux), before)
    assert not any("lora_layer" in key for key in flux.state_dict())


def test_the_shared_expert_serves_every_style(flux: nn.Module) -> None:
    experts = fresh(flux)
    with torch.no_grad():
        for layer in experts.layers.values():
            layer.loraB.zero_()
    experts.route(styles())
    one = run(flux)
    experts.route(-styles())
    assert torch.equal(run(flux), one)


def test_each_picture_of_a_batch_has_its_own_experts(flux: nn.Module) -> None:
    experts = fresh(flux)
    both = styles(2)
    experts.route(both)
    together = run(flux, batch=2)
    for row in range(2):
        experts.route(both[row : row + 1])
        torch.testing.assert_close(run(flux, batch=2)[row], together[row], rtol=1e-4, atol=1e-5)


def test_no_style_is_an_error(flux: nn.Module) -> None:
    fresh(flux)
    with pytest.raises(TransferError, match="no style"):
        run(flux)


def test_saved_experts_load_and_give_the_same(flux: nn.Module, network: nn.Module, tmp_path: Path) -> None:
    mixing = Mixing(top_k=3, alpha=4, encoder="compact:v3", prompt="draw")
    experts = fresh(flux, mixing)
    experts.save(tmp_path / "experts.safetensors")
    again = copy.deepcopy(network)
    loaded = StyleExperts.load(again, tmp_path / "experts.safetensors")
    assert loaded.mixing == mixing and loaded.style_dim == STYLE_DIM
    experts.route(styles())
    loaded.route(styles())
    torch.testing.assert_close(run(again), run(flux), rtol=0, atol=1e-5)  # copied weights lie at other addresses


def test_published_names_load_and_are_mixed_as_released(network: nn.Module, tmp_path: Path) -> None:
    """The layout of src/moe.py: five tensors behind `.lora_layer.`, no metadata, some of the maps."""
    random = torch.Generator().manual_seed(4)
    shapes = {
        "loraA": (EXPERTS, RANK, 32),
        "loraB": (EXPERTS, 32, RANK),
        "shared_A": (1, RANK, 32),
        "shared_B": (1, 32, RANK),
        "cond_gate.weight": (EXPERTS, STYLE_DIM),
    }
    names = ("transformer_blocks.0.attn.to_q", "single_transformer_blocks.0.attn.to_v")
    state = {f"{n}.lora_layer.{k}": torch.randn(s, generator=random) for n in names for k, s in shapes.items()}
    for file in ("experts.safetensors", "experts.pth"):
        if file.endswith("pth"):
            torch.save(state, tmp_path / file)
        else:
            save_file(state, tmp_path / file)
        experts = StyleExperts.load(copy.deepcopy(network), tmp_path / file)
        assert experts.mixing == Mixing(top_k=2, alpha=16, released=True)
        assert set(experts.layers) == set(names)


def damaged(state: dict[str, Tensor], how: str) -> dict[str, Tensor]:
    name = next(iter(state))
    if how == "another network":
        return {key.replace("blocks.0", "blocks.7"): value for key, value in state.items()}
    if how == "another width":
        return {key: value[..., :-1] if key.endswith("loraA") else value for key, value in state.items()}
    if how == "a tensor missing":
        return {key: value for key, value in state.items() if key != name}
    if how == "ranks that differ":
        return {key: value[:, :-1] if key.endswith("loraA") else value for key, value in state.items()}
    return {"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": torch.zeros(2, 2)}


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("another network", "another transformer"),
        ("another width", "size|fit"),
        ("a tensor missing", "tensors"),
        ("ranks that differ", "fit each other"),
        ("a plain LoRA", "no experts of StyleExpert"),
    ],
)
def test_wrong_files_are_refused(flux: nn.Module, network: nn.Module, tmp_path: Path, how: str, said: str) -> None:
    path = tmp_path / "experts.safetensors"
    fresh(flux).save(path)
    state = {key: value.contiguous() for key, value in damaged(load_file(path), how).items()}
    save_file(state, path)
    untouched = copy.deepcopy(network)
    with pytest.raises(TransferError, match=said):
        StyleExperts.load(untouched, path)
    assert not any("lora_layer" in key for key in untouched.state_dict())


def test_a_style_latent_of_another_encoder_is_refused(flux: nn.Module) -> None:
    with pytest.raises(TransferError, match="12 numbers, not of 3"):
        fresh(flux).route(torch.zeros(1, 3))


def test_experts_are_not_laid_on_twice(flux: nn.Module) -> None:
    fresh(flux)
    with pytest.raises(TransferError, match="has experts already"):
        fresh(flux)


def test_a_damaged_file_is_named(flux: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "experts.safetensors"
    path.write_bytes(b"\x10\0\0\0\0\0\0\0{}")
    with pytest.raises(TransferError, match=r"experts\.safetensors"):
        StyleExperts.load(flux, path)


@pytest.fixture(scope="module")
def kontext(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_flux.save_flux(tmp_path_factory.mktemp("kontext"), FluxKontextPipeline)


def save_mixture(folder: Path, mixing: Mixing, style_dim: int) -> None:
    """Experts that show, for the transformer of a folder."""
    flux = FluxTransformer2DModel.from_pretrained(folder / "transformer")
    torch.manual_seed(5)
    experts = StyleExperts.fresh(flux, style_dim, mixing, experts=EXPERTS, rank=RANK)
    with torch.no_grad():
        for parameter in experts.parameters():
            parameter.normal_(0, 0.2)
    part = folder / "styleexpert" / "weights"
    part.mkdir(parents=True)
    experts.save(part / "moe.safetensors")


@pytest.fixture
def folder(kontext: Path, tmp_path: Path) -> Path:
    """A Kontext with a mixture whose routers know `compact:v3`."""
    shutil.copytree(kontext, tmp_path / "model")
    mixing = Mixing(encoder="compact:v3", prompt="redraw it")
    save_mixture(tmp_path / "model", mixing, load_encoder("compact:v3").dim)
    return tmp_path / "model"


def picture(seed: int, width: int = 96, height: int = 64) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def request(*seeds: int, weights: tuple[float, ...] = (), strength: float = 1.0) -> TransferRequest:
    weighed = zip(seeds, weights or (1.0,) * len(seeds), strict=True)
    references = tuple(StyleReference(picture(seed), weight) for seed, weight in weighed)
    return TransferRequest(references, content=picture(9), width=64, height=96, steps=2, strength=strength)


def test_the_backend_redraws_a_content_by_style(folder: Path) -> None:
    with load_backend(f"styleexpert@{folder}") as backend:

        def drawn(*seeds: int, weights: tuple[float, ...] = (), strength: float = 1.0) -> np.ndarray:
            (result,) = backend.run(request(*seeds, weights=weights, strength=strength))
            assert result.picture.size == (64, 96)
            return np.asarray(result.picture, np.int16)

        one, other = drawn(1), drawn(2)
        assert_same_picture(drawn(1), one)  # a seed gives its picture again
        assert not np.array_equal(one, other)
        # Of two references the heavy one counts: all but alone it gives nearly its own picture.
        assert_same_picture(drawn(1, 2, weights=(1e9, 1e-9)), one)
        assert not np.array_equal(drawn(1, 2), one)
        assert_same_picture(drawn(1, strength=0), drawn(2, strength=0))
        models = backend.run(request(1))[0].models
        assert [model.name for model in models] == ["model", "moe.safetensors"]
        assert all(model.sha256 and len(model.sha256) == 64 for model in models)
        assert backend.licence.commercial is False


def test_published_files_find_their_encoder(kontext: Path, tmp_path: Path) -> None:
    """StyleExpert's own files: experts and style encoder told apart by their tensors, SigLIP beside them."""
    folder = tmp_path / "model"
    shutil.copytree(kontext, folder)
    save_mixture(folder, Mixing(), style_dim=2 * 4 * 6)
    weights = folder / "styleexpert" / "weights"
    save_file(load_file(weights / "moe.safetensors"), weights / "moe.safetensors")  # published ones have no metadata
    with pytest.raises(TransferError, match="lack the style encoder"):
        load_backend(f"styleexpert@{folder}")
    shapes = {"embedding_linears.{}.0": (4, 25), "layer_norms.{}": (128,), "projections.{}": (6, 128)}
    state = {}
    for name, shape in shapes.items():
        for layer in (-2, -3):
            state[f"{name.format(layer)}.weight"] = torch.randn(shape)
            state[f"{name.format(layer)}.bias"] = torch.randn(shape[0])
    save_file(state, weights / "style_encoder.safetensors")
    siglip = weights / "siglip-so400m-patch14-384"
    siglip.mkdir()
    save_file(published_layout(tiny_siglip()), siglip / "model.safetensors")
    with load_backend(f"styleexpert@{folder}") as backend:
        results = backend.run(request(1))
    assert len(results) == 1 and len(results[0].models) == 2


def test_folders_that_lack_a_part_are_named(kontext: Path, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="names no folder"):
        load_backend("styleexpert")
    with pytest.raises(UsageError, match=r"no model_index\.json"):
        load_backend(f"styleexpert@{tmp_path / 'nowhere'}")
    with pytest.raises(TransferError, match="hf download HH-LG/StyleExpert"):
        load_backend(f"styleexpert@{kontext}")
    weights = folder / "styleexpert" / "weights"
    shutil.copy(weights / "moe.safetensors", weights / "again.safetensors")
    with pytest.raises(TransferError, match="2 mixtures of experts"):
        load_backend(f"styleexpert@{folder}")


def test_it_is_offered() -> None:
    (info,) = [info for info in backends() if info.name.startswith("styleexpert")]
    assert info.usable and info.capabilities.needs_content and "CC BY-NC" in info.licence.text
