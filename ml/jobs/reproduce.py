"""Training a version again from what was recorded of it, and saying whether it comes out the same."""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from ml import specfile
from ml.errors import UnknownVersion
from ml.settings import Settings
from ml.spec import METRICS, ModelSpec
from ml.state import State, specs, trainings
from ml.state.records import Training
from ml.training.results import verdict_of

TOLERANCE = 1e-6
"""Metrics that differ by no more (relative to the recorded one where that is above 1) are the same."""


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class Fact(_Result):
    """Something that was recorded, and what it is now; None where it is not known."""

    recorded: str | None
    now: str | None

    @property
    def same(self) -> bool:
        """Whether both are known and equal."""
        return self.recorded is not None and self.recorded == self.now


class MetricAgain(_Result):
    """A metric on the test rows: as recorded, and as it comes out now; None where it is not defined."""

    recorded: float | None
    now: float | None
    same: bool


class Reproduced(_Result):
    """Whether a version comes out the same. `matches` is about the metrics; `differences` say what else is not as it was."""

    model: str
    version: int
    run: str
    matches: bool
    differences: list[str]
    metrics: dict[str, MetricAgain]
    code: Fact
    lock: Fact
    spec_hash: str
    dataset_version: int
    labels_version: int | None
    as_of: datetime
    seed: int
    candidate: str
    params: dict[str, Any]
    seconds: float


def reproduce(settings: Settings, model: str, version: int) -> Reproduced:
    """Fits the version's candidate again on the recorded rows, with the recorded parameters and seed, and measures it as then.

    Nothing is registered or stored.

    Raises:
        UnknownVersion: No training that the state database knows made this version.
    """
    from ml.training import contest, dataset

    specfile.spec_path(settings, model)
    state = State.open(settings)
    training = trainings.of_version(state, model, version)
    verdict = verdict_of(training) if training is not None else None
    if training is None or verdict is None:
        known = ", ".join(map(str, trainings.versions(state, model))) or "none yet"
        raise UnknownVersion(f"{model} has no version {version} whose training the state database knows; versions that it knows: {known}")
    spec = specs.recall(state, training.spec_hash)
    start = time.perf_counter()
    try:
        now = contest.rebuild(settings, spec, training, verdict)
    finally:
        dataset.forget()
    metrics = _compared(verdict.metrics, now, asked=METRICS[spec.task])
    code, lock = _environment(settings, spec, training, version)
    return Reproduced(
        model=model,
        version=version,
        run=training.key,
        matches=all(one.same for one in metrics.values()),
        differences=_differences(code, lock),
        metrics=metrics,
        code=code,
        lock=lock,
        spec_hash=training.spec_hash,
        dataset_version=training.dataset_version,
        labels_version=training.labels_version,
        as_of=training.as_of,
        seed=spec.training.seed,
        candidate=verdict.candidate,
        params=verdict.params,
        seconds=round(time.perf_counter() - start, 3),
    )


def is_same(recorded: float | None, now: float | None) -> bool:
    """Whether a metric came out the same.

    >>> is_same(0.8, 0.8 + 1e-7), is_same(0.8, 0.80001), is_same(0.8, None), is_same(3e9, 3e9 + 100)
    (True, False, False, True)
    """
    if recorded is None or now is None:
        return recorded is now
    return abs(recorded - now) <= TOLERANCE * max(1.0, abs(recorded))


def _compared(recorded: dict[str, float], now: dict[str, float], *, asked: Sequence[str]) -> dict[str, MetricAgain]:
    """Each metric as it was and is; what is not among `asked` only if it was recorded: versions of before have fewer."""
    names = dict.fromkeys((*recorded, *(name for name in now if name in asked)))
    both = {name: (recorded.get(name), now.get(name)) for name in names}
    return {name: MetricAgain(recorded=then, now=again, same=is_same(then, again)) for name, (then, again) in both.items()}


def _environment(settings: Settings, spec: ModelSpec, training: Training, version: int) -> tuple[Fact, Fact]:
    """Code and packages, as the version's tags in MLflow say and as they are now."""
    from ml.registry import models
    from ml.training import lineage

    try:
        tags = models.tags(settings, training.model, version)
    except UnknownVersion:
        tags = {}
    now = lineage.facts(settings, spec, training)
    names = ("perennial.git_commit", "perennial.lock")
    code, lock = (Fact(recorded=tags.get(name), now=now.get(name)) for name in names)
    return code, lock


def _differences(code: Fact, lock: Fact) -> list[str]:
    found = []
    if not code.same:
        found.append(f"the code is that of commit {code.now}, the version was made with {code.recorded or 'one that is not known'}")
    elif str(code.now).endswith("-dirty") or code.now == "unknown":
        found.append(f"the commit is {code.now}: whether the code is the same cannot be said")
    if not lock.same:
        recorded = lock.recorded[:12] if lock.recorded else "one that is not known"
        found.append(f"the lock file's digest is {str(lock.now)[:12]}, the version was made with {recorded}")
    return found
