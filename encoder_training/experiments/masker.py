"""The embedded masker, from scratch on two CPU cores, on pictures whose subject is known by construction.

    python -m encoder_training.experiments.masker --data DIR --out DIR --tag v1

DIR holds train/*.parquet (docs/training.md names the sets), whose pictures serve as backgrounds only; without --data
all backgrounds are drawn. About two hours on two cores, of which the drawing takes half; `--smoke` does one step of
everything at tiny sizes. Stages, each continued where it was interrupted:

1. `composites/*.npz`: pictures with the masks of their subjects.
2. `masker.pt`: training, with a checkpoint every 500 steps.
3. `masker-<tag>/`: export.

Expect the scores of docs/masking.md; `python -m benchmarks.masking` prints them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, max_pool2d

from encoder_training.composites import Composites, draw_composites, resized
from encoder_training.data import read_parquet
from stylesearch.images import Preprocess
from stylesearch.masking.network import MaskConfig, MaskNet

_PHOTOS_PER_SET = 150
_CHECKPOINT_EVERY = 500
_EMA = 0.998

# Four of five pictures have a subject, so the network is quick to see one. Of 480 fresh pictures in families of
# training this much more doubt errs least: it abstains in 93 % of those without a subject and in 3 % of those with one.
_CAUTION = 2.5


@dataclass(frozen=True)
class Settings:
    """What differs between a run and its smoke test."""

    config: MaskConfig = field(default_factory=MaskConfig)
    shards: int = 80
    per_shard: int = 512
    steps: int = 9000
    batch: int = 32
    workers: int = 2


SMOKE = Settings(MaskConfig(32, (8, 8), (0, 1), 8), shards=1, per_shard=8, steps=1, batch=4, workers=1)


def main(arguments: Sequence[str] | None = None) -> Path:
    """Runs what is not there yet.

    Returns:
        the folder of the exported weights.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with train/*.parquet")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and results")
    parser.add_argument("--tag", default="new", help="tag of the exported weights")
    parser.add_argument("--smoke", action="store_true", help="one step of everything, tiny sizes")
    chosen = parser.parse_args(arguments)
    settings = SMOKE if chosen.smoke else Settings()
    composites = chosen.out / "composites"
    draw(composites, settings, _photos(chosen.data, settings.config.image_size))
    network = train(composites, chosen.out / "masker.pt", settings)
    with torch.no_grad():
        network.stands_out.bias.sub_(_CAUTION)
    return export(network, chosen.tag, chosen.out)


def _photos(data: Path | None, size: int) -> np.ndarray | None:
    if data is None:
        return None
    found = []
    for path in sorted((data / "train").glob("*.parquet")):
        pictures = read_parquet(path).split()[0]
        rows = np.random.default_rng(0).permutation(len(pictures))[:_PHOTOS_PER_SET]
        found += [pictures.pixels(int(row), Preprocess(size)) for row in rows]
    return np.stack(found) if found else None


def draw(folder: Path, settings: Settings, photos: np.ndarray | None) -> None:
    """Writes the shards that `folder` lacks; every shard follows from its number alone."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [number for number in range(settings.shards) if not (folder / f"{number:04d}.npz").exists()]
    jobs = [(folder, number, settings.per_shard, settings.config.image_size, photos) for number in missing]
    if settings.workers < 2:
        for job in jobs:
            _draw_shard(*job)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(settings.workers, spawn, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for done in [pool.submit(_draw_shard, *job) for job in jobs]:
            done.result()


def _draw_shard(folder: Path, number: int, count: int, size: int, photos: np.ndarray | None) -> None:
    drawn = draw_composites(np.random.default_rng(number), count, size, photos)
    path = folder / f"{number:04d}.npz"
    with path.with_suffix(".new").open("wb") as stream:
        np.savez(stream, pixels=drawn.pixels, masks=drawn.masks, kinds=drawn.kinds)
    path.with_suffix(".new").replace(path)


def train(folder: Path, checkpoint: Path, settings: Settings) -> MaskNet:
    """Trains on the shards of a folder; goes on from the checkpoint if there is one."""
    torch.manual_seed(0)
    network = MaskNet(settings.config).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, settings.steps + 1, pct_start=0.1)
    smooth = torch.optim.swa_utils.get_ema_multi_avg_fn(_EMA)  # type: ignore[no-untyped-call]
    average = torch.optim.swa_utils.AveragedModel(network, multi_avg_fn=smooth, use_buffers=True)
    first = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        first = state["step"]
    shards = [_read(path) for path in sorted(folder.glob("*.npz"))]
    started = time.perf_counter()
    for step in range(first, settings.steps):
        images, masks = _batch(np.random.default_rng([1, step]), shards, settings.batch)
        with torch.autocast("cpu", torch.bfloat16):
            logits, stands_out = network(images.contiguous(memory_format=torch.channels_last))
        value = loss(logits, stands_out, masks)
        optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(network)
        if (step + 1) % 100 == 0:
            rate = (step + 1 - first) * settings.batch / (time.perf_counter() - started)
            print(f"step {step + 1}: loss {value.item():.3f}, {rate:.0f} pictures/s", flush=True)
        if (step + 1) % _CHECKPOINT_EVERY == 0 or step + 1 == settings.steps:
            state = {
                "network": network.state_dict(),
                "average": average.state_dict(),
                "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(),
                "step": step + 1,
            }
            torch.save(state, checkpoint.with_suffix(".new"))
            checkpoint.with_suffix(".new").replace(checkpoint)
    trained = average.module
    assert isinstance(trained, MaskNet)  # noqa: S101 - for the type checker
    return trained.eval()


def _read(path: Path) -> Composites:
    with np.load(path) as arrays:
        return Composites(arrays["pixels"], arrays["masks"], tuple(arrays["kinds"].tolist()))


def _batch(random: np.random.Generator, shards: Sequence[Composites], count: int) -> tuple[Tensor, Tensor]:
    """Images (N, 3, S, S) and masks (N, S, S) in [0, 1]: random shards, crops, flips, and inverted lightness now and
    then. Colours do not matter here, so they are shuffled, too."""
    images, masks = [], []
    for _ in range(count):
        shard = shards[int(random.integers(len(shards)))]
        row = int(random.integers(len(shard.masks)))
        pixels, mask = shard.pixels[row], shard.masks[row]
        size = len(mask)
        side = int(size * random.uniform(0.6, 1.0))
        top, left = random.integers(0, size - side + 1, 2)
        image = torch.from_numpy(pixels[top : top + side, left : left + side].copy()).permute(2, 0, 1)[None].float()
        cut = torch.from_numpy(mask[top : top + side, left : left + side].copy())[None, None].float()
        image, cut = (torch.nn.functional.interpolate(each, (size, size), mode="bilinear") for each in (image, cut))
        if random.random() < 0.5:
            image, cut = image.flip(3), cut.flip(3)
        if random.random() < 0.15:
            image = 255 - image
        if random.random() < 0.3:
            image = image[:, random.permutation(3).tolist()]
        images.append(image / 255)
        masks.append(cut[:, 0] / 255)
    return torch.cat(images), torch.cat(masks)


def loss(logits: Tensor, stands_out: Tensor, masks: Tensor) -> Tensor:
    """Cross-entropy and soft Dice of the masks, outlines counting thrice; cross-entropy of whether there is a subject.

    Args:
        logits: (N, S / 2, S / 2). stands_out: (N,). masks: (N, S, S) in [0, 1].
    """
    wanted = resized(masks, logits.shape[-1])
    spread = max_pool2d(wanted[:, None], 5, 1, 2)[:, 0] + max_pool2d(-wanted[:, None], 5, 1, 2)[:, 0]
    pixelwise = binary_cross_entropy_with_logits(logits, wanted, reduction="none") * (1 + 2 * spread)
    found = logits.sigmoid()
    there = (masks.mean((1, 2)) > 0.01).float()
    overlap = 2 * (found * wanted).sum((1, 2)) / (found.sum((1, 2)) + wanted.sum((1, 2)) + 1)
    dice = ((1 - overlap) * there).sum() / there.sum().clamp_min(1)
    return pixelwise.mean() + 0.5 * dice + 0.3 * binary_cross_entropy_with_logits(stands_out, there)


def export(network: MaskNet, tag: str, folder: Path) -> Path:
    """Writes `folder/masker-<tag>/` with fp16 weights and a manifest."""
    target = folder / f"masker-{tag}"
    target.mkdir(parents=True, exist_ok=True)
    state = {
        key: (value.half() if value.is_floating_point() else value).contiguous()
        for key, value in network.state_dict().items()
    }
    data = save(state)
    (target / "masker.safetensors").write_bytes(data)
    manifest = {
        "format": 1,
        "name": f"masker:{tag}",
        "tag": tag,
        "network": network.config.to_json(),
        "file": {"name": "masker.safetensors", "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()},
        "licence": "Apache-2.0",
    }
    (target / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    return target


if __name__ == "__main__":
    print(main())
