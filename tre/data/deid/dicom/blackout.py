"""Where text is drawn into a picture, its stored pixels become zero; a layer above them would hide nothing."""

import io
from typing import BinaryIO, NamedTuple

from pydicom.pixels.decoders.rle import _rle_decode_frame

from tre.data.deid.dicom.compressed import RLE
from tre.data.deid.dicom.gate import BITS, COLUMNS, FRAMES, PHOTOMETRIC, ROWS, SAMPLES, number
from tre.data.deid.dicom.parse import EXPLICIT, Element, Form, Image, Span
from tre.data.deid.dicom.part import Region

LARGEST = 1 << 30
PLANAR = 0x00280006
CANNOT = "compressed pixels that cannot be blacked out here"


class Shape(NamedTuple):
    """How pixels lie in memory."""

    frames: int
    rows: int
    columns: int
    samples: int
    width: int
    """Bytes of one sample."""
    planar: bool


def black(image: Image, regions: tuple[Region, ...]) -> Image | None:
    """Return the image with the regions black, or nothing where that cannot be done for sure."""
    shape, span = _shape(image), image.span()
    if shape is None or span is None or span.length > LARGEST:
        return None
    if span.fragments and (image.syntax != RLE or len(span.fragments) - 1 != shape.frames):
        return None
    pixels = _unpacked(image, span, shape) if span.fragments else bytearray(_read(image.file, span.offset, span.length))
    if pixels is None:
        return None
    for frame in range(shape.frames):
        for region in regions:
            _fill(pixels, shape, frame, region)
    return _with(image, bytes(pixels), compressed=bool(span.fragments))


def _shape(image: Image) -> Shape | None:
    bits, samples = number(image, BITS), number(image, SAMPLES) or 1
    if bits not in (8, 16, 32) or image.text(PHOTOMETRIC) in ("YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420"):
        return None
    planar = number(image, PLANAR) == 1
    frames = number(image, FRAMES) or 1
    return Shape(frames, number(image, ROWS), number(image, COLUMNS), samples, bits // 8, planar)


def _fill(pixels: bytearray, shape: Shape, frame: int, region: Region) -> None:
    left, top, width, height = region
    right, bottom = min(left + width, shape.columns), min(top + height, shape.rows)
    planes, step = (shape.samples, shape.width) if shape.planar else (1, shape.width * shape.samples)
    plane_size = shape.rows * shape.columns * step
    for plane in range(planes):
        start = (frame * planes + plane) * plane_size
        for row in range(top, bottom):
            at = start + (row * shape.columns + left) * step
            if right > left:
                pixels[at : at + (right - left) * step] = bytes((right - left) * step)


def _read(file: BinaryIO, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)


def _unpacked(image: Image, span: Span, shape: Shape) -> bytearray | None:
    """Unpack RLE (PS3.5, G), which loses nothing; each frame comes plane by plane."""
    pixels = bytearray()
    for place, size in span.fragments[1:]:
        try:
            planes = _rle_decode_frame(
                _read(image.file, place, size), shape.rows, shape.columns, shape.samples, shape.width * 8
            )
        except (ValueError, NotImplementedError, IndexError):
            return None
        pixels += planes if shape.planar or shape.samples == 1 else _woven(planes, shape)
    return pixels


def _woven(planes: bytes | bytearray, shape: Shape) -> bytearray:
    """Return pixel by pixel what came plane by plane."""
    size = shape.rows * shape.columns * shape.width
    woven = bytearray(len(planes))
    for plane in range(shape.samples):
        for byte in range(shape.width):
            place = plane * shape.width + byte
            woven[place :: shape.samples * shape.width] = planes[plane * size + byte : (plane + 1) * size : shape.width]
    return woven


def _with(image: Image, pixels: bytes, *, compressed: bool) -> Image:
    elements = [
        Element(one.tag, one.vr, Span(0, len(pixels))) if isinstance(one.value, Span) else one for one in image.elements
    ]
    if not compressed:
        return image._replace(elements=elements, file=io.BytesIO(pixels))
    return Image(EXPLICIT, Form(explicit=True, little=True), elements, io.BytesIO(pixels))
