"""The rows that a champion's recipe was judged on, kept beside its profile: what estimates, yardsticks and segments rest on.

Made once for a champion, from what its training kept of the tested model's words. There is no way round that: the champion itself was
fitted on these rows, and its own words about them are surer than about new ones.
"""

import io
import json
import logging
import uuid
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ml.data.stores import own_store_of
from ml.data.table import BATCH, ROW
from ml.errors import NoData
from ml.monitoring.profile_file import TESTED, positions
from ml.monitoring.window_columns import chunks
from ml.registry import files
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state.records import Training
from ml.training import cards, dataset, paired, reference
from ml.training.assessing.facts import Assessment
from ml.training.evaluation import Predicted
from ml.training.split import by_time, split

log = logging.getLogger(__name__)

FORMAT = 1
"""A file of another format is made anew."""
MOST_ROWS = 100_000
MOST_NUMBERS = 20_000
"""So many test rows of classes are kept, and of a regression, whose features are kept too: its model of the loss takes no more."""
MOST_LEARNT = 200_000
"""So many of the rows that it learnt from say where segments are cut."""
NOT_KEPT = "what the tested model said of the test rows was not kept; the next training keeps it"
_KEY = "perennial.tested"
_LABEL, _SAID, _CHANCE, _BLOCK, _ENTITY, _SEGMENT, _FEATURE = "label", "said", "chance:", "block", "entity", "segment:", "feature:"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutRows:
    """A draw of a training's test rows, in time order where they have one.

    Attributes:
        labels: What happened: text of classes, numbers of a regression.
        said: What the tested model said of them.
        units: Which of them are not independent of each other.
        features: Numeric and categorical features, of a regression only.
        segments: The columns of `evaluation.slices`.
        learnt: The same columns of a draw of the rows that the model was tuned and fitted on.
        importances: By how much the declared metric got worse when a column was shuffled; empty where that was not measured.
        of: How many test rows it was drawn from; None in files of an earlier version, which do not say it.
    """

    labels: npt.NDArray[Any]
    said: Predicted
    units: paired.Units
    features: pd.DataFrame
    segments: pd.DataFrame
    learnt: pd.DataFrame
    importances: dict[str, float]
    of: int | None = None

    @property
    def share(self) -> float:
        """Which share (0-1) of the test rows was drawn; 1 where that is not known."""
        return 1.0 if self.of is None else min(1.0, len(self.labels) / self.of)


def url_of(settings: Settings, training: Training) -> str:
    """Where the file stands: beside the profile of the rows that the champion learnt from."""
    return f"{settings.tables_url.rstrip('/')}/{training.model}/profiles/{training.mlflow_run}{TESTED}.parquet"


def kept(settings: Settings, training: Training, *, spec: ModelSpec, learnt: ModelSpec) -> tuple[HeldOutRows | None, str]:
    """The test rows; or None, and why there are none.

    They are read from the tables where there is no file, or one of another format or of other segments; two that do that at once write
    the same.

    Args:
        settings: Where tables and MLflow are.
        training: The run that made the champion.
        spec: The window's declaration: says which segments are looked at.
        learnt: The declaration of the run.
    """
    url, of = url_of(settings, training), {"format": FORMAT, "run": training.mlflow_run, "segments": list(spec.evaluation.slices)}
    content = _read(url)
    found = None if content is None else _opened(content, of)
    if found is not None:
        return found, ""
    if files.load(settings, training.model, mlflow_run=str(training.mlflow_run), name=reference.FILE) is None:
        return None, NOT_KEPT
    try:
        content = _made(settings, training, spec=spec, learnt=learnt, of=of)
    except (FileNotFoundError, NoData) as error:
        return None, f"the test rows of version {training.version} are gone ({error}), and no copy of them was kept"
    if content is None:
        return None, NOT_KEPT
    _write(url, content)
    return _opened(content, of), ""


def _made(settings: Settings, training: Training, *, spec: ModelSpec, learnt: ModelSpec, of: dict[str, Any]) -> bytes | None:
    """The file's content; None where the run did not keep what was said of each test row. Memory: a chunk of columns at a time."""
    keys = dataset.labelled_of_training(settings, learnt, training, [])
    parts = split(keys, learnt)
    most = MOST_NUMBERS if learnt.task == "regression" else MOST_ROWS
    places = parts.test[positions(len(parts.test), most)]
    if learnt.time is not None:
        places = places[by_time(keys[learnt.time].iloc[places])[0]]
    rows = keys.iloc[places]
    said = reference.load(settings, training, rows)
    if said is None:
        return None
    frame = _described(rows, said, paired.units(rows, learnt), target=rows[learnt.target])
    columns = [*learnt.features.numeric, *learnt.features.categorical] if learnt.task == "regression" else []
    for chunk in chunks(columns, rows=len(keys)):
        found = dataset.labelled_of_training(settings, learnt, training, list(chunk))
        frame = pd.concat([frame, found[list(chunk)].iloc[places].reset_index(drop=True).add_prefix(_FEATURE)], axis=1)
    cuts = parts.development[positions(len(parts.development), MOST_LEARNT)]
    if spec.evaluation.slices:
        cut = dataset.labelled_of_training(settings, learnt, training, list(spec.evaluation.slices))[
            list(spec.evaluation.slices)
        ].add_prefix(_SEGMENT)
        frame = pd.concat([frame, cut.iloc[places].reset_index(drop=True)], axis=1)
        frame = pd.concat([frame.assign(tested=True), cut.iloc[cuts].assign(tested=False)], ignore_index=True)
    return _content(frame, {**of, "importances": _importances(settings, training), "test_rows": len(parts.test)})


def _described(rows: pd.DataFrame, said: Predicted, units: paired.Units, *, target: pd.Series) -> pd.DataFrame:
    frame = rows[[BATCH, ROW]].reset_index(drop=True).assign(**{_LABEL: target.to_numpy(), _SAID: said.values})
    if said.probabilities is not None:
        frame = pd.concat([frame, said.probabilities.reset_index(drop=True).add_prefix(_CHANCE)], axis=1)
    for name, codes in ((_BLOCK, units.blocks), (_ENTITY, units.entities)):
        if codes is not None:
            frame[name] = codes
    return frame


def _importances(settings: Settings, training: Training) -> dict[str, float]:
    found = files.load(settings, training.model, mlflow_run=str(training.mlflow_run), name=cards.ASSESSMENT)
    columns = () if found is None else Assessment.model_validate_json(found).importance.columns
    return {one.column: one.mean for one in columns}


def _opened(content: bytes, of: dict[str, Any]) -> HeldOutRows | None:
    """What the file holds; None where it is of another format, or of something else, or broken."""
    try:
        table = pq.read_table(io.BytesIO(content))
        facts = json.loads((table.schema.metadata or {})[_KEY.encode()])
    except (pa.ArrowInvalid, KeyError, ValueError) as error:
        log.warning("kept test rows broken error=%s", error)
        return None
    if {name: facts.get(name) for name in of} != of:
        return None
    frame = table.to_pandas()
    tested = frame["tested"].to_numpy(dtype=bool) if "tested" in frame else np.ones(len(frame), dtype=bool)
    segments = _named(frame, _SEGMENT)
    rows = frame[tested].reset_index(drop=True)
    chances = _named(rows, _CHANCE)
    codes = [rows[name].to_numpy().astype(np.intp) if name in rows else None for name in (_BLOCK, _ENTITY)]
    return HeldOutRows(
        labels=rows[_LABEL].to_numpy(),
        said=Predicted(rows[_SAID].to_numpy(), None if chances.empty else chances),
        units=paired.Units(len(rows), *codes),
        features=_named(rows, _FEATURE),
        segments=segments[tested].reset_index(drop=True),
        learnt=segments[~tested].reset_index(drop=True),
        importances=facts["importances"],
        of=facts.get("test_rows"),
    )


def _named(frame: pd.DataFrame, prefix: str) -> pd.DataFrame:
    names = [name for name in frame.columns if name.startswith(prefix)]
    return frame[names].rename(columns=lambda name: name.removeprefix(prefix))


def _content(frame: pd.DataFrame, facts: dict[str, Any]) -> bytes:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({**(table.schema.metadata or {}), _KEY.encode(): json.dumps(facts).encode()}), buffer)
    return buffer.getvalue()


def _read(url: str) -> bytes | None:
    store, path = own_store_of(url, variable="PERENNIAL_TABLES_URL")
    try:
        return bytes(store.cat_file(path))
    except FileNotFoundError:
        return None


def _write(url: str, content: bytes) -> None:
    """Writes the file whole or not at all."""
    store, path = own_store_of(url, variable="PERENNIAL_TABLES_URL")
    store.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
    beside = f"{path}.{uuid.uuid4().hex}.part"
    try:
        store.pipe_file(beside, content)
        store.mv(beside, path)
    finally:
        if store.exists(beside):
            store.rm_file(beside)
    log.info("test rows kept url=%s bytes=%d", url, len(content))
