"""Verdicts on columns and of the gate, whole as the jobs keep them: with less the pages that tell them cannot be made."""

from functools import cache
from typing import Any


@cache
def _of_any_column() -> dict[str, Any]:
    from ml.monitoring.alarms.basis import Basis
    from ml.monitoring.alarms.verdicts import ColumnVerdict

    made = ColumnVerdict(
        column="", family="data", method="wasserstein", value=0.0, expected=0.02, debiased=0.0, margin=0.02, by_ranks=None, floor=0.1,
        p_value=0.5, level=0.0022, alone=0.0002, threshold=0.1, is_significant=False, is_alarm=False,
        basis=Basis(windows=30, rows=500, by="time"), is_provisional=False,
    )  # fmt: skip
    return {**{name: value for name, value in made.to_json().items() if name != "column"}, "looks": None, "persists": None, "also": []}


def of_column(value: float, *, p_value: float, floor: float) -> dict[str, Any]:
    """What was judged of a column whose distance is `value`."""
    is_far = value > floor
    told = {"value": value, "debiased": max(0.0, value - 0.02), "p_value": p_value, "is_significant": is_far, "is_alarm": is_far}
    return {**_of_any_column(), **told, "floor": floor}


def of_gate(run: str) -> dict[str, Any]:
    """What the gate said in a training run."""
    from ml.training.outcome import Check
    from ml.training.results import GateVerdict

    metrics = dict.fromkeys(("roc_auc", "accuracy", "f1", "log_loss"), 0.8)
    sentence = "Routine retraining: a sentence that says what the gate found, and how sure it is. " * 3
    checks = [Check(name=f"check_{number}", passed=True, text="a sentence that says what was checked") for number in range(6)]
    made = GateVerdict(
        run=run, candidate="a", params={"max_depth": 3}, wins=True, question="routine", sentence=sentence, reasons=checks, metric="roc_auc",
        rows=500, gain=0.01, challenger=metrics, champion=metrics, champion_version=1, baseline=metrics, metrics=metrics,
        mlflow_run="0" * 32, logged_model="m-0", model_sha256="0" * 64,
    )  # fmt: skip
    return made.model_dump(mode="json")
