"""Saved models and their versions. Models are saved with skops, never pickled, and loaded only as the registry wrote them."""

import hashlib
import tempfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from ml.errors import CandidateError, StoreUnavailable, UnknownVersion
from ml.registry.client import error_code, reaching, tracking
from ml.settings import Settings

DIGEST_TAG = "perennial.model_sha256"
RUN_TAG = "perennial.key"
FILE = "model.skops"
_PACKAGES = {
    "numpy": ("numpy",),
    "pandas": ("pandas",),
    "scipy": ("scipy",),
    "sklearn": ("scikit-learn",),
    "skops": ("skops",),
    "xgboost": ("xgboost", "xgboost-cpu"),
}
"""Module → the packages that may have brought it; of the others, the installation is asked, which takes longer."""
_TRUSTED = frozenset({"builtins", "collections", "datetime", "ml", "numpy", "scipy", "sklearn", "xgboost"})


def save(settings: Settings, model: str, pipeline: Any, *, mlflow_run: str, example: pd.DataFrame, prediction: Any, class_path: str) -> str:
    """Logs the fitted pipeline below its training's run, with signature and input example; returns the logged model's id.

    What an attempt before this one left is deleted. Nothing is registered.

    Args:
        settings: Where MLflow is.
        model: The model's name.
        pipeline: The fitted pipeline.
        mlflow_run: The training's run.
        example: A few rows as the pipeline takes them.
        prediction: What it says of them.
        class_path: The candidate's dotted path: its package is trusted beside scikit-learn, XGBoost, NumPy and SciPy.

    Raises:
        CandidateError: The pipeline cannot be saved without pickle.
    """
    trusted = _trusted_types(pipeline, class_path)
    with tracking(settings, model) as opened, tempfile.TemporaryDirectory() as folder:
        from mlflow.entities import LoggedModelOutput
        from mlflow.models import Model

        client = opened.client
        for old in client.search_logged_models([opened.experiment], filter_string=f"source_run_id = '{mlflow_run}'"):
            client.delete_logged_model(old.model_id)
        logged = client.create_logged_model(opened.experiment, name=model, source_run_id=mlflow_run)
        path = Path(folder) / "model"
        described = Model(artifact_path=logged.artifact_location, run_id=mlflow_run, model_id=logged.model_id, model_uuid=logged.model_id)
        _write(pipeline, path, described, example=example, prediction=prediction, trusted=trusted, class_path=class_path)
        digest = hashlib.sha256((path / FILE).read_bytes()).hexdigest()
        client.log_model_artifacts(logged.model_id, str(path))
        client.set_logged_model_tags(logged.model_id, {DIGEST_TAG: digest})
        client.finalize_logged_model(logged.model_id, "READY")
        client.log_outputs(mlflow_run, [LoggedModelOutput(logged.model_id, 0)])
        return str(logged.model_id)


def register(settings: Settings, model: str, *, key: str, logged_model: str, mlflow_run: str, tags: Mapping[str, str], text: str) -> int:
    """The registry's version of a logged model: made at the first call with this key, found at the next.

    Args:
        settings: Where MLflow is.
        model: The model's name in the registry.
        key: What the version is made by: `key_of(run)`.
        logged_model: What `save` returned.
        mlflow_run: The training's run.
        tags: Facts to show beside the version.
        text: The version's description.
    """
    with tracking(settings, model) as opened:
        from mlflow.exceptions import MlflowException

        client = opened.client
        try:
            client.create_registered_model(model)
        except MlflowException as error:
            if error_code(error) != "RESOURCE_ALREADY_EXISTS":
                raise
        found = client.search_model_versions(f"name = '{model}' and tags.`{RUN_TAG}` = '{key}'")
        if found:
            return min(int(one.version) for one in found)
        digest = client.get_logged_model(logged_model).tags[DIGEST_TAG]
        made = client.create_model_version(
            model,
            source=f"models:/{logged_model}",
            run_id=mlflow_run,
            model_id=logged_model,
            description=text,
            tags={**{name: value[:4000] for name, value in tags.items()}, RUN_TAG: key, DIGEST_TAG: digest},
        )
        return int(made.version)


def load(settings: Settings, model: str, version: int) -> Any:
    """The fitted pipeline of a version.

    Its file is only read if it is the one that was registered: a file that somebody changed could run code.

    Raises:
        UnknownVersion: The registry has no such version.
        StoreUnavailable: Its file is missing or was changed, or MLflow does not answer.
    """
    import skops.io

    found = _version(settings, model, version)
    with reaching(settings) as client, tempfile.TemporaryDirectory() as folder:
        from mlflow.artifacts import download_artifacts

        source = client.get_model_version_download_uri(model, str(version))
        path = Path(download_artifacts(f"{source}/{FILE}", dst_path=folder, tracking_uri=settings.mlflow_url))
        content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != found.tags.get(DIGEST_TAG):
        raise StoreUnavailable(f"{model} version {version}: its file is not the one that was registered, so it is not loaded. Train again.")
    return skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))


load_champion = load


def versions(settings: Settings, model: str) -> list[int]:
    """The numbers of all versions in the registry, ascending."""
    with reaching(settings) as client:
        return sorted(int(one.version) for one in client.search_model_versions(f"name = '{model}'"))


def check_version(settings: Settings, model: str, version: int) -> None:
    """Does nothing if the registry has this version; else `UnknownVersion`."""
    _version(settings, model, version)


def set_alias(settings: Settings, model: str, alias: str, version: int | None) -> None:
    """Points an alias to a version, or takes it away. Idempotent; a version that is gone is left alone."""
    with reaching(settings) as client:
        from mlflow.exceptions import MlflowException

        try:
            present = client.get_registered_model(model).aliases.get(alias)
            if version is None and present is not None:
                client.delete_registered_model_alias(model, alias)
            elif version is not None and present != str(version):
                client.set_registered_model_alias(model, alias, str(version))
        except MlflowException as error:
            if error_code(error) != "RESOURCE_DOES_NOT_EXIST":
                raise


def aliases(settings: Settings, model: str) -> dict[str, int]:
    """Alias → version."""
    with reaching(settings) as client:
        from mlflow.exceptions import MlflowException

        try:
            return {name: int(version) for name, version in client.get_registered_model(model).aliases.items()}
        except MlflowException as error:
            if error_code(error) != "RESOURCE_DOES_NOT_EXIST":
                raise
            return {}


def _version(settings: Settings, model: str, version: int) -> Any:
    with reaching(settings) as client:
        from mlflow.exceptions import MlflowException

        try:
            return client.get_model_version(model, str(version))
        except MlflowException as error:
            if error_code(error) not in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                raise
    known = versions(settings, model)
    there = f"Versions in the registry: {', '.join(map(str, known[-10:]))}" if known else "It has none yet; `perennial train` makes one"
    raise UnknownVersion(f"{model} has no version {version}. {there}.")


def _trusted_types(pipeline: Any, class_path: str) -> list[str]:
    import skops.io

    try:
        types: list[str] = skops.io.get_untrusted_types(data=skops.io.dumps(pipeline))
    except Exception as error:  # skops raises what the foreign class raises
        raise CandidateError(
            f"{class_path} cannot be saved without pickle: {type(error).__name__}: {str(error)[:300]}. Choose another class."
        ) from error
    roots = _TRUSTED | {class_path.split(".", 1)[0]}
    if strange := [name for name in types if name.split(".", 1)[0] not in roots]:
        raise CandidateError(f"{class_path} holds types that are not trusted: {', '.join(strange[:5])}. Choose another class.")
    return types


def _write(
    pipeline: Any, path: Path, described: Any, *, example: pd.DataFrame, prediction: Any, trusted: list[str], class_path: str
) -> None:
    import mlflow.sklearn
    from mlflow.models import infer_signature

    mlflow.sklearn.save_model(
        pipeline,
        str(path),
        mlflow_model=described,
        serialization_format=mlflow.sklearn.SERIALIZATION_FORMAT_SKOPS,
        skops_trusted_types=trusted,
        signature=infer_signature(example, prediction),
        input_example=example,
        pip_requirements=_requirements(class_path),  # given, because MLflow spends about 7 s finding them out
    )


def _requirements(class_path: str) -> list[str]:
    roots = {*_PACKAGES, class_path.split(".", 1)[0]} - ({"xgboost"} if not class_path.startswith("xgboost.") else set())
    return sorted(found for root in roots if (found := _pinned(root)) is not None)


def _pinned(module: str) -> str | None:
    """`package==version` of what is installed under a module's name; None for the project's own code."""
    for name in _PACKAGES.get(module, ()) or metadata.packages_distributions().get(module, []):
        try:
            return f"{name}=={metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue
    return None
