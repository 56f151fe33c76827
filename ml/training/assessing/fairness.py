"""How differently a classifier treats the groups of a sensitive column."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.spec import ModelSpec
from ml.training.assessing.facts import Fairness, GroupRates
from ml.training.assessing.intervals import positive
from ml.training.assessing.slices import Mask, groups
from ml.training.evaluation import Predicted

MOST_CLASSES = 10
"""Of a multiclass model so many classes are looked at, the most frequent of the test rows."""
LEAST_OF_A_RATE = 10
"""A rate of fewer rows than this is not shown: one row more or less would move it by more than a tenth."""


def fairness(spec: ModelSpec, development: pd.DataFrame, test: pd.DataFrame, predicted: Predicted) -> tuple[Fairness, ...]:
    """One table for each sensitive column and class (binary: the positive one); none for a regression, which selects nobody.

    The differences are those of Fairlearn: demographic parity is the largest minus the smallest selection rate, equalised odds the larger
    of the same differences of the true positive and the false positive rates (Hardt, Price & Srebro 2016). Unlike there, groups with
    fewer than `evaluation.minimum_slice_rows` rows, and rates that rest on fewer than `LEAST_OF_A_RATE`, do not enter.
    """
    if spec.task == "regression" or test.empty:
        return ()
    labels, values = np.asarray(test[spec.target], dtype=str), np.asarray(predicted.values, dtype=str)
    outcomes = [str(positive(spec))] if spec.task == "binary" else _frequent(labels)
    return tuple(
        _table(spec, column, outcome, masks, truth=labels == outcome, selected=values == outcome)
        for column in spec.evaluation.sensitive
        for masks in [groups(spec, column, development=development[column], test=test[column])]
        for outcome in outcomes
    )


def _frequent(labels: npt.NDArray[Any]) -> list[str]:
    counts = pd.Series(labels).value_counts()
    return sorted((str(name) for name in counts.index), key=lambda name: (-counts[name], name))[:MOST_CLASSES]


def _table(spec: ModelSpec, column: str, outcome: str, masks: dict[str, Mask], *, truth: Mask, selected: Mask) -> Fairness:
    least = spec.evaluation.minimum_slice_rows
    rates = tuple(_rates(value, truth[mask], selected[mask], least) for value, mask in masks.items())
    odds = [_difference([one.true_positive_rate for one in rates]), _difference([one.false_positive_rate for one in rates])]
    known = [difference for difference in odds if difference is not None]
    return Fairness(
        column=column,
        outcome=outcome,
        groups=rates,
        demographic_parity_difference=_difference([one.selection_rate for one in rates]),
        equalised_odds_difference=max(known, default=None),
        note=_note(rates, least, both=len(known) == 2),
    )


def _rates(value: str, truth: Mask, selected: Mask, least: int) -> GroupRates:
    enough = len(truth) >= least
    return GroupRates(
        value=value,
        rows=len(truth),
        selection_rate=float(selected.mean()) if enough else None,
        true_positive_rate=_rate(selected[truth]) if enough else None,
        false_positive_rate=_rate(selected[~truth]) if enough else None,
    )


def _rate(selected: Mask) -> float | None:
    return float(selected.mean()) if len(selected) >= LEAST_OF_A_RATE else None


def _difference(rates: Sequence[float | None]) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return max(known) - min(known) if len(known) >= 2 else None


def _note(rates: Sequence[GroupRates], least: int, *, both: bool) -> str:
    small = [one.value for one in rates if one.selection_rate is None]
    said = []
    if small:
        shown = ", ".join(small[:5]) + (" …" if len(small) > 5 else "")
        said.append(f"Not tested, with fewer than {least} rows: {shown}.")
    if len(rates) - len(small) < 2:
        said.append("Fewer than two groups are large enough to compare.")
    elif not both:
        said.append("Equalised odds rests on one kind of rate only: of the other, fewer than two groups have enough rows.")
    return " ".join(said)
