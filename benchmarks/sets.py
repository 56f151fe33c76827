"""Public data sets as deliveries: cut into what Perennial is given and what nobody sees, with fixed seeds.

The sets stand beside the project, in `../shared/data`, and are no part of it. Cells are kept as the text that they were delivered as.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

Positions = npt.NDArray[np.int64]
FOLDER = Path(__file__).parents[2] / "shared" / "data"
SEED, TEST_SHARE, GROUP_FOLDS = 20_260, 0.25, 5
GROUP = "person"


class SetMissing(LookupError):
    """A data set is not on this machine."""


@dataclass(frozen=True, slots=True)
class Known:
    """A set: where its rows stand and what is asked of them. `metric` is roc_auc or macro_f1."""

    name: str
    target: str
    metric: str
    read: Callable[[], tuple[pd.DataFrame, pd.DataFrame | None]]
    positive: str | None = None
    separator: str = ","
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One cut of a set: rows to learn from, and rows to judge with, every cell as text ("" is missing)."""

    known: Known
    learn: pd.DataFrame
    test: pd.DataFrame


def parts(known: Known, *, sample: int | None = None) -> Iterator[Part]:
    """The cuts of a set: one, or `GROUP_FOLDS` that share no group and together test every row once.

    Without a test part of its own a set is cut by chance within each class. With `sample` only so many rows are looked at.

    Raises:
        SetMissing: Its files are not there.
    """
    learn, test = known.read()
    if sample is not None:
        learn = learn.sample(min(sample, len(learn)), random_state=SEED).reset_index(drop=True)
    if test is not None:
        yield Part(known, learn, test)
        return
    for learnt, tested in _cuts(learn, known):
        yield Part(known, learn.iloc[learnt].reset_index(drop=True), learn.iloc[tested].reset_index(drop=True))


def _cuts(frame: pd.DataFrame, known: Known) -> Iterator[tuple[Positions, Positions]]:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedShuffleSplit

    if known.group is None:
        yield from StratifiedShuffleSplit(1, test_size=TEST_SHARE, random_state=SEED).split(frame, frame[known.target])
        return
    grouped = StratifiedGroupKFold(GROUP_FOLDS, shuffle=True, random_state=SEED)
    yield from grouped.split(frame, frame[known.target], frame[known.group])


def path_of(*path: str) -> Path:
    """A file below `FOLDER`.

    Raises:
        SetMissing: It is not there.
    """
    file = FOLDER.joinpath(*path)
    if not file.is_file():
        raise SetMissing(path[0])
    return file


def _csv(*path: str, separator: str = ",") -> pd.DataFrame:
    return pd.read_csv(path_of(*path), sep=separator, dtype=str, keep_default_na=False)


def _telco() -> tuple[pd.DataFrame, None]:
    return _csv("telco_churn", "Telco-Customer-Churn.csv"), None


def _credit() -> tuple[pd.DataFrame, None]:
    """Without its first column, which has no name and counts the rows."""
    return _csv("give_me_some_credit", "cs-training.csv.gz").iloc[:, 1:], None


def _bank() -> tuple[pd.DataFrame, None]:
    """Without `duration`, which is known only after the call that is to be predicted."""
    return _csv("bank_marketing", "bank-additional-full.csv.gz", separator=";").drop(columns="duration"), None


def _banking77() -> tuple[pd.DataFrame, pd.DataFrame]:
    """As its authors cut it."""
    return _csv("banking77", "train.csv"), _csv("banking77", "test.csv")


def _resumes() -> tuple[pd.DataFrame, None]:
    """With a column that is the same for the same text: 962 rows are 166 texts."""
    frame = _csv("resume_962", "UpdatedResumeDataSet.csv.gz")
    codes, _ = pd.factorize(frame["Resume"])
    return frame.assign(**{GROUP: [f"P{code:03d}" for code in codes]}), None


SETS = {
    known.name: known
    for known in (
        Known("telco_churn", "Churn", "roc_auc", _telco, positive="Yes"),
        Known("give_me_some_credit", "SeriousDlqin2yrs", "roc_auc", _credit, positive="1"),
        Known("bank_marketing", "y", "roc_auc", _bank, positive="yes", separator=";"),
        Known("banking77", "category", "macro_f1", _banking77),
        Known("resume_962", "Category", "macro_f1", _resumes, group=GROUP),
    )
}
