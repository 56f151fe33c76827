"""The champion of now, with all that it was made from."""

from dataclasses import dataclass
from typing import Any

from ml.data.casting import label_text
from ml.registry import models
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, specs, trainings
from ml.state.records import Training
from ml.training import candidates


@dataclass(frozen=True, slots=True)
class Champion:
    """A version that serves or served, the run that made it, and that run's declaration."""

    version: int
    training: Training
    spec: ModelSpec


def question(spec: ModelSpec) -> tuple[str, str, str | None]:
    """What a model of this declaration predicts: task, target, and the positive class as text."""
    return spec.task, spec.target, None if spec.positive is None else label_text(spec.positive)


def of_now(state: State, model: str) -> Champion | None:
    """The version that serves; None before the first."""
    crowned = trainings.champion(state, model)
    made_by = trainings.of_version(state, model, crowned.version) if crowned is not None else None
    if crowned is None or made_by is None:
        return None
    return Champion(crowned.version, made_by, specs.recall(state, made_by.spec_hash))


def load(settings: Settings, champion: Champion) -> Any:
    """The fitted pipeline, if its file is the one that the state database knows; errors as `models.load_champion`."""
    verdict = champion.training.verdict or {}
    chosen = verdict.get("candidate")
    return models.load_champion(
        settings,
        champion.spec.model,
        champion.version,
        sha256=verdict.get("model_sha256"),
        class_paths=candidates.class_paths(champion.spec, chosen) if chosen is not None else None,
    )
