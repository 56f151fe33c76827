"""What is told of a window and its drift."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from ml.monitoring import NOT_FEATURES
from ml.state.records import Drift


class ColumnDrift(BaseModel):
    """How far one column lies from the reference. `drifted` means `value >= threshold`, or an alarm by `verdict`.

    `verdict`: what a promised rate of false alarms says (docs/json.md); None under fixed thresholds.
    """

    method: str
    value: float
    threshold: float
    drifted: bool
    verdict: dict[str, Any] | None = None


class DriftResult(BaseModel):
    """Drift by feature column; `share` (0-1) of them drifted, None if none can be compared."""

    share: float | None
    columns: dict[str, ColumnDrift]
    target: ColumnDrift | None = None
    prediction: ColumnDrift | None = None


class WindowResult(BaseModel):
    """Which rows were looked at: those of the dataset versions in (`start_version`, `end_version`]."""

    id: str
    number: int
    rows: int
    labelled_rows: int | None
    start_version: int
    end_version: int
    start_time: datetime | None
    end_time: datetime | None
    champion: int


def drift_result(drifts: Sequence[Drift]) -> DriftResult:
    """What was recorded, told apart by kind."""
    shown = {one.column: _shown(one) for one in drifts}
    kinds = {one.kind: shown[one.column] for one in drifts}
    features = [one for one in drifts if one.kind not in NOT_FEATURES]
    return DriftResult(
        share=sum(one.drifted for one in features) / len(features) if features else None,
        columns={one.column: shown[one.column] for one in features},
        target=kinds.get("target"),
        prediction=kinds.get("prediction"),
    )


def _shown(one: Drift) -> ColumnDrift:
    from ml.monitoring.looks import told

    said = told(one)
    verdict = {**said[0], "also": said[1:]} if said else None
    return ColumnDrift(method=one.method, value=one.value, threshold=one.threshold, drifted=one.drifted, verdict=verdict)
