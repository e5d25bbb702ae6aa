"""Parts of pictures as references."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from studio import draw

from indexer.run import index
from stylesearch import Library, Query
from stylesearch.encoders import load_encoder, reads_texts
from stylesearch.encoders.base import Encoder
from stylesearch.errors import EncoderError, ImageError, UsageError
from stylesearch.query import Crop
from stylesearch.settings import Settings

RIGHT = (0.5, 0.0, 1.0, 1.0)


@pytest.fixture
def poster() -> Image.Image:
    two = Image.new("RGB", (640, 480))
    two.paste(draw("riso", "disc").resize((320, 480)), (0, 0))
    two.paste(draw("night", "bars").resize((320, 480)), (320, 0))
    return two


@pytest.mark.parametrize(
    "box", [(0.5, 0, 0.5, 1), (0.6, 0, 0.5, 1), (-0.1, 0, 1, 1), (0, 0, 1, 1.1), (0, 0, np.nan, 1)]
)
def test_a_box_that_is_none_is_refused(box):
    with pytest.raises(UsageError, match="for the left half"):
        Crop("a.png", box)


def test_a_part_is_at_least_a_pixel(poster):
    assert Crop(poster, (0.25, 0.5, 0.75, 1.0)).of(poster).size == (320, 240)
    assert Crop(poster, (0.9999, 0.9999, 1.0, 1.0)).of(poster).size == (1, 1)
    assert Crop(poster, (0, 0, 1, 1)).of(poster).tobytes() == poster.tobytes()


def test_a_part_of_a_file_an_asset_or_a_picture_is_searched_like_its_own_file(tmp_path, poster):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    poster.save(pictures / "poster.png")
    for style in ("riso", "night", "ink", "moss"):
        draw(style, "ring").save(pictures / f"{style}.png")
    poster.crop((320, 0, 640, 480)).save(tmp_path / "half.png")
    with Library.create(tmp_path / "library", encoder="descriptors:lab-gradient") as library:
        settings = Settings.from_environment()
        index(library.catalog, library.encoder, [pictures], thumbnails=library.thumbnails, settings=settings)
        asset_id = library.find(pictures / "poster.png").asset.id
        expected = [(hit.asset.id, round(hit.cosine, 5)) for hit in library.search(Query(tmp_path / "half.png"))]
        assert library.assets([expected[0][0]])[expected[0][0]].paths[0].endswith("night.png")
        for source in (poster, pictures / "poster.png"):
            hits = library.search(Query(Crop(source, RIGHT)))
            assert [(hit.asset.id, round(hit.cosine, 5)) for hit in hits] == expected
        hits = library.search(Query([(Crop(asset_id, RIGHT), 2.0)]))
        others = [pair for pair in expected if pair[0] != asset_id]  # the picture itself is no answer
        assert [(hit.asset.id, round(hit.cosine, 5)) for hit in hits] == others
        with pytest.raises(UsageError, match="no asset 999"):
            library.search(Query(Crop(999, RIGHT)))
        (pictures / "poster.png").unlink()
        with pytest.raises(ImageError, match="holds its picture any more"):
            library.search(Query(Crop(asset_id, RIGHT)))


@pytest.mark.parametrize("name", ["compact:v3", "descriptors:lab-gradient"])
def test_a_name_tells_whether_words_can_be_searched(name):
    encoder = load_encoder(name)
    assert reads_texts(name) is (type(encoder).embed_texts is not Encoder.embed_texts)
    if not reads_texts(name):
        with pytest.raises(EncoderError, match="no text tower"):
            encoder.embed_texts(["ink"])
