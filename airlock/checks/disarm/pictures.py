"""A picture is the colours of its pixels, as they are seen on white paper.

What lies behind a pixel that cannot be seen through, or in a palette, or beyond eight bits, is not seen: it stays.
"""

import io

from PIL import Image, JpegImagePlugin, PngImagePlugin

from airlock.checks.disarm.cannot import Cannot
from airlock.checks.thresholds import Thresholds

QUALITY = 95
_AGAIN = "save the picture again"
_GREY = frozenset({"1", "L", "LA", "I", "I;16", "I;16B"})
_SEE_THROUGH = frozenset({"LA", "PA", "RGBA", "RGBa", "La"})
Image.preinit()  # loads its usual formats: no module can be loaded where files are looked at
_WHITE = (255, 255, 255, 255)


def png(content: bytes, limits: Thresholds) -> bytes:
    """Decode to pixels and encode them."""
    return _png(_pixels(PngImagePlugin.PngImageFile, content, limits))


def jpeg(content: bytes, limits: Thresholds) -> bytes:
    """Decode to pixels and encode them until that changes nothing any more: the format forgets a little each time."""
    packed = content
    for _ in range(12):
        before, packed = packed, _jpeg(_pixels(JpegImagePlugin.JpegImageFile, packed, limits))
        if before == packed:
            break
    return packed


def _pixels(opens: type[Image.Image], content: bytes, limits: Thresholds) -> Image.Image:
    try:
        picture = opens(io.BytesIO(content))  # type: ignore[call-arg]  # each format's class takes a file
        if picture.width * picture.height > limits.largest_pixels:
            raise Cannot(f"has more than {limits.largest_pixels} pixels", "save it smaller")
        picture.load()
        return _seen(picture)
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError):
        raise Cannot("cannot be read as a picture", _AGAIN) from None


def _seen(picture: Image.Image) -> Image.Image:
    """Return what is seen of a picture on white paper, in eight bits."""
    tone = "L" if picture.mode in _GREY else "RGB"
    if picture.mode in _SEE_THROUGH or "transparency" in picture.info:
        through = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", through.size, _WHITE), through).convert(tone)
    if picture.mode.startswith("I"):
        return picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    return picture.convert(tone)


def _png(picture: Image.Image) -> bytes:
    return _saved(picture, format="PNG", compress_level=6)


def _jpeg(picture: Image.Image) -> bytes:
    return _saved(picture, format="JPEG", quality=QUALITY, subsampling=0)


def _saved(picture: Image.Image, **how: object) -> bytes:
    plain, out = Image.frombytes(picture.mode, picture.size, picture.tobytes()), io.BytesIO()
    plain.save(out, **how)  # type: ignore[arg-type]  # a format's own words
    return out.getvalue()
