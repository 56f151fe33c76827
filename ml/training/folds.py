"""Which rows of the development part compare candidates, and which these are fitted on meanwhile."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit, StratifiedGroupKFold, StratifiedKFold, StratifiedShuffleSplit

from ml.errors import NoData
from ml.spec import ModelSpec
from ml.training.split import Positions, by_time, group_codes, nearest, purged

_MOST_GROUPS = 5000
"""scikit-learn shares groups out by class one by one, in Python: with more of them chance alone shares them out well."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Positions of rows in the development part, ascending; no row is in both."""

    train: Positions
    validation: Positions


def folds(frame: pd.DataFrame, spec: ModelSpec) -> list[Fold]:
    """The folds of the declared cross-validation; the same rows, declaration and seed give the same ones.

    A row is validated in one fold at most, and a group never stands on both sides. With `time` each validation part is later than all
    of its training rows: the rows are cut into `folds` + 1 parts of consecutive times, and each but the first is predicted by a model of
    all before it whose label was final by then (`purged`); rows of the same time stay together. Without, folds are drawn, by group or
    else by class. Where there are fewer groups, times or rows of a class than folds, there are fewer folds; rows that all have the same
    time are drawn. A fold whose training rows are of one class is left out.

    Args:
        frame: The development part, with the declared target, time and group. Its index does not matter.
        spec: The declaration; with one fold `validation_share` of all rows (the test part included) are its validation part.

    Raises:
        NoData: No fold has two classes to learn from.
    """
    if spec.time is not None and frame[spec.time].nunique(dropna=False) > 1:
        made = [*_in_time(frame, spec, spec.time)]
    else:
        made = [Fold(np.sort(train), np.sort(validation)) for train, validation in _drawn(frame, spec)]
    kept = [fold for fold in made if _is_fit(frame, spec, fold)]
    if not kept:
        raise NoData(_impossible(frame, spec))
    return kept


def _in_time(frame: pd.DataFrame, spec: ModelSpec, time: str) -> Iterable[Fold]:
    order, changes = by_time(frame[time])
    if spec.task != "regression":  # before there are two classes nothing can be learnt
        labels = pd.factorize(frame[spec.target])[0][order]
        changes = changes[changes > (labels != labels[:1]).argmax()]
    size = len(order)
    count = spec.training.folds
    places = [size * part / (count + 1) for part in range(1, count + 1)] if count > 1 else [size * (1 - _share(spec))]
    cuts = sorted({cut for place in places if (cut := nearest(changes, place)) is not None})
    groups = None if spec.group is None else group_codes(frame[spec.group])
    for cut, end in pairwise([*cuts, size]):
        train, validation = np.sort(order[:cut]), np.sort(order[cut:end])
        if groups is not None:
            train = train[~np.isin(groups[train], groups[validation])]
        final = Fold(purged(train, validation, frame[time], delay=spec.label_delay), validation)
        yield final if _is_fit(frame, spec, final) else Fold(train, validation)


def _drawn(frame: pd.DataFrame, spec: ModelSpec) -> Iterable[tuple[Positions, Positions]]:
    labels = None if spec.task == "regression" else frame[spec.target].to_numpy()
    groups = None if spec.group is None else group_codes(frame[spec.group])
    with warnings.catch_warnings():  # a class of few rows is in few folds: there is nothing that the caller could do
        warnings.simplefilter("ignore")
        if groups is not None:
            return _by_group(spec, labels, groups, size=len(frame))
        rows = np.zeros(len(frame))
        counts = np.array([len(frame)]) if labels is None else np.unique(labels, return_counts=True)[1]
        rarest, seeded = int(counts.min()), {"random_state": spec.training.seed}
        if len(frame) < 2:
            return []
        if spec.training.folds == 1:
            held_out = min(max(1, round(len(frame) * _share(spec))), len(frame) - 1)
            has_room = len(counts) <= min(held_out, len(frame) - held_out)
            splitter = StratifiedShuffleSplit if labels is not None and rarest > 1 and has_room else ShuffleSplit
            return [*splitter(n_splits=1, test_size=held_out, **seeded).split(rows, labels)]
        count = min(spec.training.folds, len(frame) if rarest < 2 else rarest)
        kind = KFold if labels is None or rarest < 2 else StratifiedKFold
        return [*kind(count, shuffle=True, **seeded).split(rows, labels)]


def _by_group(spec: ModelSpec, labels: Any, groups: Positions, *, size: int) -> list[tuple[Positions, Positions]]:
    number = len(np.unique(groups))
    wanted = spec.training.folds if spec.training.folds > 1 else max(2, round(1 / _share(spec)))
    count = min(wanted, number)
    if count < 2:
        return []
    stratified = labels is not None and number <= _MOST_GROUPS and np.unique(labels, return_counts=True)[1].max() >= count
    kind = StratifiedGroupKFold if stratified else GroupKFold
    found = [*kind(count, shuffle=True, random_state=spec.training.seed).split(np.zeros(size), labels, groups)]
    return found if spec.training.folds > 1 else found[:1]


def _share(spec: ModelSpec) -> float:
    """The share of the development part that one fold validates."""
    return spec.training.validation_share / (1 - spec.training.test_share)


def _is_fit(frame: pd.DataFrame, spec: ModelSpec, fold: Fold) -> bool:
    if len(fold.validation) == 0 or len(fold.train) < 2:
        return False
    return spec.task == "regression" or frame[spec.target].iloc[fold.train].nunique() > 1


def _impossible(frame: pd.DataFrame, spec: ModelSpec) -> str:
    said = f"{spec.model}: {len(frame)} rows to learn from cannot be divided into {spec.training.folds} folds"
    if spec.group is not None:
        count = frame[spec.group].nunique()
        after = "in time, each group on one side only" if spec.time is not None else "each group on one side only"
        return f"{said} ({after}): they are of {count} groups of {spec.group!r}. Take in more data, or take group out."
    counts = frame[spec.target].value_counts()
    rarest = f"{counts.index[-1]!r} stands in {counts.iloc[-1]} of them" if spec.task != "regression" else "they are too few"
    when = f" in the order of {spec.time!r}, with two classes to learn from in each" if spec.time is not None else ""
    return f"{said}{when}: {rarest}. Take in more data."
