"""Key frames of videos, by FFmpeg (PyAV): one for the file, and one for each further scene."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from contextlib import contextmanager

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream
from PIL import Image

from stylesearch.decoders import Raster, Request, boxes
from stylesearch.errors import ImageError

MAX_KEY_FRAMES = 24  # parts of one video
_LOOKED_AT = 240  # key frames that are decoded to find those

# A key frame shows another scene where it differs so much from the last one taken: mean over 16 x 16 grey pixels, in
# levels of 0 to 255. Noise and slow motion stay below 5, cuts of anything but night scenes are above 15.
_NEW_SCENE = 12.0
_FLAT = 3.0  # standard deviation below which a frame shows nothing: black, or the paper of a title
_FIRST_TRIED = 8  # key frames, for one that shows something

# Named, so that no content can have FFmpeg take it for a playlist and open what that names.
_DEMUXERS = {"MP4": "mov", "MATROSKA": "matroska", "AVI": "avi"}
_SEGMENT = b"\x18\x53\x80\x67"  # Matroska's outermost element, after its header (RFC 9559)
_UNSPECIFIED = 2  # AVCOL_SPC_UNSPECIFIED
_HD_HEIGHT = 720  # from here on, colours that do not say otherwise are those of BT.709, below those of BT.601

_EXIF_OF_TURN = {90: 8, 180: 3, -180: 3, -90: 6}  # degrees counter-clockwise, as the file says


def decode(data: bytes, request: Request) -> Raster:
    """Decodes the key frame at a time, or the first one that shows something."""
    with _open(data, request) as (container, stream):
        frame = _first(stream, container) if request.part is None else _at(container, stream, request)
        return _raster(frame, stream)


def parts(data: bytes, request: Request) -> list[str]:
    """Times of key frames of further scenes, spread over the video."""
    with _open(data, request) as (container, stream):
        first = _first(stream, container)
        found, last = [], _grey(first)
        for frame in _spread(container, stream):
            small = _grey(frame)
            if small.std() >= _FLAT and np.abs(small - last).mean() >= _NEW_SCENE and _name(frame) != _name(first):
                found.append(_name(frame))
                last = small
    chosen = np.linspace(0, len(found) - 1, min(len(found), MAX_KEY_FRAMES))
    return [found[round(index)] for index in chosen]


def ends_early(data: bytes) -> bool:
    """Whether the outermost element says that it is longer than the file."""
    if data.startswith(b"\x1a\x45\xdf\xa3"):
        size = data.find(_SEGMENT, 0, 1024) + len(_SEGMENT)
        # Its length has 1 to 8 bytes, as many as the first has leading zeros and one more; all ones: not known.
        length = 9 - data[size].bit_length()
        value = int.from_bytes(data[size : size + length], "big") & ((1 << 7 * length) - 1)
        return value != (1 << 7 * length) - 1 and size + length + value > len(data)
    if data.startswith(b"RIFF"):
        return 8 + int.from_bytes(data[4:8], "little") > len(data)
    return data[4:8] in (b"ftyp", b"moov", b"wide", b"mdat") and boxes.ends_early(data)


@contextmanager
def _open(data: bytes, request: Request) -> Iterator[tuple[InputContainer, VideoStream]]:
    try:
        container: InputContainer = av.open(io.BytesIO(data), "r", format=_DEMUXERS[request.kind])
    except OSError as exc:
        if exc.errno == errno.EIO:  # there is no device below it: a read beyond the end
            raise ImageError("truncated", f"The {request.kind} file ends before the first picture does.") from exc
        raise
    with container:
        # Covers of sound files are streams of one picture.
        streams = [one for one in container.streams.video if one.codec_context is not None]
        if not streams:
            if ends_early(data):
                raise ImageError("truncated", f"The {request.kind} file ends before the first picture does.")
            raise ImageError("not-an-image", f"The {request.kind} file holds no video that can be decoded.")
        stream = streams[0]
        context = stream.codec_context
        request.check_pixels(context.width, context.height)
        context.options = {"max_pixels": str(request.limits.max_pixels)}  # frames may declare another size
        context.thread_count = 1  # there is a worker for each core
        context.skip_frame = "NONKEY"
        yield container, stream


def _key_frames(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    for frame in container.decode(stream):
        if frame.key_frame and frame.pts is not None:
            yield frame


def _first(stream: VideoStream, container: InputContainer) -> VideoFrame:
    shown = None
    for tried, frame in enumerate(_key_frames(container, stream), 1):
        shown = shown or frame
        if _grey(frame).std() >= _FLAT:
            return frame
        if tried == _FIRST_TRIED:
            break
    if shown is None:
        raise ValueError("no key frame")
    return shown


def _at(container: InputContainer, stream: VideoStream, request: Request) -> VideoFrame:
    name, _, seconds = (request.part or "").partition("=")
    try:
        time = float(seconds)
    except ValueError:
        time = float("nan")
    if name != "t" or not 0 <= time < 2**31:
        raise request.no_such_part()
    _seek(container, time + 0.001)  # the name is rounded to milliseconds
    for frame in _key_frames(container, stream):
        if _name(frame) == request.part:
            return frame
        if frame.time > time + 1:
            break
    raise request.no_such_part()


def _spread(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Key frames after the first, in order: all of them, or so many evenly over the duration."""
    _seek(container, 0.0)
    times = [
        float(packet.pts * packet.time_base)
        for packet in container.demux(stream)
        if packet.is_keyframe and packet.pts is not None and packet.time_base is not None
    ]
    chosen = sorted({round(index) for index in np.linspace(0, len(times) - 1, min(len(times), _LOOKED_AT))})
    for index in chosen:
        _seek(container, times[index] + 0.001)
        frame = next(_key_frames(container, stream), None)
        if frame is not None:
            yield frame


def _seek(container: InputContainer, seconds: float) -> None:
    container.seek(round(seconds * av.time_base))  # to the key frame at or before it


def _name(frame: VideoFrame) -> str:
    return f"t={frame.time:.3f}"


def _grey(frame: VideoFrame) -> np.ndarray:
    small: np.ndarray = frame.reformat(width=16, height=16, format="gray").to_ndarray().astype(np.float32)
    return small


def _raster(frame: VideoFrame, stream: VideoStream) -> Raster:
    known = int(frame.colorspace) != _UNSPECIFIED
    assumed = Colorspace.ITU709 if frame.height >= _HD_HEIGHT else Colorspace.ITU601
    values = frame.reformat(format="rgb24", src_colorspace=None if known else assumed).to_ndarray()
    image = Image.fromarray(values)
    aspect = stream.sample_aspect_ratio
    if aspect and aspect != 1 and 0.1 < aspect < 10:  # pixels that are not square
        image = image.resize((max(1, round(image.width * float(aspect))), image.height), Image.Resampling.BICUBIC)
    return Raster(image, image.size, _EXIF_OF_TURN.get(frame.rotation, 1))
