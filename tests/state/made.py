"""Records as tests need them: whole, and different only where a test says so."""

from datetime import UTC, datetime
from typing import Any

from ml.spec import ModelSpec
from ml.state import State, ledger, specs
from ml.state.records import Training, Window

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SPEC_HASH = "0" * 16


def window(start: int = 0, **changes: Any) -> Window:
    """The dataset version after `start`, watched by version 1 and not measured yet."""
    facts = {"id": "", "model": "m", "number": 0, "start_version": start, "end_version": start + 1, "as_of": NOW, "rows": 10, "champion": 1}
    empty = ("labelled_rows", "start_time", "end_time", "report_url", "mlflow_run", "measured_at")
    return Window(**facts | dict.fromkeys(empty) | {"spec_hash": SPEC_HASH} | changes)  # type: ignore[arg-type]


def opened(state: State, spec: ModelSpec, start: int = 0, **changes: Any) -> Window:
    """The same as the ledger's next window, of a declared model."""
    return ledger.open_window(state, window(start, model=spec.model, spec_hash=specs.remember(state, spec, at=NOW), **changes))


def training(**changes: Any) -> Training:
    """A training that made a champion."""
    facts = {"key": "k", "model": "m", "spec_hash": SPEC_HASH, "dataset_version": 1, "as_of": NOW, "reason": "", "state": "promoted"}
    return Training(**facts | {"labels_version": None, "decision": None, "started_at": NOW} | changes)  # type: ignore[arg-type]
