"""Files of weights: read without running anything that is in them, laid into a network without a gap."""

from __future__ import annotations

import argparse
import pickle
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from safetensors.torch import load_file

from stylesearch.errors import EncoderError

_WRAPPERS = ("model_state_dict", "state_dict", "model")  # where training scripts keep the weights in their checkpoints
_NAMED = 10  # tensors that an error names of each kind

# What published training checkpoints hold beside tensors: options, and learning rates as NumPy scalars (which NumPy 1
# wrote under the second name). They are plain data: reading them runs nothing of the file's.
_NUMPY_SCALAR = np.float64(0).__reduce__()[0]
_HARMLESS: list[Any] = [
    argparse.Namespace,
    np.dtype,
    type(np.dtype(np.float64)),
    type(np.dtype(np.int64)),
    _NUMPY_SCALAR,
    (_NUMPY_SCALAR, "numpy.core.multiarray.scalar"),
]

Network = TypeVar("Network", bound=torch.nn.Module)


def checkpoint_file(name: str, path: str) -> Path:
    """The absolute path of the file that an encoder's name ends in, so that the name means the same in every folder.

    Args:
        name: of the encoder, for the error.
        path: as the user wrote it; a folder stands for the `model.safetensors` in it.

    Raises:
        EncoderError: no path, or nothing is there.
    """
    if not path:
        raise EncoderError(f"'{name}' names no file. Write {name.partition(':')[0]}:PATH with the path of its weights.")
    file = Path(path).expanduser().absolute()
    if file.is_dir():
        file /= "model.safetensors"
    if not file.is_file():
        raise EncoderError(
            f"'{name}': there is no checkpoint file at '{file}'. If it has moved, put its new path into the library's "
            "library.json."
        )
    return file


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Reads the weights of a checkpoint: safetensors, or what `torch.save` writes.

    A state dict in a training checkpoint ("model_state_dict", "state_dict", "model") is found, the prefix "module." of
    DataParallel removed. Tensors are mapped from the file where its format allows, so that those which are not used
    cost no memory.

    Raises:
        EncoderError: the file is damaged, holds more than tensors and plain options, or holds no state dict.
    """
    try:
        found: Any = load_file(path) if path.suffix == ".safetensors" else _load_pickled(path)
    except pickle.UnpicklingError as exc:  # torch's own text says how to open the file unsafely
        raise EncoderError(
            f"The checkpoint '{path}' cannot be read: it is damaged, or holds more than tensors, which is not opened "
            "because it could run anything. Save the model's state_dict() as safetensors where you trust the file."
        ) from exc
    except Exception as exc:  # bytes that are no checkpoint bring out any exception at all
        reason = str(exc).strip().partition("\n")[0].partition(". ")[0] or type(exc).__name__
        raise EncoderError(f"The checkpoint '{path}' cannot be read ({reason}). Download it again.") from exc
    while isinstance(found, Mapping):
        inner = next((found[key] for key in _WRAPPERS if isinstance(found.get(key), Mapping)), None)
        if inner is None:
            break
        found = inner
    if not isinstance(found, Mapping) or not found:
        raise EncoderError(f"The checkpoint '{path}' holds no state dict (names and tensors).")
    if others := [str(key) for key, value in found.items() if not isinstance(value, torch.Tensor)]:
        raise EncoderError(f"The checkpoint '{path}' is no state dict: {_listed('are no tensors', others)}.")
    if all(key.startswith("module.") for key in found):
        return {key.removeprefix("module."): value for key, value in found.items()}
    return dict(found)


def fill(network: Network, state: Mapping[str, torch.Tensor], source: Path | str) -> Network:
    """Lays tensors into a network, every one of them in its place.

    Args:
        network: may be on the device "meta", which spares allocating and drawing weights that are replaced here.
        state: as `read_state` gives it; floating tensors of any precision.
        source: what the tensors are called in errors.

    Returns:
        The network, with copies of the tensors in its own dtype.

    Raises:
        EncoderError: tensors are missing, unexpected, or of another shape or kind; it names the first ten of each.
    """
    expected = network.state_dict()
    wrong = [
        f"{key} {tuple(state[key].shape)} {str(state[key].dtype).removeprefix('torch.')} instead of {tuple(own.shape)}"
        for key, own in expected.items()
        if key in state and (state[key].shape != own.shape or state[key].is_floating_point() != own.is_floating_point())
    ]
    problems = [
        _listed(*found)
        for found in (
            ("missing", [key for key in expected if key not in state]),
            ("unexpected", [key for key in state if key not in expected]),
            ("of another shape or kind", wrong),
        )
        if found[1]
    ]
    if problems:
        raise EncoderError(f"'{source}' does not fit the network of this encoder: {'; '.join(problems)}.")
    network.load_state_dict({key: state[key].to(own.dtype, copy=True) for key, own in expected.items()}, assign=True)
    return network


def require(state: Mapping[str, torch.Tensor], keys: Iterable[str], source: Path, what: str) -> None:
    """Checks for the tensors that tell the sizes of a network.

    Raises:
        EncoderError: some are missing; it names them and the first that are there.
    """
    if missing := [key for key in keys if key not in state]:
        raise EncoderError(
            f"'{source}' holds no {what}: {_listed('missing', missing)}; {_listed('there instead', list(state))}."
        )


def _load_pickled(path: Path) -> Any:
    with torch.serialization.safe_globals(_HARMLESS):
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))


def _listed(what: str, names: list[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{len(names):,} {what} ({', '.join(names[:_NAMED])}{more})"
