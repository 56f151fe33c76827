"""Late labels: what rows that were delivered without a target turned out to be."""

import logging
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from ml import specfile
from ml.errors import ModelOwnerError
from ml.jobs.judging import translated
from ml.settings import Settings
from ml.spec import Csv, Files, ModelSpec
from ml.state import State, batches

if TYPE_CHECKING:
    import pandas as pd

    from ml.data.deliveries import Fetched
    from ml.data.table import AcceptedTable

log = logging.getLogger(__name__)


Status = Literal["accepted", "refused", "duplicate"]


class LabelResult(BaseModel):
    """What became of a delivery of labels. `refused`: nothing was stored, `reasons` say why; `warnings` do not keep them out.

    `matched` to `not_used` count rows (`ml.jobs.known_labels.Counts`), as they were found when the delivery was stored; None where
    nothing was.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    delivery: str
    source: str
    status: Status
    rows: int
    reasons: list[str]
    labels_version: int | None = None
    warnings: list[str] = []
    matched: int | None = None
    unknown: int | None = None
    repeated: int | None = None
    contradicting: int | None = None
    not_used: int | None = None


def label(settings: Settings, model: str, file: str) -> LabelResult:
    """Stores the labels of a file with the model's `id` and `target` columns (others are ignored), exactly once for each content.

    Of several labels for one id the last counts. A target that was delivered with its row is never replaced. A label that is no class
    of a binary model is refused, with the whole file.

    Raises:
        ModelOwnerError: The model declares no `id`.
    """
    from ml.data import deliveries
    from ml.data.table import AcceptedTable

    spec = specfile.load(settings, model)
    if spec.id is None:
        raise ModelOwnerError(f"{model} declares no id, so nothing tells which row a label belongs to; add `id: COLUMN` to its model.yaml")
    at = datetime.now(UTC)
    url = file if "://" in file else os.path.abspath(file)  # noqa: PTH100
    with deliveries.fetched(settings, spec, url) as fetched:
        result = _stored(settings, spec, AcceptedTable.of(settings, model, spec), fetched, at)
    log.info("labels %s model=%s delivery=%s rows=%s version=%s", result.status, model, result.delivery, result.rows, result.labels_version)
    return result


def _stored(settings: Settings, spec: ModelSpec, table: "AcceptedTable", fetched: "Fetched", at: datetime) -> LabelResult:
    from ml.jobs import known_labels

    base = LabelResult(model=spec.model, delivery=fetched.batch, source=fetched.source, status="refused", rows=0, reasons=[])
    if (known := table.labels.find(fetched.batch)) is not None:
        arrived_at = datetime.fromisoformat(known.facts["arrived_at"])
        _remember(settings, spec.model, fetched, rows=known.rows, at=arrived_at, version=known.version)
        told = {"reasons": ["the same content was stored before"], "labels_version": known.version}
        counts = known_labels.Counts.of_facts(known.facts)
        return base.model_copy(update={"status": "duplicate", "rows": known.rows, **told, **counts})
    frame, reasons, warnings = _labels(spec, fetched)
    if not reasons:
        reasons, others = known_labels.strange_classes(spec, table, table.labels, frame)
        warnings = [*warnings, *others]
    if reasons:
        return base.model_copy(update={"rows": len(frame), "reasons": reasons, "warnings": warnings})
    found, others = known_labels.compared(table, table.labels, frame)
    version = table.labels.append(frame, delivery=fetched.batch, arrived_at=at, facts=found.facts())
    _remember(settings, spec.model, fetched, rows=len(frame), at=at, version=version)
    told = {"labels_version": version, "warnings": [*warnings, *others]}
    return base.model_copy(update={"status": "accepted", "rows": len(frame), **told, **found.facts()})


def _remember(settings: Settings, model: str, fetched: "Fetched", *, rows: int, at: datetime, version: int) -> None:
    state = State.open(settings)
    batches.save_labels(state, model, delivery=fetched.batch, source=fetched.source, rows=rows, arrived_at=at, labels_version=version)


def _labels(spec: ModelSpec, fetched: "Fetched") -> "tuple[pd.DataFrame, list[str], list[str]]":
    """Columns `id`, `label` and `_row` (of the file, from 1), every reason why they cannot be stored, and what may be wrong.

    What may be wrong cannot be told for sure, and is only a warning.
    """
    import pandas as pd

    from ml.data.casting import cast, column_kinds
    from ml.data.faults import Unreadable, first_few
    from ml.data.reading import read

    csv = spec.data.source.csv if isinstance(spec.data.source, Files) else Csv()
    empty = pd.DataFrame(columns=["id", "label", "_row"])
    names = (str(spec.id), spec.target)
    kinds = {name: column_kinds(spec)[name] for name in names}
    try:
        with translated(fetched.batch):
            delivered = read(fetched.path, name=fetched.name, csv=csv, kind=fetched.kind)
            if missing := [name for name in names if name not in delivered.table.column_names]:
                return empty, [f"missing columns: {first_few(missing)}"], []
            converted = cast(delivered.table.select(list(names)), kinds=kinds, rows=delivered.rows, decimal=csv.decimal)
    except Unreadable as error:
        return empty, [str(error)], []
    frame = converted.frame.rename(columns={spec.id: "id", spec.target: "label"}).assign(_row=delivered.rows)
    reasons = [*delivered.reasons, *converted.reasons]
    for column, name in zip(("id", "label"), names, strict=True):
        empty_rows = delivered.rows[frame[column].isna().to_numpy()]
        if len(empty_rows) and not converted.reasons:
            reasons.append(f"column {name!r}: {len(empty_rows)} values are missing (first in row {empty_rows[0]})")
    if delivered.warnings and not delivered.reasons and (cut := _cut_label(frame["label"])):
        reasons.append(f"{delivered.warnings[0]}: {cut}")
    return frame, reasons, delivered.warnings


def _cut_label(labels: "pd.Series[Any]") -> str | None:
    """Why the last label of a file without a newline at its end is not whole: it starts another one and stands nowhere else.

    Of numbers nobody can tell (12 or 120): those are warned about only, and a whole file that comes later corrects them.
    """
    last, others = labels.iloc[-1], set(labels.iloc[:-1].dropna())
    if not isinstance(last, str) or last in others:
        return None
    whole = sorted(other for other in others if other.startswith(last) and not other.isdigit())
    return f"its label {last!r} looks like the start of {whole[0]!r}. Deliver the whole file, or end it with a newline" if whole else None
