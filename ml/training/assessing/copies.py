"""Rows that stand on both sides: in the development part, and again in the test part."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.spec import ModelSpec
from ml.training.assessing.facts import Suspicion

COPIES_SHARE = 0.1
"""With more copies than this beyond chance the test part flatters the model by a margin that matters."""
_TEST_ROWS, _DEVELOPMENT_ROWS = 20_000, 500_000
_MIX = np.uint64(0x9E3779B97F4A7C15)

Hashes = npt.NDArray[np.uint64]


def same_rows(spec: ModelSpec, *, development: pd.DataFrame, test: pd.DataFrame) -> Suspicion | None:
    """A warning if more test rows than chance explains have the features and the target of a development row."""
    if development.empty or test.empty:
        return None
    copies, chance, rows = copied_share(spec, development=development, test=test)
    if copies - chance <= COPIES_SHARE:
        return None
    cure = (
        "Declare as group: what the copies have in common, so that they stay on one side, or deliver each row once."
        if spec.group is None
        else f"The same rows stand under different values of the group {spec.group!r}: deliver each row once."
    )
    sentence = (
        f"{copies:.0%} of {rows:,} test rows have the same features and target as a row of the development part (chance explains "
        f"{chance:.0%}): the model has seen these answers, so its metrics are too good. {cure}"
    )
    return Suspicion(kind="same_rows", column=None, value=copies, sentence=sentence)


def copied_share(spec: ModelSpec, *, development: pd.DataFrame, test: pd.DataFrame) -> tuple[float, float, int]:
    """Which share of test rows stands in the development part too; which share chance explains; and of how many test rows.

    Chance is what remains when each column of the test rows is shuffled by itself: few, coarse columns meet again without any row
    being a copy, while rows of many or fine ones do not. Of very many rows a part is looked at, drawn with the seed.
    """
    seed = spec.training.seed
    before = development.sample(min(_DEVELOPMENT_ROWS, len(development)), random_state=seed)
    now = test.sample(min(_TEST_ROWS, len(test)), random_state=seed)
    rng = np.random.default_rng(seed)
    of_before, of_now = np.zeros(len(before), dtype=np.uint64), np.zeros(len(now), dtype=np.uint64)
    of_shuffled = of_now.copy()
    for place, column in enumerate((*spec.features.used, spec.target)):
        hashes = _hashes(pd.concat([before[column], now[column]], ignore_index=True), place)
        of_before += hashes[: len(before)]
        of_now += hashes[len(before) :]
        of_shuffled += rng.permutation(hashes[len(before) :])
    known = np.unique(of_before)
    return float(np.isin(of_now, known).mean()), float(np.isin(of_shuffled, known).mean()), len(now)


def _hashes(values: pd.Series, place: int) -> Hashes:
    """A number for each value, the same for the same value, as if by chance; missing values are alike. The sum over columns names a row."""
    codes, _ = pd.factorize(values, use_na_sentinel=True)
    hashed: Hashes = pd.util.hash_array((codes + 1).astype(np.uint64) + np.uint64(place * int(_MIX) % 2**64))
    return hashed
