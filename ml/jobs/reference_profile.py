"""What a champion learnt from, kept as a profile: made at the first look, so that a window costs only itself."""

from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd

from ml.errors import ConcurrentChange, NoData
from ml.jobs.said import compared_prediction
from ml.monitoring import profile_file
from ml.monitoring.drift import TEXT_ROWS
from ml.monitoring.profile_file import KeptColumn, ReferenceProfile
from ml.monitoring.profiles import Profile, labels, numeric, text
from ml.monitoring.window_columns import chunks
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state.records import Training
from ml.training import champions, dataset, reference
from ml.training.evaluation import predict
from ml.training.split import split


def url_of(settings: Settings, training: Training) -> str:
    """Where the profile of a training's rows stands: beside the tables that it is of."""
    return f"{settings.tables_url.rstrip('/')}/{training.model}/profiles/{training.mlflow_run}.parquet"


@contextmanager
def kept(settings: Settings, training: Training, *, learnt: ModelSpec) -> Iterator[ReferenceProfile]:
    """The profile of the rows that a champion learnt from, and of what its tested model said of the test rows.

    It is made where there is none, or one of another format or of other rows; two that make it at once make the same.

    Args:
        settings: Where the tables are.
        training: The run that made the champion.
        learnt: The declaration of that run.

    Raises:
        NoData: There is no profile, and the rows that it would be made of are gone.
    """
    url, of = url_of(settings, training), _identity(training)
    with profile_file.opened(url, of=of) as found:
        if found is not None:
            yield found
            return
    make(settings, training, learnt=learnt)
    with profile_file.opened(url, of=of) as made:
        if made is None:
            raise ConcurrentChange(f"the reference profile {url} was removed while it was being used; look again")
        yield made


def make(settings: Settings, training: Training, *, learnt: ModelSpec) -> None:
    """Writes the profile anew. Memory: a chunk of columns of the reference at a time."""
    try:
        keys = _rows(settings, learnt, training, [])
        if keys.empty:
            raise NoData(f"the training of version {training.version} of {training.model} has no rows left: train again")
        test = keys.iloc[split(keys, learnt).test]
        columns = _columns(settings, learnt, training, keys=keys, test=test)
        tested = {} if learnt.task == "regression" else labels(test[learnt.target]).counts
        profile_file.write(url_of(settings, training), columns, of=_identity(training), rows=len(keys), tested=tested)
    except FileNotFoundError as error:
        raise NoData(
            f"the rows that version {training.version} of {training.model} learnt from are gone ({error}), and no profile of them "
            "was kept: nothing can be compared with them. Bring the table's files back, or train again"
        ) from error


def _identity(training: Training) -> dict[str, object]:
    return {
        "run": training.mlflow_run,
        "declaration": training.spec_hash,
        "dataset_version": training.dataset_version,
        "labels_version": training.labels_version,
        "as_of": training.as_of.isoformat(),
    }


def _rows(settings: Settings, learnt: ModelSpec, training: Training, columns: list[str]) -> pd.DataFrame:
    return dataset.labelled(
        settings,
        learnt,
        version=training.dataset_version,
        as_of=training.as_of,
        labels_version=training.labels_version,
        columns=columns,
    )


def _columns(settings: Settings, learnt: ModelSpec, training: Training, *, keys: pd.DataFrame, test: pd.DataFrame) -> Iterator[KeptColumn]:
    names = [*learnt.features.numeric, *learnt.features.categorical, *learnt.features.text]
    drawn = profile_file.plot_rows(learnt.monitoring.sample_rows, columns=len(names))
    places = profile_file.positions(len(keys), drawn)
    target = keys[learnt.target]
    yield KeptColumn(learnt.target, numeric(target) if learnt.task == "regression" else labels(target), target.iloc[places])
    for chunk in chunks(names, rows=len(keys)):
        frame = _rows(settings, learnt, training, list(chunk))
        for name in chunk:
            yield KeptColumn(name, _profile(learnt, name, frame[name]), frame[name].iloc[places])
        del frame
    said = _said(settings, learnt, training, test)
    profile = numeric(said) if pd.api.types.is_float_dtype(said.dtype) else labels(said)
    yield KeptColumn(None, profile, said.iloc[profile_file.positions(len(said), drawn)])


def _profile(learnt: ModelSpec, name: str, column: pd.Series) -> Profile:
    if name in learnt.features.numeric:
        return numeric(column)
    return text(column, rows=TEXT_ROWS) if name in learnt.features.text else labels(column)


def _said(settings: Settings, learnt: ModelSpec, training: Training, test: pd.DataFrame) -> pd.Series:
    """What the tested model said of the test rows: a model is surer of rows that it was fitted on.

    Trainings that did not keep it are asked for what their promoted model says.
    """
    found = reference.load(settings, training, test)
    if found is None:
        champion = champions.load(settings, champions.Champion(int(training.version or 0), training, learnt))
        found = predict(champion, dataset.of_training(settings, learnt, training).test, task=learnt.task)
        dataset.forget()
    return compared_prediction(learnt, found)
