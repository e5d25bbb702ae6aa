"""Training on FLUX: the loss by hand, the LoRA in its published names, a pair learnt by heart, whole runs."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny_flux
import torch
from diffusers import FluxKontextPipeline, FluxPipeline, FluxTransformer2DModel
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from encoder_training.data import LabelledPictures
from encoder_training.experiments import megastyle_flux, styleexpert_flux
from encoder_training.transfer import speed
from encoder_training.transfer.finetune import Finetuning, finetune
from encoder_training.transfer.flow import Beside, Texts, flow_loss, noise_levels, pack
from encoder_training.transfer.frozen import FrozenFlux
from encoder_training.transfer.kohya import KohyaLora, fused_maps
from encoder_training.transfer.pairs import LabelledPairs, RenderedPairs, RenderedTriplets, TripletFile, augmented
from stylesearch.errors import UsageError
from stylesearch.transfer.flux_lora import attach_lora, attached_layers
from stylesearch.transfer.flux_pipeline import positions
from stylesearch.transfer.styleexpert_experts import Mixing, StyleExperts


@pytest.fixture(scope="module")
def kontext(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_flux.save_flux(tmp_path_factory.mktemp("kontext"), FluxKontextPipeline)


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_flux.save_flux(tmp_path_factory.mktemp("dev"), FluxPipeline)


def test_noise_levels_are_those_of_diffsynth() -> None:
    """FlowMatchScheduler(shift=3).set_timesteps(1000, training=True), a loop over its levels."""
    noise = noise_levels()
    least, sigmas, bells = 0.003 / 1.002, [], []
    for step in range(1000):
        even = 1 + (least - 1) * step / 999
        sigmas.append(3 * even / (1 + 2 * even))
        bells.append(float(np.exp(-2 * ((1000 * sigmas[-1] - 500) / 1000) ** 2)))
    raised = np.array(bells) - min(bells)
    np.testing.assert_allclose(noise.sigmas, sigmas, rtol=1e-5)
    np.testing.assert_allclose(noise.weights, raised * 1000 / raised.sum(), rtol=1e-3, atol=1e-4)


def test_tokens_are_packed_as_diffusers_packs_them() -> None:
    latents = torch.randn(2, 4, 6, 8)
    assert torch.equal(pack(latents), FluxPipeline._pack_latents(latents, 2, 4, 6, 8))


class Recorder(nn.Module):
    """Stands where the transformer stands: predicts zero and keeps what it was given."""

    config, dtype = SimpleNamespace(guidance_embeds=True), torch.float32

    def forward(self, **given: Tensor) -> tuple[Tensor]:
        self.given = given
        return (torch.zeros_like(given["hidden_states"]),)


def test_the_loss_is_that_of_the_target_tokens_alone() -> None:
    """By hand: the reference is clean and one width to the right; a zero prediction costs |noise - target|^2."""
    recorder, noise = Recorder(), noise_levels()
    target, reference = torch.randn(2, 4, 4, 6), torch.randn(2, 4, 4, 6)
    texts = Texts(torch.randn(2, 5, 8), torch.randn(2, 3))
    loss = flow_loss(recorder, target, Beside(reference, column=3), texts, noise, torch.Generator().manual_seed(7))
    random = torch.Generator().manual_seed(7)
    levels = torch.randint(1000, (2,), generator=random)
    drawn = torch.randn(2, 6, 16, generator=random)
    costs = []
    for row, level in enumerate(levels.tolist()):
        sigma, clean = noise.sigmas[level], pack(target)[row]
        seen = recorder.given["hidden_states"][row]
        torch.testing.assert_close(seen[:6], (1 - sigma) * clean + sigma * drawn[row])
        assert torch.equal(seen[6:], pack(reference)[row])
        costs.append(noise.weights[level] * (drawn[row] - clean).square().mean())
    torch.testing.assert_close(loss, torch.stack(costs).mean())
    assert torch.equal(recorder.given["timestep"], noise.sigmas[levels])
    assert recorder.given["guidance"].tolist() == [1.0, 1.0]
    expected = torch.cat([positions(2, 3), positions(2, 3) + torch.tensor([0, 0, 3])])
    assert torch.equal(recorder.given["img_ids"], expected)


# What align_to_opensource_format of DiffSynth writes, and what its align_to_diffsynth_format reads.
DOUBLE = [f"{s}_{m}" for s in ("img", "txt") for m in ("attn_qkv", "attn_proj", "mlp_0", "mlp_2", "mod_lin")]
SINGLE = ["linear1", "linear2", "modulation_lin"]


def test_the_lora_has_the_published_names(tmp_path: Path) -> None:
    lora = KohyaLora(tiny_flux.transformer(blocks=2), rank=3)
    lora.save(tmp_path / "lora.safetensors")
    state = load_file(tmp_path / "lora.safetensors")
    stems = [f"lora_unet_double_blocks_{i}_{name}" for i in (0, 1) for name in DOUBLE]
    stems += [f"lora_unet_single_blocks_{i}_{name}" for i in (0, 1) for name in SINGLE]
    parts = ("lora_down.weight", "lora_up.weight", "alpha")
    assert set(state) == {f"{stem}.{part}" for stem in stems for part in parts}
    assert {value.item() for key, value in state.items() if key.endswith(".alpha")} == {3.0}
    assert len(list(fused_maps(FluxTransformer2DModel(**META)))) == 19 * 10 + 38 * 3  # FLUX.1


META = {"attention_head_dim": 16, "num_attention_heads": 1, "axes_dims_rope": (4, 4, 8), "joint_attention_dim": 8}


def trained(lora: KohyaLora) -> KohyaLora:
    with torch.no_grad():
        for parameter in lora.parameters():
            parameter.normal_(0, 0.1)
    return lora


def test_a_fresh_lora_changes_nothing_and_a_saved_one_loads(tmp_path: Path) -> None:
    flux = tiny_flux.transformer(blocks=1)
    linear, taken = flux.transformer_blocks[0].attn.to_k, torch.randn(2, 32)
    before = linear(taken)
    lora = KohyaLora(flux, rank=2)
    assert torch.equal(linear(taken), before)
    trained(lora).save(tmp_path / "lora.safetensors")
    after = linear(taken)
    assert not torch.allclose(after, before)
    with torch.no_grad():
        for parameter in lora.parameters():
            parameter.zero_()
    lora.load(tmp_path / "lora.safetensors")
    torch.testing.assert_close(linear(taken), after, rtol=0, atol=1e-6)  # loaded weights lie at other addresses
    with pytest.raises(UsageError, match="no LoRA of rank 5"):
        KohyaLora(tiny_flux.transformer(blocks=1), rank=5).load(tmp_path / "lora.safetensors")


@torch.no_grad()
def test_diffusers_loads_the_same_delta(tmp_path: Path) -> None:
    """At FLUX.1's width, which diffusers' converter takes for granted; the weights themselves are never touched."""
    with torch.device("meta"):
        config = {"num_layers": 1, "num_single_layers": 1, "joint_attention_dim": 8, "pooled_projection_dim": 8}
        ours, theirs = FluxTransformer2DModel(**config), FluxTransformer2DModel(**config)
    torch.manual_seed(0)
    lora = KohyaLora(ours, rank=4)
    trained(lora).save(tmp_path / "lora.safetensors")
    attach_lora(theirs.to_empty(device="cpu"), tmp_path / "lora.safetensors")
    layers, checked = attached_layers(theirs), 0
    names = {module: name for name, module in ours.named_modules()}
    for stem, linears in fused_maps(ours):
        start = 0
        for linear in linears:
            rows = slice(start, start := start + linear.out_features)
            layer = layers[names[linear]]
            probe = torch.randn(3, linear.in_features)
            mine = lora.maps[stem](probe, rows)
            loaded = layer.scaling["style"] * layer.lora_B["style"](layer.lora_A["style"](probe))
            torch.testing.assert_close(loaded, mine, rtol=1e-6, atol=1e-6 * mine.abs().max().item())
            checked += 1
    assert checked == len(layers) == 20


def learn_by_heart(
    flux: FrozenFlux,
    beside: Beside,
    target: Tensor,
    texts: Texts,
    parameters: list[nn.Parameter],
    steps: int,
    unlike: float,
) -> None:
    """Trains on one pair, under new noise in each step; the loss of unseen noise must become ten times smaller.

    unlike: how many times larger the loss of the mirrored picture must be, which nobody has seen.
    """

    def loss(target: Tensor, seed: int, count: int = 16) -> Tensor:
        def many(one: Tensor) -> Tensor:
            return one.expand(count, *one.shape[1:])

        seen = Beside(many(beside.latents), beside.time, beside.column)
        said, random = Texts(many(texts.tokens), many(texts.pooled)), torch.Generator().manual_seed(seed)
        return flow_loss(flux.pipe.transformer, many(target), seen, said, noise_levels(), random)

    def unseen(target: Tensor) -> float:
        with torch.no_grad():
            return loss(target, seed=10_000, count=64).item()

    before = unseen(target)
    optimiser = torch.optim.AdamW(parameters, weight_decay=0)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 1e-2 * min(1, (step + 1) / 20, 0.02 + 2.5 * (steps - step) / steps)
        optimiser.zero_grad()
        loss(target, step).backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
    after = unseen(target)
    assert before / after > 10
    assert unseen(target.flip(3)) / after > unlike


def rendered_pair(folder: Path, wanted: str, wider: float) -> tuple[FrozenFlux, Tensor, Tensor, Texts]:
    """A model somewhat larger than the smallest, one rendered pair as latents, and its caption.

    wider: the latents of an untrained VAE are narrow; those of a trained one are about 1 wide.
    """
    flux = FrozenFlux.load(folder, wanted, "float32")
    torch.manual_seed(0)
    flux.pipe.register_modules(transformer=tiny_flux.transformer(blocks=1, heads=6).requires_grad_(False))
    pair = RenderedPairs().draw(np.random.default_rng(0), 64)
    target, reference = (wider * flux.latents([pair.target, pair.reference])).split(1)
    return flux, target, reference, flux.texts([pair.prompt], 16)


def test_a_lora_learns_one_rendered_pair_by_heart(dev: Path) -> None:
    flux, target, reference, texts = rendered_pair(dev, "FluxPipeline", wider=4)
    lora = KohyaLora(flux.pipe.transformer, rank=16)
    beside = Beside(reference, column=target.shape[3] // 2)
    learn_by_heart(flux, beside, target, texts, list(lora.parameters()), steps=120, unlike=3)


def test_experts_learn_one_rendered_pair_by_heart(kontext: Path) -> None:
    flux, target, content, texts = rendered_pair(kontext, "FluxKontextPipeline", wider=1)
    experts = StyleExperts.fresh(flux.pipe.transformer, 8, Mixing(alpha=8), experts=3, rank=8)
    style = torch.randn(1, 8)
    flux.pipe.transformer.register_forward_pre_hook(lambda *_: experts.route(style))
    learn_by_heart(flux, Beside(content, time=1), target, texts, list(experts.parameters()), steps=90, unlike=1.1)


def test_an_interrupted_run_gives_the_losses_it_would_have_given(tmp_path: Path) -> None:
    def run(steps: int, out: Path) -> list[float]:
        weight = nn.Parameter(torch.ones(3))

        def loss(example: int) -> Tensor:
            return (weight - torch.randn(3, generator=torch.Generator().manual_seed(example))).square().sum()

        def export(path: Path) -> None:
            torch.save(weight, path)

        settings = Finetuning([weight], loss, export, "weight.pt", steps, accumulate=2, warmup=3, save_every=2)
        assert finetune(settings, out).is_file()
        return [json.loads(line)["loss"] for line in (out / "metrics.jsonl").read_text().splitlines()]

    whole = run(7, tmp_path / "whole")
    run(4, tmp_path / "interrupted")
    assert run(7, tmp_path / "interrupted") == whole and len(whole) == 7


def test_pairs_are_of_one_style_and_say_what_the_target_shows() -> None:
    flat = [Image.new("RGB", (40, 40), (40 * row, 0, 0)) for row in range(5)]
    blobs = []
    for picture in flat:
        picture.save(stream := io.BytesIO(), "PNG")
        blobs.append(stream.getvalue())
    styles, contents = ["a", "a", "b", "b", "alone"], ["cat", "dog", "sun", "sea", "x"]
    source = LabelledPairs(LabelledPictures("set", blobs, styles, contents, [""] * 5))
    for seed in range(20):
        pair = source.draw(np.random.default_rng(seed), 16)
        target, reference = (int(each[0, 0, 0]) // 40 for each in (pair.target, pair.reference))
        assert target != reference and styles[target] == styles[reference] and contents[target] == pair.prompt
    with pytest.raises(UsageError, match="No style of 'set' has two pictures"):
        LabelledPairs(LabelledPictures("set", blobs[:1], styles[:1], contents[:1], [""]))


def test_a_reference_is_flipped_and_cut_as_published() -> None:
    ramp = torch.arange(100).repeat(100, 1)[..., None].expand(-1, -1, 3).to(torch.uint8)
    flips, cuts = 0, 0
    for seed in range(200):
        row = augmented(np.random.default_rng(seed), ramp)[50, :, 0].int()
        flips += int(row[0] > row[-1])
        kept = (row[0] - row[-1]).abs().item()
        assert kept >= 99 * 0.8**0.5 - 2  # a square of at least 0.8 of the area
        cuts += int(kept < 98)
    assert 70 < flips < 130 and 70 < cuts < 130


def save_triplets(path: Path, without: str = "") -> Path:
    columns = {}
    for level, name in enumerate(("content", "style", "stylised")):
        Image.new("RGB", (20, 30), (0, 60 * level, 0)).save(stream := io.BytesIO(), "PNG")
        columns[name] = [{"bytes": stream.getvalue(), "path": None}]
    pq.write_table(pa.table({name: value for name, value in columns.items() if name != without}), path)
    return path


def test_triplets_come_from_files_and_renderers(tmp_path: Path) -> None:
    triplet = TripletFile(save_triplets(tmp_path / "t.parquet")).draw(np.random.default_rng(0), 16)
    levels = [each[..., 1].float().mean().item() for each in (triplet.content, triplet.style, triplet.stylised)]
    assert levels == [0, 60, 120] and triplet.prompt == ""
    with pytest.raises(UsageError, match="no column 'style'"):
        TripletFile(save_triplets(tmp_path / "u.parquet", without="style"))
    drawn = RenderedTriplets().draw(np.random.default_rng(1), 32)
    assert drawn.content.shape == drawn.style.shape == drawn.stylised.shape == (32, 32, 3)
    assert drawn.prompt and not torch.equal(drawn.content, drawn.stylised)


def test_the_experiment_of_megastyle_runs_and_its_backend_takes_the_result(dev: Path, tmp_path: Path) -> None:
    written = megastyle_flux.main(["--model", str(dev), "--out", str(tmp_path), "--smoke"])
    flux = tiny_flux.transformer()
    lora = KohyaLora(flux, rank=4)
    lora.load(written)
    assert any(fused.up.abs().max() > 0 for _, fused in lora.fused())
    with pytest.raises(UsageError, match="this needs a 'FluxKontextPipeline'"):
        FrozenFlux.load(dev, "FluxKontextPipeline")


def test_the_experiment_of_styleexpert_runs_and_its_experts_load(kontext: Path, tmp_path: Path) -> None:
    triplets = save_triplets(tmp_path / "t.parquet")
    options = ["--model", str(kontext), "--triplets", str(triplets), "--out", str(tmp_path), "--smoke"]
    experts = StyleExperts.load(tiny_flux.transformer(), styleexpert_flux.main(options))
    assert experts.mixing.encoder == "compact:v3" and not experts.mixing.released
    assert any(layer.shared_B.abs().max() > 0 for layer in experts.layers.values())


def test_the_speed_of_training_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    speed.main(["--size", "tiny", "--pixels", "64", "--steps", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["lora", "experts"]
    assert all("s/step" in line for line in lines)
