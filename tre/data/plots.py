"""Bars in SVG for a page that has no script: they take the page's colours and its width, and each says its number."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

HEIGHT, STEP = 170, 44
ROOM = 0.98  # of the width that the longest bar takes


@dataclass(frozen=True)
class Bar:
    """One bar: what it is of, how long, what is written beside it, and whether it tells of something that stops."""

    name: str
    value: float
    told: str
    low: bool = False


def columns(bars: Sequence[Bar]) -> str:
    """Draw upright bars."""
    most, share = _most(bars), 100 / max(1, len(bars))
    parts = ['<line class="axis" x1="0" x2="100%" y1="148" y2="148"/>']
    for at, bar in enumerate(bars):
        high = bar.value / most * (HEIGHT - 50)
        left, middle, y = share * (at + 0.12), share * (at + 0.5), HEIGHT - 22 - high
        parts += [
            f'<rect class="{_kind(bar)}" x="{left:.2f}%" y="{y:.1f}" width="{share * 0.76:.2f}%" height="{high:.1f}"/>',
            _text(f"{middle:.2f}%", y - 6, bar.told, anchor="middle"),
            _text(f"{middle:.2f}%", HEIGHT - 5, bar.name, anchor="middle", kind="soft"),
        ]
    return _svg(HEIGHT, parts, bars)


def rows(bars: Sequence[Bar], *, hide: int = 0) -> str:
    """Draw lying bars, each below its name. Those below `hide` are all as long as that."""
    most = _most(bars, hide)
    parts = []
    for at, bar in enumerate(bars):
        y, length = at * STEP, _shown(bar.value, hide) / most * ROOM * 100
        parts += [
            _text("0", y + 16, bar.name, kind="soft"),
            _text("100%", y + 16, bar.told, anchor="end"),
            f'<rect class="{_kind(bar)}" x="0" y="{y + 22}" width="{max(length, 0.3):.2f}%" height="12"/>',
        ]
    return _svg(max(1, len(bars)) * STEP, parts, bars)


def _most(bars: Iterable[Bar], hide: int = 0) -> float:
    return max([1.0, float(hide), *(bar.value for bar in bars)])


def _shown(value: float, hide: int) -> float:
    """Measure a bar; a number that is not told must not be read off its length."""
    return hide if 0 < value < hide else value


def _kind(bar: Bar) -> str:
    return "low" if bar.low else "bar"


def _text(x: str, y: float, said: str, *, anchor: str = "start", kind: str = "") -> str:
    return f'<text class="{kind}" x="{x}" y="{y:.1f}" text-anchor="{anchor}">{escape(said)}</text>'


def _svg(height: int, parts: Iterable[str], bars: Iterable[Bar]) -> str:
    said = "; ".join(f"{bar.name}: {bar.told}" for bar in bars)
    return f'<svg height="{height}" role="img" aria-label="{escape(said)}">{"".join(parts)}</svg>'
