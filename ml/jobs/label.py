"""Late labels: what rows that were delivered without a target turned out to be."""

import logging
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

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

log = logging.getLogger(__name__)


Status = Literal["accepted", "refused", "duplicate"]


class LabelResult(BaseModel):
    """What became of a delivery of labels. `refused`: nothing was stored, `reasons` say why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    delivery: str
    source: str
    status: Status
    rows: int
    reasons: list[str]
    labels_version: int | None = None


def label(settings: Settings, model: str, file: str) -> LabelResult:
    """Stores the labels of a file with the model's `id` and `target` columns (others are ignored), exactly once for each content.

    Of several labels for one id the last counts. A target that was delivered with its row is never replaced.

    Raises:
        ModelOwnerError: The model declares no `id`.
    """
    from ml.data import deliveries
    from ml.data.labels import LabelTable

    spec = specfile.load(settings, model)
    if spec.id is None:
        raise ModelOwnerError(f"{model} declares no id, so nothing tells which row a label belongs to; add `id: COLUMN` to its model.yaml")
    at = datetime.now(UTC)
    url = file if "://" in file else os.path.abspath(file)  # noqa: PTH100
    with deliveries.fetched(settings, spec, url) as fetched:

        def found(status: Status, rows: int, reasons: list[str], version: int | None) -> LabelResult:
            source = fetched.source
            return LabelResult(
                model=model, delivery=fetched.batch, source=source, status=status, rows=rows, reasons=reasons, labels_version=version
            )

        table = LabelTable.of(settings, model)
        known = table.find(fetched.batch)
        if known is not None:
            _remember(
                settings, model, fetched, rows=known.rows, at=datetime.fromisoformat(known.facts["arrived_at"]), version=known.version
            )
            return found("duplicate", known.rows, ["the same content was stored before"], known.version)
        frame, reasons = _labels(spec, fetched)
        if reasons:
            return found("refused", len(frame), reasons, None)
        version = table.append(frame, delivery=fetched.batch, arrived_at=at)
        _remember(settings, model, fetched, rows=len(frame), at=at, version=version)
    log.info("labels accepted model=%s delivery=%s rows=%s labels_version=%s", model, fetched.batch, len(frame), version)
    return found("accepted", len(frame), [], version)


def _remember(settings: Settings, model: str, fetched: "Fetched", *, rows: int, at: datetime, version: int) -> None:
    state = State.open(settings)
    batches.save_labels(state, model, delivery=fetched.batch, source=fetched.source, rows=rows, arrived_at=at, labels_version=version)


def _labels(spec: ModelSpec, fetched: "Fetched") -> "tuple[pd.DataFrame, list[str]]":
    """Columns `id` and `label`, and every reason why they cannot be stored."""
    import pandas as pd

    from ml.data.casting import cast, column_kinds
    from ml.data.faults import Unreadable, first_few
    from ml.data.reading import read

    csv = spec.data.source.csv if isinstance(spec.data.source, Files) else Csv()
    empty = pd.DataFrame(columns=["id", "label"])
    names = (str(spec.id), spec.target)
    kinds = {name: column_kinds(spec)[name] for name in names}
    try:
        with translated(fetched.batch):
            delivered = read(fetched.path, name=fetched.name, csv=csv, kind=fetched.kind)
            if missing := [name for name in names if name not in delivered.table.column_names]:
                return empty, [f"missing columns: {first_few(missing)}"]
            converted = cast(delivered.table.select(list(names)), kinds=kinds, rows=delivered.rows, decimal=csv.decimal)
    except Unreadable as error:
        return empty, [str(error)]
    frame = converted.frame.rename(columns={spec.id: "id", spec.target: "label"})
    reasons = [*delivered.reasons, *converted.reasons]
    for column, name in zip(("id", "label"), names, strict=True):
        empty_rows = delivered.rows[frame[column].isna().to_numpy()]
        if len(empty_rows) and not converted.reasons:
            reasons.append(f"column {name!r}: {len(empty_rows)} values are missing (first in row {empty_rows[0]})")
    return frame, reasons
