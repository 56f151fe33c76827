"""What counts as fitting, and what as overhead."""

import time

import pytest

from benchmarks.sampling import Sampler, Stack
from benchmarks.training_overhead import FITTING, place

_JOB = [("ml.jobs.train", "tune"), ("ml.jobs.train", "train"), ("__main__", "ours")]


@pytest.mark.parametrize(
    ("stack", "expected"),
    [
        ([("xgboost.core", "update"), ("sklearn.pipeline", "fit"), ("ml.training.fitting", "fit")], FITTING),
        ([("sklearn.tree", "predict"), ("ml.training.pipeline", "predict"), ("ml.training.tuning", "attempt")], FITTING),
        ([("numpy", "mean"), ("ml.training.evaluation", "measure"), ("ml.training.tuning", "attempt")], "training.tuning"),
        (
            [("sklearn.tree", "predict"), ("ml.training.evaluation", "predict"), ("ml.training.importance", "measured")],
            "training.importance",
        ),
        ([("sqlite3", "execute"), ("ml.registry.runs", "save_candidate")], "MLflow: logging, saving, registering"),
        ([("deltalake.table", "read"), ("ml.data.table", "read"), ("ml.training.dataset", "of_training")], "reading the table"),
        ([("importlib._bootstrap", "_load"), ("sklearn.ensemble", "<module>"), ("ml.training.tuning", "attempt")], "imports"),
        ([("threading", "wait")], "jobs.train"),
    ],
)
def test_time_is_put_down_to_the_part_that_asked_for_it(stack: Stack, expected: str) -> None:
    assert place([*stack, *_JOB]) == expected


def test_the_sampler_gives_each_part_its_seconds() -> None:
    def slow() -> float:
        start = time.perf_counter()
        time.sleep(0.3)
        return time.perf_counter() - start

    def slower() -> float:
        return slow() + slow() + slow()

    def outermost(stack: Stack) -> str:
        return next((name for _, name in reversed(stack) if name in {"slow", "slower"}), "else")

    with Sampler(outermost) as sampler:
        took = {"slow": slow(), "slower": slower()}
    assert {name: sampler.wall_s[name] for name in took} == pytest.approx(took, abs=0.15)
