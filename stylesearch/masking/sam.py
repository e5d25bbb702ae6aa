"""`sam:`, `sam2:` and `sam-hq:FOLDER`: the models of the SAM family, from a folder as transformers saves them.

    sam:/models/sam-vit-base            SAM (Kirillov et al. 2023)
    sam2:/models/sam2.1-hiera-tiny      SAM 2 (Ravi et al. 2024), for single pictures
    sam-hq:/models/sam-hq-vit-base      SAM-HQ (Ke et al. 2023)

Pictures are squashed to the square that the model takes, as SAM 2 does by itself; SAM and SAM-HQ were trained on
pictures that are padded to it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from stylesearch.errors import EncoderError, MissingDependencyError
from stylesearch.masking.prompted import PromptedMasker

_CLASSES = {"sam": "SamModel", "sam2": "Sam2Model", "sam-hq": "SamHQModel"}


class SamMasker(PromptedMasker):
    """A SAM, SAM 2 or SAM-HQ.

    Args:
        name: as in the module's docstring.
        dtype: see `PromptedMasker`.

    Raises:
        EncoderError: the folder holds no such model, or weights are missing or left over.
        MissingDependencyError: transformers is not installed.
    """

    def __init__(self, name: str, dtype: str | None = None) -> None:
        family, _, path = name.partition(":")
        folder = Path(path).expanduser().absolute()
        model = _loaded(family, folder, name)
        config = model.config.vision_config
        size = config.image_size if isinstance(config.image_size, int) else config.image_size[0]
        super().__init__(f"{family}:{folder}", model, size, dtype)
        self._model = model

    def features(self, images: Tensor) -> Any:
        found = self._model.get_image_embeddings(images)
        if isinstance(found, tuple):  # SAM-HQ: those of its shallow layers, too
            return {"image_embeddings": found[0], "intermediate_embeddings": found[1]}
        return {"image_embeddings": found}

    def answers(self, features: Any, points: Tensor) -> tuple[Tensor, Tensor]:
        labels = points.new_ones((1, len(points), 1)).int()
        said = self._model(input_points=points[None, :, None], input_labels=labels, multimask_output=True, **features)
        return said.pred_masks[0].flatten(0, 1), said.iou_scores[0].flatten()


def _loaded(family: str, folder: Path, name: str) -> Any:
    try:
        import transformers
    except ImportError as exc:
        raise MissingDependencyError("transformers", "sam", f"for the masker '{name}'") from exc
    if not (folder / "config.json").is_file():
        raise EncoderError(
            f"'{name}': there is no model in '{folder}' (no config.json). Give the folder into which transformers "
            "saved one."
        )
    bar = transformers.logging.is_progress_bar_enabled()
    transformers.logging.disable_progress_bar()
    try:
        model, loading = getattr(transformers, _CLASSES[family]).from_pretrained(
            folder, local_files_only=True, output_loading_info=True, use_safetensors=True
        )
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as exc:
        reason = str(exc).strip().partition("\n")[0]
        raise EncoderError(f"'{name}' cannot be loaded ({reason}). Download the folder again.") from exc
    finally:
        if bar:
            transformers.logging.enable_progress_bar()
    gaps = [f"{what} {sorted(loading[what])[:10]}" for what in ("missing_keys", "unexpected_keys") if loading[what]]
    if gaps:
        raise EncoderError(f"'{name}' does not fit {_CLASSES[family]}: {'; '.join(gaps)}.")
    return model
