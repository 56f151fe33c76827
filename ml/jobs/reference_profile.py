"""What windows of a champion are compared with, kept as a profile: made at the first look, so that a window costs only itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from ml.data.table import PLACE, AcceptedTable
from ml.errors import ConcurrentChange, NoData
from ml.jobs.said import compared_prediction, of_places
from ml.monitoring import drift as drifting
from ml.monitoring import profile_file
from ml.monitoring.alarms.own_windows import NO_TIME, Cut
from ml.monitoring.drift import Pin
from ml.monitoring.looks import own_windows
from ml.monitoring.profile_file import BrokenProfile, KeptColumn, ReferenceProfile
from ml.monitoring.profiles import labels
from ml.monitoring.window_columns import chunks, texts_of
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, trainings
from ml.state.records import Training
from ml.training import champions, dataset, reference
from ml.training.evaluation import predict
from ml.training.span import Span, spanned
from ml.training.split import by_time, split


def url_of(settings: Settings, training: Training) -> str:
    """Where the profile of a training's rows stands: beside the tables that it is of."""
    return f"{settings.tables_url.rstrip('/')}/{training.model}/profiles/{training.mlflow_run}.parquet"


@contextmanager
def kept(settings: Settings, training: Training, *, learnt: ModelSpec, tested: Any | None, window_rows: int) -> Iterator[ReferenceProfile]:
    """The profile of all rows of the time that a champion learnt from, and of what its tested model says of those that it did not learn.

    It is made where there is none, or one that cannot be read, of another format or of other rows; two that make it at once make the
    same. Where a column of it turns out to be broken while it is used, it is removed, and the next attempt makes it anew. What was kept
    of champions before the former one is removed whenever one is made.

    Args:
        settings: Where the tables are.
        training: The run that made the champion.
        learnt: The declaration of that run.
        tested: Its tested model (`ml.training.tested_model.load`); None where that was not kept.
        window_rows: The rows of the window that is looked at: where `time` or `group` is declared, a profile that is made now says how far
            such windows of the reference, or smaller ones, lie from its rest. That stays as it is and stretches to windows of other sizes.

    Raises:
        NoData: There is no profile, and the rows that it would be made of are gone.
        BrokenProfile: What is stored of a column cannot be read; trying again cures it.
    """
    url, of = url_of(settings, training), identity(training)
    try:
        with profile_file.opened(url, of=of) as found:
            if found is not None:
                yield found
                return
        make(settings, training, learnt=learnt, tested=tested, window_rows=window_rows)
        forget_older(settings, training)
        with profile_file.opened(url, of=of) as made:
            if made is None:
                raise ConcurrentChange(f"the reference profile {url} was removed while it was being used; look again")
            yield made
    except BrokenProfile:
        profile_file.remove(url)
        raise


def forget_older(settings: Settings, training: Training) -> list[str]:
    """Removes what is kept of trainings other than this one, the champion's and the former champion's; names the files.

    A rollback returns to the former champion. Any other would be made again if it were needed.
    """
    state = State.open(settings)
    crowned = list(dict.fromkeys(one.version for one in reversed(trainings.promotion_history(state, training.model))))[:2]
    made_by = [training, *(trainings.of_version(state, training.model, version) for version in crowned)]
    keep = {str(one.mlflow_run) for one in made_by if one is not None}
    return profile_file.remove_others(url_of(settings, training).rsplit("/", 1)[0], keep=keep)


def make(settings: Settings, training: Training, *, learnt: ModelSpec, tested: Any | None, window_rows: int) -> None:
    """Writes the profile anew. Memory: a chunk of columns of the reference at a time, and a piece of its rows."""
    try:
        keys = dataset.labelled_of_training(settings, learnt, training, [PLACE])  # found once, whatever the number of features
        if keys.empty:
            raise NoData(f"the training of version {training.version} of {training.model} has no rows left: train again")
        test = split(keys, learnt).test
        span = spanned(settings, learnt, keys, test=test, version=training.dataset_version)
        rows = _Rows(keys, keys.iloc[test], span, tested, window_rows)
        columns = _columns(settings, learnt, training, rows)
        counts = {} if learnt.task == "regression" else labels(rows.test[learnt.target]).counts
        profile_file.write(url_of(settings, training), columns, of=identity(training), rows=len(rows.span.keys), tested=counts)
    except FileNotFoundError as error:
        raise NoData(
            f"the rows that version {training.version} of {training.model} learnt from are gone ({error}), and no profile of them "
            "was kept: nothing can be compared with them. Bring the table's files back, or train again"
        ) from error


def identity(training: Training) -> dict[str, object]:
    """What a kept profile must be of, to be this training's."""
    return {
        "run": training.mlflow_run,
        "declaration": training.spec_hash,
        "dataset_version": training.dataset_version,
        "labels_version": training.labels_version,
        "as_of": training.as_of.isoformat(),
    }


@dataclass(frozen=True, slots=True)
class _Rows:
    """What a profile is of: `keys` are those of the rows that the champion learnt from, `test` of those that judged it; `span` has all.

    `tested` is the tested model, where it was kept.
    """

    keys: pd.DataFrame
    test: pd.DataFrame
    span: Span
    tested: Any | None
    window_rows: int

    def cut(self, learnt: ModelSpec, frame: pd.DataFrame) -> Cut | None:
        """The windows of rows in order of time, or of whole groups; None where neither is declared."""
        if learnt.time is not None:
            return Cut.of(by_time(frame[learnt.time])[0], window_rows=self.window_rows)
        return None if learnt.group is None else Cut.of_groups(frame[learnt.group], window_rows=self.window_rows)


def _columns(settings: Settings, learnt: ModelSpec, training: Training, rows: _Rows) -> Iterator[KeptColumn]:
    """The target is of the rows that have a final label, the features are of all rows of their time, as in a window."""
    pins, whole = drifting.feature_pins(learnt), rows.span.keys
    drawn = profile_file.plot_rows(learnt.monitoring.sample_rows, columns=len(pins))
    target = rows.keys[learnt.target]
    yield _kept(learnt.target, drifting.target_pin(learnt), target, profile_file.positions(len(target), drawn), rows.cut(learnt, rows.keys))
    by_name, cut, places = {pin.column: pin for pin in pins}, rows.cut(learnt, whole), profile_file.positions(len(whole), drawn)
    table = AcceptedTable.of(settings, learnt.model, learnt)
    chosen = whole[PLACE].to_numpy()
    for chunk in chunks(list(by_name), rows=len(whole), texts=texts_of(pins)):
        read = table.read_columns(chunk, version=training.dataset_version, places=chosen)
        for name in chunk:
            kept_as = _kept_text if by_name[name].measured_as == "text" else _kept_values
            yield kept_as(by_name[name], read[name], places, cut)
        del read  # or two chunks would be held while the next one is read
    said, of = _said(settings, learnt, training, rows)
    pin = drifting.prediction_pin(learnt, "prediction", has_probability=pd.api.types.is_float_dtype(said.dtype))
    yield _kept(None, pin, said, profile_file.positions(len(said), drawn), rows.cut(learnt, of))


def _kept(name: str | None, pin: Pin, column: pd.Series, places: npt.NDArray[np.int64], cut: Cut | None) -> KeptColumn:
    whole = drifting.profile_of(pin, column)
    return KeptColumn(name, whole, column.iloc[places], NO_TIME if cut is None else own_windows(pin, column, whole, cut))


def _kept_values(pin: Pin, column: pa.ChunkedArray, places: npt.NDArray[np.int64], cut: Cut | None) -> KeptColumn:
    return _kept(pin.column, pin, column.to_pandas(), places, cut)


def _kept_text(pin: Pin, column: pa.ChunkedArray, places: npt.NDArray[np.int64], cut: Cut | None) -> KeptColumn:
    """Only what is drawn becomes Python's texts: of its own windows a text column says no more than where nothing stands."""
    whole, drawn = drifting.profile_of(pin, column), column.take(pa.array(places)).to_pandas()
    there = pd.Series(np.array([None, ""], dtype=object)[column.is_valid().to_numpy(zero_copy_only=False).astype(np.int8)])
    return KeptColumn(pin.column, whole, drawn, NO_TIME if cut is None else own_windows(pin, there, whole, cut))


def _said(settings: Settings, learnt: ModelSpec, training: Training, rows: _Rows) -> tuple[pd.Series, pd.DataFrame]:
    """What the tested model says of rows that it was not fitted on, labelled or not, and their keys: it is surer of those that it was.

    Of trainings that did not keep the tested model: what it said of the test rows; where that was not kept either, what their promoted
    model says of them.
    """
    if rows.tested is not None:
        of = rows.span.keys.iloc[rows.span.held_out]
        table = AcceptedTable.of(settings, learnt.model, learnt)
        return compared_prediction(
            learnt, of_places(rows.tested, table, of[PLACE].to_numpy(), learnt, version=training.dataset_version)
        ), of
    found = reference.load(settings, training, rows.test)
    if found is None:
        champion = champions.load(settings, champions.Champion(int(training.version or 0), training, learnt))
        found = predict(champion, dataset.of_training(settings, learnt, training).test, task=learnt.task)
        dataset.forget()
    return compared_prediction(learnt, found), rows.test
