"""Run by `benchmarks.speed.peers`: the reader of clip-retrieval over a folder, with the usual preparation for CLIP."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from PIL import Image
from torchvision import transforms

BATCH = 256  # its default


def main(pictures: str, workers: str) -> None:
    """Prints how many pictures it read, and the seconds that took."""
    prepare = transforms.Compose(
        [
            transforms.Resize(224, transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(224),
            _rgb,
            transforms.ToTensor(),
            transforms.Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
        ]
    )
    start = time.perf_counter()
    reader = _reader().FilesReader(
        lambda keys: keys, prepare, None, pictures, BATCH, int(workers), enable_text=False, enable_image=True
    )
    count = sum(len(batch["image_tensor"]) for batch in reader)
    print(json.dumps({"pictures": count, "seconds": time.perf_counter() - start}))


def _rgb(image: Image.Image) -> Image.Image:
    return image.convert("RGB")


def _reader() -> Any:
    # The file alone: its package imports a web server and much else that is not needed to read pictures.
    path = Path(os.environ["STYLESEARCH_PEER"], "clip_retrieval", "clip_inference", "reader.py")
    spec = importlib.util.spec_from_file_location("clip_retrieval_reader", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"There is no reader at '{path}'.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[3])
