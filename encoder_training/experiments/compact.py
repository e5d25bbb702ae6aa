"""`compact`: the encoder that ships, from scratch on two CPU cores.

    python -m encoder_training.experiments.compact --data DIR --out DIR --tag v3
    python -m encoder_training.experiments.compact --data DIR --out DIR --tag v3 --start WEIGHTS/compact-v2
    python -m encoder_training.experiments.compact --data DIR --out DIR --tag v3 --start WEIGHTS/compact-v2 --steps 0

DIR holds train/*.parquet (docs/training.md names the sets). Three hours on two cores with AMX, of which stages 1 and 2
take most; `--smoke` does one step of everything at tiny sizes. Stages, each skipped when its file is there:

1. `rendered/*.npz`: pictures in procedural styles.
2. `trunk.safetensors`: SSCL over real and rendered styles, crops of 128 px; `--start` goes on from exported weights,
   and `--steps 0` keeps these.
3. `words.safetensors`, `patches.safetensors`, `maps.safetensors`: vocabulary of patches by k-means, Gaussians of
   patches and of the trunk's maps.
4. `features/*/*.npy`: features of the whole pictures.
5. `compact-<tag>/`: linear projections by SSCL, text tower by the SigLIP loss, export.

Expect the scores of docs/training.md; `python -m encoder_training.evaluate` prints them.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from encoder_training.data import LabelledPictures, PictureSource, RenderedSource, Share, Source, read_parquet
from encoder_training.evaluate import Validation
from encoder_training.export import TrainingData, export
from encoder_training.features import FeatureStore
from encoder_training.fisher import fit_maps, fit_patches
from encoder_training.head import fit_projection, fit_text_tower
from encoder_training.shards import STYLES, ShardSource, draw_shards
from encoder_training.train import Experiment, train
from encoder_training.words import fit_words
from stylesearch.encoders.compact_network import Compact, CompactConfig, Projection, TextTower
from stylesearch.images import Preprocess


@dataclass(frozen=True)
class Ingredient:
    """A set of train/: its part of a trunk batch, its weight for the head, and where it comes from."""

    styles: int
    weight: float
    licence: str
    source: str


RECIPE = {
    "supagruen_artists": Ingredient(9, 4, "MIT", "StableDiffusion artist studies by SupaGruen"),
    "icon_sets": Ingredient(8, 2.5, "MIT, Apache-2.0, CC BY 4.0 and the like, per set", "open icon sets"),
    "aihorde_styles": Ingredient(5, 2, "MIT", "AI Horde style previews"),
    "easydiffusion_modifiers": Ingredient(1, 1, "see source", "Easy Diffusion modifier thumbnails"),
    "texture_shape_cue": Ingredient(1, 0.5, "CC BY 4.0", "texture-shape cue conflict, Geirhos et al. 2019"),
}
RENDERED = Ingredient(20, 5, "Apache-2.0", "encoder_training.renderers")


@dataclass(frozen=True)
class Settings:
    """What differs between machines."""

    config: CompactConfig
    trunk_steps: int
    times: int = 1
    """Batches are this many times as large as the recipe says."""
    workers: int = 1
    drawers: int = 2
    """Processes that draw pictures beforehand."""
    rendered_styles: int = 8192
    """How many are drawn beforehand. A CPU trains on these, a GPU draws new ones as it goes."""
    head_steps: int = 1000
    text_steps: int = 3000
    chunk: int | None = None


CPU = Settings(CompactConfig(), trunk_steps=5500)
DROP = {"patches": 0.6, "maps": 0.6}
"""Share of a part's features that its projection does without at each step, where 0.3 is not enough: the more there
are, the more can be learnt by heart."""
FITS: dict[str, Callable[[Compact, Sequence[np.ndarray]], None]] = {
    "words": fit_words,
    "patches": fit_patches,
    "maps": fit_maps,
}
"""Parts that are fitted to pictures without labels."""


def smoke(settings: Settings) -> Settings:
    """The same parts at tiny sizes, for one step each."""
    given = settings.config
    config = CompactConfig(
        image_size=64,
        trunk_dim=min(given.trunk_dim, 6),
        statistics_dim=min(given.statistics_dim, 6),
        words_dim=min(given.words_dim, 4),
        words=8,
        patches_dim=min(given.patches_dim, 4),
        maps_dim=min(given.maps_dim, 4),
        gaussians=2,
        widths=(8, 8),
        depths=(0, 1),
        projections=(4, 4),
        text_buckets=64,
        text_width=8,
    )
    return Settings(config, trunk_steps=1, workers=0, drawers=1, rendered_styles=32, head_steps=1, text_steps=1)


def _parsed(settings: Settings, arguments: Sequence[str] | None) -> tuple[Settings, argparse.Namespace]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with train/*.parquet")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and results")
    parser.add_argument("--tag", default="new", help="tag of the exported weights")
    parser.add_argument("--start", type=Path, help="folder of exported weights whose trunk is trained on")
    parser.add_argument("--steps", type=int, default=None, help="of the trunk; 0: it stays as --start has it")
    parser.add_argument("--smoke", action="store_true", help="one step of everything, tiny sizes")
    chosen = parser.parse_args(arguments)
    if chosen.steps == 0 and chosen.start is None:
        parser.error("--steps 0 keeps a trunk as it is. Name its weights with --start")
    settings = smoke(settings) if chosen.smoke else settings
    return settings if chosen.steps is None else dataclasses.replace(settings, trunk_steps=chosen.steps), chosen


def main(settings: Settings, arguments: Sequence[str] | None = None) -> Path:
    """Runs what is not there yet.

    Returns:
        the folder of the exported weights.
    """
    settings, chosen = _parsed(settings, arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)

    sets = [read_parquet(path) for path in sorted((chosen.data / "train").glob("*.parquet"))]
    training, validation = zip(*(pictures.split() for pictures in sets), strict=True)
    photos = _some([each for each in training if each.name != "icon_sets"], settings.config.image_size, 125)
    rendered = chosen.out / "rendered"
    # Icons are drawn anew by the renderers themselves; paintings and photographs serve as contents.
    contents = np.stack(photos) if photos else None
    shards = max(1, settings.rendered_styles // STYLES)
    draw_shards(rendered, shards, settings.config.image_size, contents, settings.drawers)

    tower = Compact(settings.config)
    if "trunk" in tower.parts:
        source = RenderedSource("cuda", contents) if torch.cuda.is_available() else ShardSource(rendered)
        trunk = _trunk(settings, training, validation, source, chosen.start, chosen.out)
        tower.parts["trunk"].load_state_dict(trunk)
    for part in (part for part in FITS if part in tower.parts):
        _fit(part, tower, training, chosen.out)
    store = FeatureStore(chosen.out / "features", tower)
    features = [store.of_pictures(pictures, _ingredient(pictures.name).weight) for pictures in training]
    features.append(store.of_shards(rendered, RENDERED.weight))

    for part, projection in tower.projections.items():
        assert isinstance(projection, Projection)  # noqa: S101 - for the type checker
        loss = fit_projection(projection, part, features, settings.head_steps, drop=DROP.get(part, 0.3))
        print(f"{part}: loss {loss:.3f}", flush=True)
    texts = TextTower(settings.config)
    tower.eval()
    with torch.inference_mode():
        embedded = [
            tower.embed_features({part: torch.from_numpy(f).float() for part, f in each.features.items()}).numpy()
            for each in features
        ]
    pairs = [
        (each.styles, each.prompts, vectors, each.weight) for each, vectors in zip(features, embedded, strict=True)
    ]
    print(f"text: loss {fit_text_tower(texts, pairs, settings.text_steps):.3f}")
    made_of = [_ingredient(each.name) for each in features]
    data = [
        TrainingData(each.name, len(each.styles), part.licence, part.source)
        for each, part in zip(features, made_of, strict=True)
    ]
    return export(tower, texts, chosen.tag, chosen.out, data)


def _ingredient(name: str) -> Ingredient:
    return {**RECIPE, "rendered": RENDERED}.get(name, Ingredient(4, 1, "not stated", name))


def _trunk(
    settings: Settings,
    training: Sequence[LabelledPictures],
    validation: Sequence[LabelledPictures],
    rendered: Source,
    start: Path | None,
    out: Path,
) -> dict[str, torch.Tensor]:
    path = out / "trunk.safetensors"
    if not settings.trunk_steps:
        kept: dict[str, torch.Tensor] = _trunk_alone(settings.config, start).parts["trunk"].state_dict()
        return kept
    if not path.exists():
        size = settings.config.image_size
        shares = [
            Share(PictureSource(each, decoded=size), settings.times * _ingredient(each.name).styles)
            for each in training
        ]
        shares.append(Share(rendered, settings.times * RENDERED.styles))
        scored = [each for each in validation if len(each) > 1]
        experiment = Experiment(
            image=lambda: _trunk_alone(settings.config, start),
            shares=shares,
            steps=settings.trunk_steps,
            crop=size * 2 // 3,
            chunk=settings.chunk,
            workers=settings.workers,
            evaluate=Validation(scored, size) if scored else None,
        )
        trained = train(experiment, out)
        assert isinstance(trained, Compact)  # noqa: S101 - for the type checker
        save_file({key: value.cpu().contiguous() for key, value in trained.parts["trunk"].state_dict().items()}, path)
    return load_file(path)


def _trunk_alone(config: CompactConfig, start: Path | None) -> Compact:
    """The part that learns by gradient, with random weights or those of an exported encoder."""
    model = Compact(dataclasses.replace(config, statistics_dim=0, words_dim=0, patches_dim=0, maps_dim=0))
    if start is not None:
        given = load_file(start / "image.safetensors")
        # Its projection is of use only where it leads to as many dimensions.
        fits = given["image.projections.trunk.linear.weight"].shape[0] == config.trunk_dim
        for prefix, module in {"parts.trunk": model.parts["trunk"], "projections": model.projections}.items():
            if prefix == "parts.trunk" or fits:
                module.load_state_dict({key: given[f"image.{prefix}.{key}"].float() for key in module.state_dict()})
    return model


def _some(training: Sequence[LabelledPictures], side: int, each: int) -> list[np.ndarray]:
    """Up to `each` random pictures of every set: uint8 (S, S, 3)."""
    random = np.random.default_rng(0)
    return [
        pictures.pixels(int(row), Preprocess(side))
        for pictures in training
        for row in random.choice(len(pictures), min(each, len(pictures)), replace=False)
    ]


def _fit(part: str, tower: Compact, training: Sequence[LabelledPictures], out: Path) -> None:
    """Fits a part, or reads what was fitted."""
    path = out / f"{part}.safetensors"
    module = tower.parts[part]
    if not path.exists():
        FITS[part](tower, _some(training, tower.config.image_size, 300))
        save_file({key: value.contiguous() for key, value in module.state_dict().items()}, path)
    module.load_state_dict(load_file(path))


if __name__ == "__main__":
    main(CPU)
