"""Records as tests need them: whole, and different only where a test says so."""

from datetime import UTC, datetime
from typing import Any

from ml.spec import ModelSpec
from ml.state import State, ledger, specs, trainings
from ml.state.records import Decision, Training, Window

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SPEC_HASH = "0" * 16
DECLARED: dict[str, Any] = {
    "model": "loans",
    "task": "regression",
    "target": "y",
    "features": {"numeric": ["x"]},
    "data": {"source": {"kind": "files", "urls": ["x"]}},
    "training": {"candidates": [{"name": "a", "class": "a.B"}]},
}
VERDICT: dict[str, Any] = {
    "run": "r", "candidate": "a", "params": {}, "wins": True, "sentence": "It wins.", "metric": "rmse", "rows": 10, "gain": None,
    "challenger": {"rmse": 1.25}, "champion": None, "champion_version": None, "baseline": {"rmse": 3.0}, "metrics": {"rmse": 1.0},
    "mlflow_run": "m", "logged_model": "l", "model_sha256": "s",
}  # fmt: skip


def declared(**changes: Any) -> ModelSpec:
    """A declaration that was never a file."""
    return ModelSpec.model_validate(DECLARED | changes)


def window(start: int = 0, **changes: Any) -> Window:
    """The dataset version after `start`, watched by version 1 and not measured yet."""
    facts = {"id": "", "model": "m", "number": 0, "start_version": start, "end_version": start + 1, "as_of": NOW, "rows": 10, "champion": 1}
    empty = ("labelled_rows", "start_time", "end_time", "report_url", "mlflow_run", "measured_at")
    return Window(**facts | dict.fromkeys(empty) | {"spec_hash": SPEC_HASH} | changes)  # type: ignore[arg-type]


def opened(state: State, spec: ModelSpec, start: int = 0, **changes: Any) -> Window:
    """The same as the ledger's next window, of a declared model."""
    own = {"model": spec.model, "spec_hash": specs.remember(state, spec, at=NOW)}
    return ledger.open_window(state, window(start, **own | changes))


def measured(state: State, found: Window, **changes: Any) -> Window:
    """The window, after it was measured with nothing to tell but what a test says."""
    facts: dict[str, Any] = {"drifts": [], "qualities": [], "labelled_rows": 0, "report_url": "r.html", "mlflow_run": None, "at": NOW}
    ledger.save_measurement(state, found.id, **facts | changes)
    return found


def decision(found: Window, **changes: Any) -> Decision:
    """A no about a window."""
    facts = {"id": f"d-{found.id}", "model": found.model, "window": found.id, "retrain": False, "reasons": ["no"], "state": "no"}
    return Decision(**facts | {"evidence": {}, "report_url": None, "decided_at": NOW} | changes)  # type: ignore[arg-type]


def asked(found: Window, **changes: Any) -> Decision:
    """A yes about a window, which waits for a training."""
    return decision(found, **{"retrain": True, "reasons": ["drift"], "state": "open"} | changes)


def training(**changes: Any) -> Training:
    """A training that made a champion."""
    facts = {"key": "k", "model": "m", "spec_hash": SPEC_HASH, "dataset_version": 1, "as_of": NOW, "reason": "", "state": "promoted"}
    return Training(**facts | {"labels_version": None, "decision": None, "started_at": NOW} | changes)  # type: ignore[arg-type]


def begun(database: State, spec: ModelSpec, /, **changes: Any) -> Training:
    """A training of a declared model, as the database has it."""
    own = {"model": spec.model, "spec_hash": specs.remember(database, spec, at=NOW)}
    return trainings.begin(database, training(**own | changes))
