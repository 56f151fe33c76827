"""Predictions of the champion: for a file, or for the accepted rows that it has not scored yet."""

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from ml import specfile
from ml.errors import CallError, DataOwnerError, UnknownVersion
from ml.settings import Settings
from ml.spec import Csv, Files, ModelSpec
from ml.state import State, origins

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


class ScoredFile(BaseModel):
    """Where the predictions of a file stand. `version` is the champion that made them."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    model: str
    version: int
    rows: int
    out: str


class ScoreResult(BaseModel):
    """What was scored now; `version` is None, with a `reason`, where there is no champion."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    model: str
    version: int | None
    batches: int
    rows: int
    reason: str | None = None


def score_file(settings: Settings, model: str, file: str, out: Path) -> ScoredFile:
    """Writes the champion's prediction for each row of a file (csv, parquet or jsonl), in the file's order.

    Columns of the result: the id and the time where declared, `prediction`, `probability` (of the positive class, binary only) and
    `model_version`. The target is not needed; a value that cannot be converted counts as missing. The file is replaced in one step.

    Raises:
        UnknownVersion: There is no champion.
        DataOwnerError: The file is not there, cannot be read, or lacks a column that the champion needs.
        CallError: `out` ends in neither .csv nor .parquet.
    """
    from ml.data import deliveries
    from ml.jobs.champion import heal_missed
    from ml.training import champions

    if out.suffix not in {".csv", ".parquet"}:
        raise CallError(f"--out {out}: end the name in .csv or .parquet")
    specfile.spec_path(settings, model)
    heal_missed(settings, model)
    champion = champions.of_now(State.open(settings), model)
    if champion is None:
        raise UnknownVersion(f"{model} has no champion yet; `perennial train {model}` makes one.")
    version, spec = champion.version, champion.spec
    with deliveries.fetched(settings, spec, file) as fetched:
        frame = _frame(spec, fetched.path, name=fetched.name, kind=fetched.kind)
    scored = _predictions(spec, champions.load(settings, champion), frame)
    named = frame[[name for name in (spec.id, spec.time) if name is not None]]
    made = scored[[name for name in ("prediction", "probability") if name in scored]]
    _write(named.join(made).assign(model_version=version), out)
    log.info("file scored model=%s version=%d rows=%d", model, version, len(frame))
    return ScoredFile(model=model, version=version, rows=len(frame), out=str(out))


def score_new(settings: Settings, model: str) -> ScoreResult:
    """Adds predictions for each accepted batch that the present champion has not scored; each batch exactly once a version."""
    from ml.data.predictions import PredictionLog
    from ml.data.table import BATCH, AcceptedTable
    from ml.jobs.champion import heal_missed
    from ml.training import champions

    specfile.spec_path(settings, model)
    heal_missed(settings, model)
    champion = champions.of_now(State.open(settings), model)
    if champion is None:
        return ScoreResult(model=model, version=None, batches=0, rows=0, reason="no champion yet")
    version, spec = champion.version, champion.spec
    table, predictions = AcceptedTable.of(settings, model, spec), PredictionLog.of(settings, model)
    newest = table.version()
    scored = predictions.scored(champion=version)
    waiting = [] if newest is None else [one for one in table.batches(version=newest) if one.key not in scored]
    pipeline = champions.load(settings, champion) if waiting else None
    rows = 0
    for batch in waiting:
        columns = [name for name in dict.fromkeys((spec.id, *spec.features.used)) if name is not None]
        frame = table.read(version=batch.version, after_version=batch.version - 1, columns=columns)
        made = _predictions(spec, pipeline, frame[frame[BATCH] == batch.key].reset_index(drop=True))
        rows += predictions.append(made, champion=version, batch=batch.key, scored_at=datetime.now(UTC))
    # Also where nothing waited: what a run that was killed, or an earlier Perennial, did not sum up is summed up now.
    origins.save_predictions(State.open(settings), model, predictions.summed())
    log.info("rows scored model=%s version=%d batches=%d rows=%d", model, version, len(waiting), rows)
    return ScoreResult(model=model, version=version, batches=len(waiting), rows=rows)


def _frame(spec: ModelSpec, path: Path, *, name: str, kind: str | None) -> "pd.DataFrame":
    from ml.data import casting, reading
    from ml.data.faults import Unreadable, first_few

    source = spec.data.source
    csv = source.csv if isinstance(source, Files) else Csv()
    try:
        delivered = reading.read(path, name=name, csv=csv, kind=kind if reading.format_of(name) is None else None)
    except Unreadable as error:
        raise DataOwnerError(f"{name} cannot be scored: {error}") from error
    needed = [column for column in dict.fromkeys((spec.id, spec.time, *spec.features.used)) if column is not None]
    if missing := [column for column in spec.features.used if column not in delivered.table.column_names]:
        raise DataOwnerError(f"{name} cannot be scored: the champion needs the columns {first_few(missing)}, which it lacks")
    if delivered.reasons:
        raise DataOwnerError(f"{name} cannot be scored: {'; '.join(delivered.reasons)[:500]}")
    kinds = {column: what for column, what in casting.column_kinds(spec).items() if column in needed}
    frame = casting.cast(delivered.table, kinds=kinds, rows=delivered.rows, decimal=csv.decimal).frame
    return frame.assign(_row=delivered.rows)


def _predictions(spec: ModelSpec, pipeline: Any, frame: "pd.DataFrame") -> "pd.DataFrame":
    """One line a row of the frame: `_row`, `id` where one is declared, `prediction`, and `probability` of the positive class."""
    import pandas as pd

    from ml.data.casting import label_text
    from ml.training.evaluation import predict

    found = predict(pipeline, frame, task=spec.task)
    made = pd.DataFrame({"_row": frame["_row"].to_numpy(), "prediction": found.values}, index=frame.index)
    if spec.id is not None:
        made["id"] = frame[spec.id]
    if spec.task == "binary" and found.probabilities is not None:
        made["probability"] = found.probabilities[label_text(spec.positive)].to_numpy()
    return made


def _write(frame: "pd.DataFrame", out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    if out.suffix == ".csv":
        frame.to_csv(part, index=False)
    else:
        frame.to_parquet(part, index=False)
    part.replace(out)
