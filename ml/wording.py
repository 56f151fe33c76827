"""Numbers and nouns as sentences need them."""


def counted(number: int, noun: str, *, plural: str | None = None) -> str:
    """A number with its noun.

    >>> counted(1, "row"), counted(0, "row"), counted(1200, "row"), counted(2, "batch", plural="batches")
    ('1 row', '0 rows', '1200 rows', '2 batches')
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def chance(p: float) -> str:
    """A p-value; what is smaller than anybody believes is not spelled out.

    >>> chance(0.0312), chance(5e-159)
    ('p = 0.031', 'p < 0.0001')
    """
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}"
