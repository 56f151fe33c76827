"""Streams without drift, in which an alarm is false: real rows in random order, and simulated rows that follow each other."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from benchmarks import labelled

_WARM_UP = 500


@dataclass(frozen=True, slots=True)
class Draw:
    """One reference and windows that share no row with it; `is_ordered`: rows follow each other in time."""

    reference: pd.DataFrame
    windows: tuple[pd.DataFrame, ...]
    is_ordered: bool


def elec2() -> pd.DataFrame:
    """All of it but the date, which only moves on; the day of the week is a label."""
    return labelled.elec2().frame.drop(columns="date").astype({"day": "string", "class": "string"})


def give_me_some_credit() -> pd.DataFrame:
    """All of it but the row numbers; the outcome is a label."""
    return labelled.give_me_some_credit().frame.astype({"SeriousDlqin2yrs": "string"})


READ: dict[str, Callable[[], pd.DataFrame]] = {"elec2": elec2, "give_me_some_credit": give_me_some_credit}


@cache
def _rows(name: str) -> pd.DataFrame:
    return READ[name]()


def shuffled(name: str, *, reference: int, window: int, windows: int, random: np.random.Generator) -> Iterator[Draw]:
    """Without end: rows drawn anew each time, without replacement within a draw (resampled: disjoint ones are too few).

    Raises:
        SetMissing: The set is not there.
    """
    rows = _rows(name)
    while True:
        drawn = rows.iloc[random.permutation(len(rows))[: reference + windows * window]]
        ends = range(reference, len(drawn), window)
        yield Draw(drawn.iloc[:reference], tuple(drawn.iloc[end : end + window] for end in ends), is_ordered=False)


def autoregressive(
    phi: float, *, reference: int, window: int, windows: int, random: np.random.Generator, columns: int = 3
) -> Iterator[Draw]:
    """Without end: standard normal columns, each row correlated by `phi` with the one before; windows lie far after the reference."""
    from scipy.signal import lfilter

    def stretch(rows: int) -> pd.DataFrame:
        noise = random.normal(size=(rows + _WARM_UP, columns))
        found = lfilter([1], [1, -phi], noise, axis=0)[_WARM_UP:] * np.sqrt(1 - phi**2)
        return pd.DataFrame(found, columns=[f"x{column}" for column in range(columns)])

    while True:
        yield Draw(stretch(reference), tuple(stretch(window) for _ in range(windows)), is_ordered=True)
