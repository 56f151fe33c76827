"""Saved models and their versions. Models are saved with skops, never pickled, and loaded only as the registry wrote them."""

import hashlib
import tempfile
import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from ml.errors import OperatorError, UnknownVersion
from ml.registry import trust
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


class BrokenVersion(OperatorError):
    """A version's file is missing, was changed, or holds what is not trusted; only another training cures that."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved model: MLflow's id, and the SHA-256 and size in bytes of its file."""

    logged_model: str
    sha256: str
    size: int


def save(
    settings: Settings, model: str, pipeline: Any, *, mlflow_run: str, example: pd.DataFrame, prediction: Any, class_paths: Sequence[str]
) -> Saved:
    """Logs the fitted pipeline below its training's run, with signature and input example.

    Nothing is registered, and what another attempt saved stays: `keep` clears up once it is decided which one counts.

    Args:
        settings: Where MLflow is.
        model: The model's name.
        pipeline: The fitted pipeline.
        mlflow_run: The training's run.
        example: A few rows as the pipeline takes them.
        prediction: What it says of them.
        class_paths: The dotted paths of what it is made of: their packages are trusted beside scikit-learn, XGBoost, NumPy and SciPy.

    Raises:
        CandidateError: The pipeline cannot be saved without pickle, or holds types that are not trusted.
    """
    trusted = trust.types_of(pipeline, class_paths)
    with tracking(settings, model) as opened, tempfile.TemporaryDirectory() as folder:
        from mlflow.entities import LoggedModelOutput
        from mlflow.models import Model

        client = opened.client
        logged = client.create_logged_model(opened.experiment, name=model, source_run_id=mlflow_run)
        path = Path(folder) / "model"
        described = Model(artifact_path=logged.artifact_location, run_id=mlflow_run, model_id=logged.model_id, model_uuid=logged.model_id)
        _write(pipeline, path, described, example=example, prediction=prediction, trusted=trusted, class_paths=class_paths)
        content = (path / FILE).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        client.log_model_artifacts(logged.model_id, str(path))
        client.set_logged_model_tags(logged.model_id, {DIGEST_TAG: digest})
        client.finalize_logged_model(logged.model_id, "READY")
        client.log_outputs(mlflow_run, [LoggedModelOutput(logged.model_id, 0)])
        return Saved(str(logged.model_id), digest, len(content))


def keep(settings: Settings, model: str, *, mlflow_run: str, logged_model: str) -> None:
    """Deletes what other attempts of the training saved. Idempotent."""
    with tracking(settings, model) as opened:
        for old in opened.client.search_logged_models([opened.experiment], filter_string=f"source_run_id = '{mlflow_run}'"):
            if old.model_id != logged_model:
                _delete(opened.client.delete_logged_model, old.model_id)


def register(
    settings: Settings, model: str, *, key: str, logged_model: str, sha256: str, mlflow_run: str, tags: Mapping[str, str], text: str
) -> int:
    """The registry's version of a saved model: made at the first call with this key, found at the next.

    Of two calls at the same time both may make one: the lower stays, the other is deleted.

    Args:
        settings: Where MLflow is.
        model: The model's name in the registry.
        key: What the version is made by: `key_of(run)`.
        logged_model: What `save` returned.
        sha256: Likewise.
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
        query = f"name = '{model}' and tags.`{RUN_TAG}` = '{key}'"
        if not client.search_model_versions(query):
            client.create_model_version(
                model,
                source=f"models:/{logged_model}",
                run_id=mlflow_run,
                model_id=logged_model,
                description=text,
                tags={**{name: value[:4000] for name, value in tags.items()}, RUN_TAG: key, DIGEST_TAG: sha256},
            )
        first, *others = sorted(int(one.version) for one in client.search_model_versions(query))
        for other in others:
            _delete(client.delete_model_version, model, str(other))
        return first


def load_champion(
    settings: Settings, model: str, version: int, *, sha256: str | None = None, class_paths: Sequence[str] | None = None
) -> Any:
    """The fitted pipeline of a version.

    Its file is only looked into if it is the one that was registered, so that nothing of a file that somebody changed is run. Then only
    classes are made that saving would have let through.

    Args:
        settings: Where MLflow is.
        model: The model's name.
        version: Which one.
        sha256: What the state database says about its file. Without it the registry's own word is taken.
        class_paths: As at saving: only their packages are trusted beside those that are always. Without them the digest alone decides.

    Raises:
        UnknownVersion: The registry has no such version.
        BrokenVersion: Its file is missing, is not the one that was registered, or holds what is not trusted.
        StoreUnavailable: MLflow does not answer.
    """
    found = _version(settings, model, version)
    content = _content(settings, model, version)
    digests = {found.tags.get(DIGEST_TAG), *([] if sha256 is None else [sha256])}
    return opened(content, f"{model} version {version}", digests=digests, class_paths=class_paths)


def packed(pipeline: Any) -> bytes:
    """A fitted pipeline as the bytes of a file: a forest takes a quarter of what it takes in the registry."""
    import skops.io

    content: bytes = skops.io.dumps(pipeline, compression=zipfile.ZIP_DEFLATED, compresslevel=1)
    return content


def opened(content: bytes, named: str, *, digests: Collection[str | None], class_paths: Sequence[str] | None) -> Any:
    """The pipeline in the bytes of a file, if these are the right ones, and hold what is trusted: arguments as of `load_champion`.

    Raises:
        BrokenVersion: They are not what any of the digests says, or hold what is not trusted; `named` says which file.
    """
    import skops.io

    if {hashlib.sha256(content).hexdigest()} != set(digests):
        raise BrokenVersion(f"{named}: its file is not the one that was registered, so it is not loaded. Train again.")
    types: list[str] = skops.io.get_untrusted_types(data=content)
    if class_paths is not None and (strange := trust.strange(types, class_paths)):
        raise BrokenVersion(f"{named} holds types that are not trusted: {', '.join(strange[:5])}. Train again.")
    return skops.io.loads(content, trusted=types)


def versions(settings: Settings, model: str) -> list[int]:
    """The numbers of all versions in the registry, ascending."""
    with reaching(settings) as client:
        return sorted(int(one.version) for one in client.search_model_versions(f"name = '{model}'"))


def check_version(settings: Settings, model: str, version: int) -> None:
    """Does nothing if the registry has this version; else `UnknownVersion`."""
    _version(settings, model, version)


def tags(settings: Settings, model: str, version: int) -> dict[str, str]:
    """The facts that were stored beside a version; `UnknownVersion` if there is none."""
    return dict(_version(settings, model, version).tags)


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


def _content(settings: Settings, model: str, version: int) -> bytes:
    """The bytes of a version's file. It is looked for first: a file that is gone and a store that is away raise the same errors."""
    with reaching(settings) as client, tempfile.TemporaryDirectory() as folder:
        from mlflow.artifacts import download_artifacts, list_artifacts

        source = client.get_model_version_download_uri(model, str(version))
        there = list_artifacts(artifact_uri=source, tracking_uri=settings.mlflow_url)
        if FILE not in {PurePosixPath(one.path).name for one in there}:
            raise BrokenVersion(f"{model} version {version}: its file {FILE} is missing in MLflow. Train again.")
        return Path(download_artifacts(f"{source}/{FILE}", dst_path=folder, tracking_uri=settings.mlflow_url)).read_bytes()


def _delete(act: Any, *what: str) -> None:
    """Deletes; what is deleted already is left alone."""
    from mlflow.exceptions import MlflowException

    try:
        act(*what)
    except MlflowException as error:
        if error_code(error) != "RESOURCE_DOES_NOT_EXIST":
            raise


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


def _write(
    pipeline: Any, path: Path, described: Any, *, example: pd.DataFrame, prediction: Any, trusted: list[str], class_paths: Sequence[str]
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
        pip_requirements=_requirements(class_paths),  # given, because MLflow spends about 7 s finding them out
    )


def _requirements(class_paths: Sequence[str]) -> list[str]:
    roots = {*_PACKAGES} - {"xgboost"} | {trust.root(path) for path in class_paths}
    return sorted(found for root in roots if (found := _pinned(root)) is not None)


def _pinned(module: str) -> str | None:
    """`package==version` of what is installed under a module's name; None for the project's own code."""
    for name in _PACKAGES.get(module, ()) or metadata.packages_distributions().get(module, []):
        try:
            return f"{name}=={metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue
    return None
