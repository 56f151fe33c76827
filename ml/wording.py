"""Numbers, nouns and moments as sentences need them."""

import re
from datetime import UTC, datetime


def counted(number: int, noun: str, *, plural: str | None = None) -> str:
    """A number with its noun.

    >>> counted(1, "row"), counted(0, "row"), counted(1200, "row"), counted(2, "batch", plural="batches")
    ('1 row', '0 rows', '1,200 rows', '2 batches')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def percent(share: float, *, digits: int = 0) -> str:
    """A share (0-1) as all texts write it.

    >>> percent(0.95), percent(0.1234, digits=1)
    ('95 %', '12.3 %')
    """
    return f"{100 * share:.{digits}f} %"


def moment(at: datetime | None) -> str:
    """A moment to the minute, in UTC; a dash where there is none.

    >>> moment(datetime(2026, 5, 1, 9, 30, tzinfo=UTC))
    '2026-05-01 09:30 UTC'
    """
    return "–" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def size(text: str) -> str:
    """A length of a window as people write it.

    >>> size("336rows"), size("1batch"), size("7d")
    ('336 rows', '1 batch', '7d')
    """
    return re.sub(r"(\d)([a-z]{2,})", r"\1 \2", text)


def chance(p: float) -> str:
    """A p-value; what is smaller than anybody believes is not spelled out.

    >>> chance(0.0312), chance(5e-159)
    ('p = 0.031', 'p < 0.0001')
    """
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}"
