"""The transfer backend on models of the FLUX family, run by diffusers in this process."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from diffusers.utils import logging as diffusers_logging
from safetensors import SafetensorError
from transformers.utils import logging as transformers_logging

from stylesearch.encoders.compute import device_and_dtype
from stylesearch.errors import TransferError
from stylesearch.transfer.base import (
    ModelUsed,
    Report,
    TransferBackend,
    TransferProgress,
    TransferRequest,
    TransferResult,
)
from stylesearch.transfer.flux import KINDS, Kind
from stylesearch.transfer.flux_memory import choose_placement, network_sizes, place
from stylesearch.transfer.flux_recipes import RECIPES, Recipe
from stylesearch.transfer.weight_digests import weights_sha256

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline


class RecipeBackend(TransferBackend):
    """A way of transfer on a model of the FLUX family, loaded from a folder.

    Args:
        name: see `TransferBackend`.
        kind: what it takes and what must lie in its folder.
        recipe: what it loads.
        folder: the model in diffusers' layout, and in a subfolder what the kind adds.
        dtype: "float32" or "bfloat16"; None: what this machine does best.

    Raises:
        TransferError: what lies in the folder is not what the kind needs, is damaged, or does not fit into memory.
    """

    def __init__(self, name: str, kind: Kind, recipe: type[Recipe], folder: Path, dtype: str | None = None) -> None:
        self.name, self.capabilities, self.licence = name, kind.capabilities, kind.licence
        device, torch_dtype = device_and_dtype(dtype)
        _hush()
        with _loading(f"'{self.name}' cannot be loaded", f"It needs a folder with {kind.layout}."):
            self._recipe = recipe(folder, torch_dtype)
            self._models = self._models_of(folder)
            free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None
            self.placement = choose_placement(network_sizes(self._recipe.pipe), free)
            for pipeline in self._recipe.pipelines:
                pipeline.set_progress_bar_config(disable=True)
                place(pipeline, self.placement, device)

    def _run(self, request: TransferRequest, report: Report, cancel: threading.Event) -> list[TransferResult]:
        pipe, steps = self._recipe.pipe, request.steps or self._recipe.steps
        grid = pipe.vae_scale_factor * 2
        width, height = request.width // grid * grid, request.height // grid * grid
        total = steps * request.count
        results: list[TransferResult] = []
        with torch.no_grad(), _running(pipe, f"'{self.name}' failed at {width} x {height} pixels"):
            report(TransferProgress(0, total, "reading"))
            begin = time.perf_counter()
            inputs = self._recipe.inputs(request, width, height)
            for seed in range(request.seed, request.seed + request.count):
                before = len(results) * steps

                def after_step(_: object, step: int, *__: object, before: int = before) -> dict[str, Any]:
                    report(TransferProgress(before + step + 1, total, "drawing"))
                    return {}

                picture = pipe(
                    **inputs,
                    width=width,
                    height=height,
                    num_inference_steps=steps,
                    # Noise from the CPU's generator, so that a seed means the same on every device.
                    generator=torch.Generator("cpu").manual_seed(seed),
                    callback_on_step_end=after_step,
                ).images[0]
                end = time.perf_counter()
                results.append(TransferResult(picture.convert("RGB"), seed, end - begin, self._models))
                begin = end
        return results

    def close(self) -> None:
        """Gives the memory back."""
        del self._recipe
        gc.collect()  # hooks of offloading refer to each other
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _models_of(self, folder: Path) -> tuple[ModelUsed, ...]:
        files = [file for part in self._recipe.pipe.components for file in (folder / part).rglob("*.safetensors")]
        licence = self.licence.text
        return (
            ModelUsed(folder.name, weights_sha256(files, folder), licence),
            *(
                ModelUsed(added[0].name if len(added) == 1 else part, weights_sha256(added, folder), licence)
                for part, added in self._recipe.added.items()
            ),
        )


class FluxBackend(RecipeBackend):
    """`flux:KIND@FOLDER`; kind: one of `flux.KINDS`."""

    def __init__(self, kind: str, folder: Path, dtype: str | None = None) -> None:
        super().__init__(f"flux:{kind}@{folder}", KINDS[kind], RECIPES[kind], folder, dtype)


@contextmanager
def _loading(what: str, advice: str) -> Iterator[None]:
    """Says what diffusers, transformers and safetensors say of a folder that they cannot load."""
    try:
        yield
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RuntimeError,
        ImportError,
        SafetensorError,
    ) as exc:
        if _out_of_memory(exc):
            raise TransferError(f"{what}: memory is full. Close other programs, or use a smaller model.") from exc
        raise TransferError(f"{what} ({_first_line(exc)}). {advice}") from exc


@contextmanager
def _running(pipe: DiffusionPipeline, what: str) -> Iterator[None]:
    """Says why a run broke off, and leaves the pipeline ready for the next one, also after a cancellation."""
    try:
        yield
    except (RuntimeError, MemoryError, ValueError) as exc:
        if _out_of_memory(exc):
            raise TransferError(
                f"{what}: memory is full. Ask for a smaller picture or give fewer references, or close other programs "
                "that use the graphics card."
            ) from exc
        raise TransferError(f"{what} ({_first_line(exc)}).") from exc
    finally:
        pipe.maybe_free_model_hooks()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _out_of_memory(error: BaseException) -> bool:
    text = str(error).lower()
    return (
        isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "out of memory" in text or "can't allocate" in text
    )


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__


def _hush() -> None:
    """What these libraries log and count on the terminal is said here, by progress and errors."""
    for logging in (diffusers_logging, transformers_logging):
        logging.set_verbosity(logging.CRITICAL)
        logging.disable_progress_bar()
