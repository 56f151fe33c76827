"""A model's drift as a small line, drawn by the server."""

from collections.abc import Sequence
from dataclasses import dataclass

from ml.state.overview import Look
from ml.wording import percent

WIDTH, HEIGHT = 100.0, 24.0
_LEAST_TOP = 0.2


@dataclass(frozen=True, slots=True)
class Sparkline:
    """A line in a box of `WIDTH` x `HEIGHT`: its points, the height of the limit (None: there is no limit), and the same in words."""

    points: str
    limit: float | None
    label: str


def sparkline(looks: Sequence[Look], limit: float | None) -> Sparkline | None:
    """The share of drifted columns over the windows, oldest first; None with fewer than two of them."""
    shares = [one.share for one in looks if one.share is not None]
    if len(shares) < 2:
        return None
    top = max(_LEAST_TOP, *shares, (limit or 0.0) * 1.1)
    step = WIDTH / (len(shares) - 1)
    points = " ".join(f"{place * step:.1f},{_height(share, top):.1f}" for place, share in enumerate(shares))
    beyond = "" if limit is None else f", the limit is {percent(limit)}"
    course = f"from {percent(shares[0])} to {percent(shares[-1])}, at most {percent(max(shares))}{beyond}"
    label = f"Share of drifted columns in the last {len(shares)} windows: {course}"
    return Sparkline(points, None if limit is None else _height(limit, top), label)


def _height(share: float, top: float) -> float:
    return round(HEIGHT * (1 - share / top), 1)
