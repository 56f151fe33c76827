"""The tested model itself, kept beside its training's run: windows are judged by the words of the model whose words are the reference.

What is promoted is its twin, fitted on all rows. Two models of one recipe say something else of the same rows, weak ones most, so that
the twin's predictions lie off the tested model's whatever becomes of the rows.
"""

import hashlib
import logging
from typing import Any

from ml.errors import UnknownVersion
from ml.registry import files, models
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state.records import Training
from ml.training import candidates
from ml.training.results import verdict_of

log = logging.getLogger(__name__)


def file_of(model: Any) -> tuple[dict[str, bytes], str]:
    """The file to keep beside the run, and its digest, which names it: another attempt of the same training writes another file."""
    content = models.packed(model)
    digest = hashlib.sha256(content).hexdigest()
    return {_name(digest): content}, digest


def load(settings: Settings, training: Training, learnt: ModelSpec) -> Any | None:
    """The tested model; None where it was not kept, or where its file is gone or is not the one that was kept (the log warns).

    Args:
        settings: Where MLflow is.
        training: The run that made it.
        learnt: The declaration of that run.

    Raises:
        StoreUnavailable: MLflow does not answer.
    """
    verdict = verdict_of(training)
    if verdict is None or verdict.tested_sha256 is None:
        return None
    digest, named = verdict.tested_sha256, f"the tested model of {training.model}, run {training.key}"
    content = files.load(settings, training.model, mlflow_run=verdict.mlflow_run, name=_name(digest))
    if content is None:
        log.warning("tested model gone model=%s run=%s", training.model, training.key)
        return None
    try:
        return models.opened(content, named, digests=[digest], class_paths=candidates.class_paths(learnt, verdict.candidate))
    except (models.BrokenVersion, UnknownVersion) as error:
        log.warning("tested model not usable model=%s run=%s error=%r", training.model, training.key, str(error))
        return None


def _name(digest: str) -> str:
    return f"tested_model-{digest[:16]}.skops"
