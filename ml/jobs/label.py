"""Late labels: what rows that were delivered without a target turned out to be."""

import logging
import os
from collections.abc import Sequence
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

log = logging.getLogger(__name__)


Status = Literal["accepted", "refused", "duplicate"]


class LabelResult(BaseModel):
    """What became of a delivery of labels. `refused`: nothing was stored, `reasons` say why; `warnings` do not keep them out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    delivery: str
    source: str
    status: Status
    rows: int
    reasons: list[str]
    labels_version: int | None = None
    warnings: list[str] = []


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

        def found(status: Status, rows: int, reasons: list[str], version: int | None, warnings: Sequence[str] = ()) -> LabelResult:
            return LabelResult(
                model=model,
                delivery=fetched.batch,
                source=fetched.source,
                status=status,
                rows=rows,
                reasons=reasons,
                labels_version=version,
                warnings=list(warnings),
            )

        table = LabelTable.of(settings, model)
        known = table.find(fetched.batch)
        if known is not None:
            _remember(
                settings, model, fetched, rows=known.rows, at=datetime.fromisoformat(known.facts["arrived_at"]), version=known.version
            )
            return found("duplicate", known.rows, ["the same content was stored before"], known.version)
        frame, reasons, warnings = _labels(spec, fetched)
        if reasons:
            return found("refused", len(frame), reasons, None, warnings)
        version = table.append(frame, delivery=fetched.batch, arrived_at=at)
        _remember(settings, model, fetched, rows=len(frame), at=at, version=version)
    log.info(
        "labels accepted model=%s delivery=%s rows=%s labels_version=%s warnings=%s", model, fetched.batch, len(frame), version, warnings
    )
    return found("accepted", len(frame), [], version, warnings)


def _remember(settings: Settings, model: str, fetched: "Fetched", *, rows: int, at: datetime, version: int) -> None:
    state = State.open(settings)
    batches.save_labels(state, model, delivery=fetched.batch, source=fetched.source, rows=rows, arrived_at=at, labels_version=version)


def _labels(spec: ModelSpec, fetched: "Fetched") -> "tuple[pd.DataFrame, list[str], list[str]]":
    """Columns `id` and `label`, every reason why they cannot be stored, and what may be wrong without being told for sure."""
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
                return empty, [f"missing columns: {first_few(missing)}"], []
            converted = cast(delivered.table.select(list(names)), kinds=kinds, rows=delivered.rows, decimal=csv.decimal)
    except Unreadable as error:
        return empty, [str(error)], []
    frame = converted.frame.rename(columns={spec.id: "id", spec.target: "label"})
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
