"""Numbers and times as sentences write them."""

from datetime import timedelta


def number(value: float) -> str:
    """A number for a sentence: three significant decimals, never shorter than needed to differ from zero."""
    return f"{value:.3f}" if value == 0 or 0.001 <= abs(value) < 1e6 else f"{value:.3g}"


def span(time: timedelta) -> str:
    """A time for a sentence, in the largest unit that it fills."""
    seconds = int(time.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            return f"{whole} {unit}" if rest == 0 else f"{seconds / size:.1f} {unit}"
    return f"{seconds} s"
