"""Whom a challenger meets: the champion as it serves, on rows that it has not seen, or its recipe fitted again.

The champion was fitted on all rows that there were, so only newer ones can judge it. A changed recipe may come before there are enough of
these: then the champion's recipe is fitted again on the challenger's own development rows, and both meet on all test rows.
"""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.errors import NoData, UnknownVersion
from ml.registry import models
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.training import champions, making
from ml.training.champions import Champion
from ml.training.dataset import Dataset, labelled_of_training, row_keys
from ml.training.evaluation import Predicted, predict
from ml.training.results import verdict_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rival:
    """The champion on the rows that decide.

    `rows` marks them among the test rows; `predicted` is what it says of them, None where it cannot be compared: `obstacle` says why.
    """

    champion: Champion
    rows: npt.NDArray[np.bool_]
    predicted: Predicted | None
    refitted: bool = False
    obstacle: str | None = None

    def recipe_changed(self, spec: ModelSpec) -> bool:
        """Whether this declaration makes other models than the champion's did."""
        return self.champion.spec.recipe() != spec.recipe()


def needed_columns(champion: Champion) -> list[str]:
    """The columns that the champion reads, with those that its recipe needs to be fitted again."""
    named = (*champion.spec.features.used, champion.spec.time, champion.spec.group)
    return [name for name in named if name is not None]


def meet(settings: Settings, spec: ModelSpec, champion: Champion, rows: Dataset) -> Rival:
    """Finds the rows that decide, and asks the champion about them."""
    model, obstacle = _loaded(settings, spec, champion)
    everything = np.ones(len(rows.test), dtype=bool)
    if obstacle is not None:
        return Rival(champion, everything, None, obstacle=obstacle)
    unseen = ~row_keys(rows.test).isin(seen_by(settings, champion))
    changed = champion.spec.recipe() != spec.recipe()
    refit = changed and int(unseen.sum()) < spec.promotion.minimum_rows
    if refit:
        try:
            model, unseen = _again(champion, rows.development), everything
        except NoData as error:  # the champion is asked as it serves, about too few rows to lose to anybody
            log.warning("champion's recipe not fitted again model=%s version=%d: %s", spec.model, champion.version, error)
            refit = False
    try:
        return Rival(champion, unseen, predict(model, rows.test[unseen], task=spec.task) if unseen.any() else None, refit)
    except Exception as error:  # a foreign class may raise anything on rows that it does not know
        return Rival(champion, everything, None, obstacle=f"it fails on these rows: {type(error).__name__}: {str(error)[:200]}")


def seen_by(settings: Settings, champion: Champion) -> pd.MultiIndex:
    """The keys of all rows that the champion was made with."""
    return row_keys(labelled_of_training(settings, champion.spec, champion.training, ()))


def _loaded(settings: Settings, spec: ModelSpec, champion: Champion) -> tuple[Any, str | None]:
    other = champion.spec
    if champions.question(spec) != champions.question(other):
        return None, f"it predicts {other.target!r} ({other.task}), not {spec.target!r} ({spec.task})"
    try:
        return champions.load(settings, champion), None
    except UnknownVersion:
        return None, "it is no longer in the registry"
    except models.BrokenVersion:
        return None, "its file is missing or not the one that was registered"


def _again(champion: Champion, development: pd.DataFrame) -> Any:
    verdict = verdict_of(champion.training)
    if verdict is None:
        raise NoData("its training has no verdict")
    try:
        return making.tested(champion.spec, verdict.candidate, verdict.params, development).model
    except Exception as error:  # rows that its declaration does not fit, a class that is no longer installed
        raise NoData(f"{type(error).__name__}: {str(error)[:200]}") from error
