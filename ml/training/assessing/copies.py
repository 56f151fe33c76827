"""Rows that stand on both sides: in the development part, and again in the test part."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.spec import ModelSpec
from ml.training.assessing.facts import Suspicion
from ml.wording import percent

COPIES_SHARE = 0.1
"""With more copies than this the test part flatters the model by a margin that matters."""
COARSE_SHARE = 0.25
"""If this share of rows is still known with another value in one column, rows meet again by chance and are no copies."""
_TEST_ROWS, _DEVELOPMENT_ROWS = 10_000, 500_000
_MIX = np.uint64(0x9E3779B97F4A7C15)

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Copies:
    """`share` of the test rows (0-1) stands in the development part too, features and target.

    `coarse` is the share (0-1) of test rows that would also be found there with another row's value in one column, for the column where
    that is most frequent. A few coarse columns meet again by chance, and so do their changed rows; copies of fine rows do not.
    """

    share: float
    coarse: float
    rows: int


def same_rows(spec: ModelSpec, *, development: pd.DataFrame, test: pd.DataFrame) -> Suspicion | None:
    """A warning if more test rows than chance explains have the features and the target of a development row."""
    if development.empty or test.empty:
        return None
    found = copies(spec, development=development, test=test)
    if found.share <= COPIES_SHARE or found.coarse >= COARSE_SHARE:
        return None
    cure = (
        "Declare as group: what the copies have in common, so that they stay on one side, or deliver each row once."
        if spec.group is None
        else f"The same rows stand under different values of the group {spec.group!r}: deliver each row once."
    )
    sentence = (
        f"{percent(found.share)} of {found.rows:,} test rows have the same features and target as a row of the development part, which "
        f"chance does not explain: the model has seen these answers, so its metrics are too good. {cure}"
    )
    return Suspicion(kind="same_rows", column=None, value=found.share, sentence=sentence)


def copies(spec: ModelSpec, *, development: pd.DataFrame, test: pd.DataFrame) -> Copies:
    """How many test rows stand in the development part too. Of very many rows a part is looked at, drawn with the seed."""
    seed = spec.training.seed
    before = development.sample(min(_DEVELOPMENT_ROWS, len(development)), random_state=seed)
    now = test.sample(min(_TEST_ROWS, len(test)), random_state=seed)
    columns = []
    of_before, of_now = np.zeros(len(before), dtype=np.uint64), np.zeros(len(now), dtype=np.uint64)
    for place, column in enumerate((*spec.features.used, spec.target)):
        hashes = _hashes(pd.concat([before[column], now[column]], ignore_index=True), place)
        columns.append(hashes[len(before) :])
        of_before += hashes[: len(before)]
        of_now += columns[-1]
    known = np.unique(of_before)
    drawn = np.random.default_rng(seed).permutation(len(now))
    coarse = max(_found_when_changed(known, of_now, column, column[drawn]) for column in columns)
    return Copies(float(np.isin(of_now, known).mean()), coarse, len(now))


def _found_when_changed(known: Hashes, rows: Hashes, column: Hashes, other: Hashes) -> float:
    """The share of known rows, of those whose value in this column becomes another one; 0 where it never does."""
    changed = column != other
    return float(np.isin(rows[changed] - column[changed] + other[changed], known).mean()) if changed.any() else 0.0


def _hashes(values: pd.Series, place: int) -> Hashes:
    """A number for each value, the same for the same value, as if by chance; missing values are alike. The sum over columns names a row."""
    codes, _ = pd.factorize(values, use_na_sentinel=True)
    hashed: Hashes = pd.util.hash_array((codes + 1).astype(np.uint64) + np.array([place], dtype=np.uint64) * _MIX)
    return hashed
