"""`compact`: the encoder that ships, from EfficientNet-Lite0's published weights, on two CPU cores.

    python -m encoder_training.experiments.compact --data DIR --out DIR --tag v3
    python -m encoder_training.experiments.compact --data DIR --out DIR --tag v3 --start WEIGHTS/compact-v3 --steps 0

DIR holds train/*.parquet (docs/training.md names the sets). Two hours on two cores, of which stage 4 takes most;
`--smoke` does one step of everything at tiny sizes. Stages, each skipped when its file is there:

1. `rendered/*.npz`: pictures in procedural styles.
2. `features/*/*.npy`: features of the whole pictures with the trunk as it was published, or as `--start` has it.
3. `maps/*.npy`: maps after the trunk's first stages.
4. `trunk/`: SSCL of the later stages, crop by crop; `--steps 0` leaves the trunk alone.
5. `tuned/*/*.npy`: features with the trained trunk.
6. `compact-<tag>/`: projections in closed form and by SSCL, what words mean, export.

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

from encoder_training.captions import captioned, read_captions
from encoder_training.data import LabelledPictures, read_parquet
from encoder_training.discriminant import principal_axes
from encoder_training.export import TrainingData, export
from encoder_training.features import FeatureStore
from encoder_training.finetune import PARTS, Plan, finetune
from encoder_training.head import FeatureSet, fit_projection
from encoder_training.maps import Maps, write_maps
from encoder_training.pretrained import pretrained
from encoder_training.sentences import meanings
from encoder_training.shards import STYLES, draw_shards, read_shards
from encoder_training.wording import Worded, learn_words
from stylesearch.encoders.compact_network import Compact, CompactConfig, Projection
from stylesearch.encoders.lite import LiteTrunk
from stylesearch.encoders.style_words import StyleWords
from stylesearch.images import Preprocess

Meaning = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class Ingredient:
    """A set of train/: how much it counts, how much each of its styles does for words, and where it comes from."""

    weight: float
    words: float
    licence: str
    source: str


RECIPE = {
    "supagruen_artists": Ingredient(4, 1, "MIT", "StableDiffusion artist studies by SupaGruen"),
    "icon_sets": Ingredient(2.5, 0.5, "MIT, Apache-2.0, CC BY 4.0 and the like, per set", "open icon sets"),
    "aihorde_styles": Ingredient(2, 1, "MIT", "AI Horde style previews"),
    "easydiffusion_modifiers": Ingredient(1, 1, "see source", "Easy Diffusion modifier thumbnails"),
    "texture_shape_cue": Ingredient(0.5, 0.1, "CC BY 4.0", "texture-shape cue conflict, Geirhos et al. 2019"),
}
RENDERED = Ingredient(5, 0.1, "Apache-2.0", "encoder_training.renderers")


@dataclass(frozen=True)
class Settings:
    """What differs between machines."""

    config: CompactConfig
    plan: Plan
    drawers: int = 2
    """Processes that draw pictures beforehand."""
    rendered_styles: int = 3264
    head_steps: int = 600
    axes: int = 1024
    meaning: Meaning | None = meanings
    """Of words, for synonyms; None: there are none."""


CPU = Settings(CompactConfig(), Plan())


def smoke(settings: Settings) -> Settings:
    """The same parts at tiny sizes, for one step each."""
    given = settings.config
    config = CompactConfig(
        image_size=128,
        moments_dim=min(given.moments_dim, 6),
        correlations_dim=min(given.correlations_dim, 6),
        statistics_dim=min(given.statistics_dim, 6),
    )
    plan = Plan(steps=min(settings.plan.steps, 1), styles=3, images=2)
    return Settings(config, plan, drawers=1, rendered_styles=32, head_steps=1, axes=16, meaning=None)


def _parsed(settings: Settings, arguments: Sequence[str] | None) -> tuple[Settings, argparse.Namespace]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with train/*.parquet")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and results")
    parser.add_argument("--tag", default="new", help="tag of the exported weights")
    parser.add_argument("--start", type=Path, help="folder of exported weights whose trunk is the first")
    parser.add_argument("--steps", type=int, default=None, help="of the trunk; 0: it stays as it is")
    parser.add_argument("--smoke", action="store_true", help="one step of everything, tiny sizes")
    chosen = parser.parse_args(arguments)
    settings = smoke(settings) if chosen.smoke else settings
    if chosen.steps is not None:
        settings = dataclasses.replace(settings, plan=dataclasses.replace(settings.plan, steps=chosen.steps))
    return settings, chosen


def main(settings: Settings, arguments: Sequence[str] | None = None) -> Path:
    """Runs what is not there yet.

    Returns:
        the folder of the exported weights.
    """
    settings, chosen = _parsed(settings, arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)

    sets = [read_parquet(path) for path in sorted((chosen.data / "train").glob("*.parquet"))]
    captions = read_captions()
    training = [captioned(pictures.split()[0], captions) for pictures in sets]
    rendered = chosen.out / "rendered"
    _draw(training, rendered, settings)

    tower = Compact(settings.config).eval()
    if tower.trunk is not None:
        _begin(tower.trunk, chosen.start)
        if settings.plan.steps:
            _finetune(tower, training, rendered, settings, chosen.out)
    features = _features(tower, training, rendered, chosen.out / ("tuned" if settings.plan.steps else "features"))
    for part, projection in tower.projections.items():
        assert isinstance(projection, Projection)  # noqa: S101 - for the type checker
        loss = fit_projection(projection, part, features, settings.head_steps, settings.axes)
        print(f"{part}: loss {loss:.3f}", flush=True)
    words = _words(tower, features, settings.meaning)
    made_of = [_ingredient(each.name) for each in features]
    data = [
        TrainingData(each.name, len(each.styles), part.licence, part.source)
        for each, part in zip(features, made_of, strict=True)
    ]
    return export(tower, words, chosen.tag, chosen.out, data)


def _ingredient(name: str) -> Ingredient:
    return {**RECIPE, "rendered": RENDERED}.get(name, Ingredient(1, 1, "not stated", name))


def _draw(training: Sequence[LabelledPictures], rendered: Path, settings: Settings) -> None:
    """Icons are drawn anew by the renderers themselves; paintings and photographs serve as contents."""
    size, random = settings.config.image_size, np.random.default_rng(0)
    photos = [
        pictures.pixels(int(row), Preprocess(size))
        for pictures in training
        if pictures.name != "icon_sets"
        for row in random.choice(len(pictures), min(125, len(pictures)), replace=False)
    ]
    shards = max(1, settings.rendered_styles // STYLES)
    draw_shards(rendered, shards, size, np.stack(photos) if photos else None, settings.drawers)


def _begin(trunk: LiteTrunk, start: Path | None) -> None:
    """Published weights, or those of an exported encoder."""
    if start is None:
        published = pretrained().trunk.state_dict()
        trunk.load_state_dict({name: published[name] for name in trunk.state_dict()})
    else:
        given = load_file(start / "image.safetensors")
        trunk.load_state_dict({name: given[f"image.trunk.{name}"].float() for name in trunk.state_dict()})


def _features(tower: Compact, training: Sequence[LabelledPictures], rendered: Path, folder: Path) -> list[FeatureSet]:
    store = FeatureStore(folder, tower)
    features = [store.of_pictures(pictures, _ingredient(pictures.name).weight) for pictures in training]
    return [*features, store.of_shards(rendered, RENDERED.weight)]


def _finetune(
    tower: Compact, training: Sequence[LabelledPictures], rendered: Path, settings: Settings, out: Path
) -> None:
    """Trains the trunk, or reads what was trained."""
    assert tower.trunk is not None  # noqa: S101 - for the type checker
    path = out / "trunk" / "trunk.safetensors"
    if not path.exists():
        features = _features(tower, training, rendered, out / "features")
        maps = _maps(tower.trunk, training, rendered, settings.config.image_size, out / "maps")
        parts = [part for part in PARTS if part in tower.parts]
        weights = [data.weight for data in features]
        bases = {
            part: principal_axes([data.features[part] for data in features], weights, settings.axes) for part in parts
        }
        finetune(tower, bases, features, maps, out / "trunk", settings.plan)
        save_file({name: value.contiguous() for name, value in tower.trunk.state_dict().items()}, path)
    tower.trunk.load_state_dict(load_file(path))


def _maps(
    trunk: LiteTrunk, training: Sequence[LabelledPictures], rendered: Path, size: int, folder: Path
) -> list[Maps]:
    preprocess = Preprocess(size)
    found = []
    for pictures in training:
        path = folder / f"{pictures.name}.npy"
        write_maps(path, trunk, lambda row, some=pictures: some.pixels(row, preprocess), len(pictures))  # type: ignore[misc]
        found.append(Maps([path]))
    files = []
    for number, (pixels, *_) in enumerate(read_shards(rendered)):
        files.append(folder / f"rendered-{number:05d}.npy")
        write_maps(files[-1], trunk, pixels.__getitem__, len(pixels))
    return [*found, Maps(files)]


def _words(tower: Compact, features: Sequence[FeatureSet], meaning: Meaning | None) -> StyleWords:
    worded = []
    with torch.inference_mode():
        for each in features:
            parts = {part: torch.from_numpy(values).float() for part, values in each.features.items()}
            embedded = tower.embed_features(parts).numpy()
            worded.append(Worded(each.styles, each.prompts, embedded, _ingredient(each.name).words))
    return learn_words(worded, meaning)


if __name__ == "__main__":
    main(CPU)
