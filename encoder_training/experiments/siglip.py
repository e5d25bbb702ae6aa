"""Fine-tunes the image tower of any open_clip SigLIP by SSCL, with its frozen text tower as regulariser (MegaStyle).

    torchrun --nproc-per-node=1 -m encoder_training.experiments.siglip \\
        --model ViT-B-16-SigLIP/webli --data DIR --out DIR

DIR holds train/*.parquet. Batch 8,192 through cached gradients; 300 steps, an hour or two of one H200 (an estimate);
the same command continues. `--model @FOLDER` starts from a folder with `open_clip_config.json`, without a network. The
result is such a folder again: `stylesearch search --encoder openclip:@OUT/model`. `--smoke` does one small step.

No scores are promised here: this file has been run on random weights alone.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import normalize

from encoder_training.data import PictureSource, RenderedSource, Share, read_parquet
from encoder_training.evaluate import Validation
from encoder_training.losses.gather import rank
from encoder_training.train import Experiment, train


class ImageTower(nn.Module):
    """open_clip's image tower behind its own normalisation: float (N, 3, S, S) in [0, 1] to unit rows (N, D)."""

    mean: Tensor
    std: Tensor

    def __init__(self, visual: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.visual = visual
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return normalize(self.visual((images - self.mean) / self.std).float(), dim=1)


class FrozenTextTower(nn.Module):
    """open_clip's text tower, as it is: prompts to unit rows (P, D)."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__()
        model.requires_grad_(False)
        model.visual.requires_grad_(True)
        # In a tuple, so that the image tower inside is not a part of this module as well.
        self._model, self._tokenizer = (model,), tokenizer

    @torch.no_grad()
    def forward(self, prompts: list[str]) -> Tensor:
        model = self._model[0]
        device = next(model.visual.parameters()).device
        return normalize(model.to(device).encode_text(self._tokenizer(prompts).to(device)).float(), dim=1)


def open_model(name: str) -> tuple[Any, Any, str]:
    """The open_clip model, its tokenizer, and the name that open_clip knows it by."""
    import open_clip

    if name.startswith("@"):
        source = f"local-dir:{Path(name[1:]).expanduser()}"
        return open_clip.create_model(source, require_pretrained=True), open_clip.get_tokenizer(source), source
    architecture, _, tag = name.partition("/")
    model = open_clip.create_model(architecture, pretrained=tag, require_pretrained=True)
    return model, open_clip.get_tokenizer(architecture), architecture


def save_model(model: Any, source: str, folder: Path) -> None:
    """Writes what `openclip:@folder` reads: configuration, preprocessing and all weights."""
    import open_clip

    folder.mkdir(parents=True, exist_ok=True)
    if source.startswith("local-dir:"):
        config = json.loads((Path(source.removeprefix("local-dir:")) / "open_clip_config.json").read_text())
    else:
        pixels = open_clip.get_model_preprocess_cfg(model)
        config = {"model_cfg": open_clip.get_model_config(source), "preprocess_cfg": pixels}
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2))
    state = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")


def main(arguments: Sequence[str] | None = None) -> Path:
    """Returns: the folder of the fine-tuned model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="ARCHITECTURE/TAG of open_clip, or @FOLDER")
    parser.add_argument("--data", type=Path, required=True, help="folder with train/*.parquet")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and results")
    parser.add_argument("--smoke", action="store_true", help="one small step")
    chosen = parser.parse_args(arguments)
    model, tokenizer, source = open_model(chosen.model)
    import open_clip

    pixels = open_clip.get_model_preprocess_cfg(model)
    size = pixels["size"] if isinstance(pixels["size"], int) else pixels["size"][0]
    pairs = [read_parquet(path).split() for path in sorted((chosen.data / "train").glob("*.parquet"))]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # 2,048 styles x 4 pictures are the paper's batch of 8,192. Half of them are rendered, which has no end of styles.
    each = 2 if chosen.smoke else 1024 // len(pairs)
    shares = [Share(PictureSource(training, decoded=size * 9 // 8), each) for training, _ in pairs]
    if not chosen.smoke:
        shares.append(Share(RenderedSource(device), 1024))
    scored = [validation for _, validation in pairs if len(validation) > 1]
    experiment = Experiment(
        image=lambda: ImageTower(model.visual, pixels["mean"], pixels["std"]),
        text=lambda: FrozenTextTower(model, tokenizer),
        shares=shares,
        steps=1 if chosen.smoke else 300,
        crop=size,
        images_per_style=2 if chosen.smoke else 4,
        learning_rate=1e-4,  # the paper's 5e-4 is for 30 epochs; a short run from good weights wants less
        weight_decay=0.01,
        warmup=30,
        text_weight=0.1,
        chunk=2 if chosen.smoke else 256,
        evaluate=Validation(scored, size) if scored and not chosen.smoke else None,
        evaluate_every=100,
        save_every=25,
    )
    train(experiment, chosen.out)  # in place: the averaged weights are in `model.visual` now
    if rank() == 0:
        save_model(model, source, chosen.out / "model")
    folder: Path = chosen.out / "model"
    return folder


if __name__ == "__main__":
    main()
