"""Public sets whose rows have an order and a label each: columns and rows as they are in their files."""

from dataclasses import dataclass

import pandas as pd

from benchmarks.sets import path_of

SYNTHETIC = "synthetic_known_drift"


@dataclass(frozen=True, slots=True)
class Labelled:
    """All columns of a set, the label among them."""

    frame: pd.DataFrame
    target: str

    @property
    def features(self) -> pd.DataFrame:
        """The columns without the label."""
        return self.frame.drop(columns=self.target)

    @property
    def labels(self) -> pd.Series:
        """The label of each row."""
        return self.frame[self.target]

    def without(self, column: str) -> "Labelled":
        """The same without a column."""
        return Labelled(self.frame.drop(columns=column), self.target)


def elec2() -> Labelled:
    """Half-hours; the date only moves on."""
    return Labelled(pd.read_csv(path_of("elec2", "electricity_9col.csv.gz")), "class")


def give_me_some_credit() -> Labelled:
    """Without the row numbers."""
    return Labelled(pd.read_csv(path_of("give_me_some_credit", "cs-training.csv.gz")).iloc[:, 1:], "SeriousDlqin2yrs")


def usenet1() -> Labelled:
    """Words of messages, and whether their reader is interested."""
    return Labelled(pd.read_csv(path_of("usenet1", "usenet1.csv")), "Label")


def sea() -> Labelled:
    """A change every 12,500 rows."""
    rows = pd.read_csv(path_of(SYNTHETIC, "SEA_training_data.csv.gz"), header=None)
    return Labelled(rows.assign(**{"class": pd.read_csv(path_of(SYNTHETIC, "SEA_training_class.csv.gz"), header=None)[0]}), "class")


def synthetic(file: str) -> Labelled:
    """A file of the set `synthetic_known_drift`."""
    return Labelled(pd.read_csv(path_of(SYNTHETIC, file)), "class")
