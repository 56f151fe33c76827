"""The level of a test that is asked again and again."""


def spent(level: float, attempt: int) -> float:
    """The part of `level` that attempt 1, 2, 3 … may use: level / (attempt · (attempt + 1)), so 1/2, 1/6, 1/12 … of it.

    The parts sum to `level` however many attempts follow, so by the union bound the chance that any attempt of a champion's tenure wins
    by luck is at most `level`, whatever the attempts have in common. It is alpha spending (Lan & DeMets 1983) with a number of looks
    that is not known beforehand; rows that answer again and again are used up (Dwork et al. 2015).

    >>> [round(spent(0.06, attempt), 4) for attempt in (1, 2, 3)]
    [0.03, 0.01, 0.005]
    """
    if attempt < 1:
        raise ValueError(f"attempts count from 1, not {attempt}")
    return level / (attempt * (attempt + 1))
