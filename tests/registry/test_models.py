"""A saved model is the model that was trained, and nothing else is ever loaded."""

import datetime
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.errors import CandidateError, StoreUnavailable, UnknownVersion
from ml.registry import links, models, runs, trust
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.training.calibration import Calibration, Curve
from ml.training.candidates import class_paths
from ml.training.evaluation import predict
from ml.training.finishing import Finishing, finished
from ml.training.fitting import fit
from tests.training.worlds import LOGISTIC, TREE, XGBOOST, spec_of, visits, with_mlflow

CANDIDATES = [
    LOGISTIC,
    TREE,
    XGBOOST,
    {"name": "forest", "class": "sklearn.ensemble.RandomForestClassifier", "params": {"n_estimators": 5}},
    {"name": "gradient", "class": "sklearn.ensemble.HistGradientBoostingClassifier", "params": {"max_iter": 5}},
    {"name": "network", "class": "sklearn.neural_network.MLPClassifier", "params": {"hidden_layer_sizes": 5}},
]
ENSEMBLES = [
    {"name": "vote", "combine": "voting", "members": ["logistic", "xgboost", "network"]},
    {"name": "stack", "combine": "stacking", "members": ["logistic", "xgboost", "machine"]},
]
MACHINE = {"name": "machine", "class": "sklearn.svm.LinearSVC", "params": {"tol": 0.01}}
EMPTY = runs.Log(metrics={}, params={}, tags={}, texts={})


def trained(spec: ModelSpec) -> object:
    return fit(spec, spec.training.candidates[0].name, spec.training.candidates[0].params, visits(200))


def saved(settings: Settings, spec: ModelSpec, *, run: str = "r") -> tuple[str, models.Saved]:
    """The MLflow run and the logged model of a fitted pipeline."""
    features = list(spec.features.used)
    pipeline, example = trained(spec), visits(200)[features].head(5)
    mlflow_run = runs.open_training(settings, "shop", run=run, dataset=runs.DatasetName("/rows", 1), log=EMPTY)
    prediction = predict(pipeline, example, task=spec.task).values
    paths = (spec.training.candidates[0].class_,)
    return mlflow_run, models.save(
        settings, "shop", pipeline, mlflow_run=mlflow_run, example=example, prediction=prediction, class_paths=paths
    )


def registered(settings: Settings, spec: ModelSpec, *, run: str = "r") -> int:
    mlflow_run, found = saved(settings, spec, run=run)
    return models.register(
        settings,
        "shop",
        key=runs.key_of(run),
        logged_model=found.logged_model,
        sha256=found.sha256,
        mlflow_run=mlflow_run,
        tags={"a": "b"},
        text="why",
    )


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda one: one["name"])
def test_a_loaded_model_predicts_what_the_trained_one_did(settings: Settings, candidate: dict[str, object]) -> None:
    features = {"numeric": ["age", "spent"], "categorical": ["city"], "text": ["mood"], "datetime": ["at"]}
    spec = spec_of(features=features, training={"candidates": [candidate]})
    version = registered(with_mlflow(settings), spec)
    rows = visits(300, seed=9)
    expected = predict(trained(spec), rows, task="binary").probabilities
    found = predict(models.load_champion(settings, "shop", version), rows, task="binary").probabilities
    assert found is not None
    np.testing.assert_array_equal(found.to_numpy(), expected.to_numpy())
    assert list(found.columns) == ["no", "yes"]


@pytest.mark.parametrize("name", ["vote", "stack", "machine"])
def test_ensembles_and_finished_models_are_loaded_as_they_were_saved(settings: Settings, name: str) -> None:
    features = {"numeric": ["age", "spent"], "categorical": ["city"], "text": ["mood"], "datetime": ["at"]}
    members = [LOGISTIC, XGBOOST, CANDIDATES[-1], MACHINE]
    spec = spec_of(features=features, training={"candidates": members, "ensembles": ENSEMBLES})
    declared = spec.ensemble(name)
    params = {"tol": 0.01} if declared is None else {"members": {one: spec.candidate(one).params for one in declared.members}}
    rows = visits(200)
    curve = Curve(x=(0.0, 0.4, 1.0), y=(0.01, 0.5, 0.99))
    finishing = Finishing(calibration=Calibration(method="isotonic", curves={"yes": curve}), threshold=0.3)
    made = finished(fit(spec, name, params, rows), spec, finishing)
    mlflow_run = runs.open_training(with_mlflow(settings), "shop", run="r", dataset=runs.DatasetName("/rows", 1), log=EMPTY)
    example = rows[list(spec.features.used)].head(5)
    named = {"mlflow_run": mlflow_run, "example": example, "prediction": made.predict(example)}
    paths = class_paths(spec, name)
    stored = models.save(settings, "shop", made, class_paths=paths, **named)  # type: ignore[arg-type]
    version = models.register(
        settings,
        "shop",
        key=runs.key_of("r"),
        logged_model=stored.logged_model,
        sha256=stored.sha256,
        mlflow_run=mlflow_run,
        tags={},
        text="",
    )
    found = predict(models.load_champion(settings, "shop", version, sha256=stored.sha256, class_paths=paths), rows, task="binary")
    expected = predict(made, rows, task="binary")
    assert found.values.tolist() == expected.values.tolist()
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)


def test_what_is_saved_names_its_input_output_example_and_packages(settings: Settings) -> None:
    _, found = saved(with_mlflow(settings), spec_of(training={"candidates": [XGBOOST]}))
    folder = settings.home / "mlflow" / "artifacts" / "shop" / "models" / found.logged_model / "artifacts"
    assert hashlib.sha256((folder / "model.skops").read_bytes()).hexdigest() == found.sha256
    names = {path.name for path in folder.iterdir()}
    assert {"MLmodel", "model.skops", "input_example.json", "requirements.txt"} <= names
    assert not [name for name in names if name.endswith((".pkl", ".pickle"))]
    requirements = (folder / "requirements.txt").read_text()
    assert "scikit-learn==" in requirements
    assert "xgboost" in requirements
    assert "signature:" in (folder / "MLmodel").read_text()


def test_a_file_that_somebody_changed_is_not_loaded(settings: Settings) -> None:
    version = registered(with_mlflow(settings), spec_of())
    file = next((settings.home / "mlflow").rglob("model.skops"))
    other = spec_of(training={"candidates": [TREE]})
    registered(settings, other, run="other")
    changed = next(path for path in (settings.home / "mlflow").rglob("model.skops") if path != file)
    file.write_bytes(changed.read_bytes())
    with pytest.raises(models.BrokenVersion, match="not the one that was registered") as caught:
        models.load_champion(settings, "shop", version)
    assert not caught.value.retryable


def test_a_file_that_is_gone_is_said_and_not_waited_for(settings: Settings) -> None:
    version = registered(with_mlflow(settings), spec_of())
    file = next((settings.home / "mlflow").rglob("model.skops"))
    file.unlink()
    with pytest.raises(models.BrokenVersion, match=r"its file model\.skops is missing in MLflow\. Train again") as caught:
        models.load_champion(settings, "shop", version)
    assert not caught.value.retryable
    shutil.rmtree(file.parent)
    with pytest.raises(models.BrokenVersion, match="is missing"):
        models.load_champion(settings, "shop", version)


def test_the_digest_of_the_state_database_outweighs_the_one_beside_the_file(settings: Settings) -> None:
    mlflow_run, found = saved(with_mlflow(settings), spec_of())
    named = {"key": runs.key_of("r"), "mlflow_run": mlflow_run, "tags": {}, "text": ""}
    version = models.register(settings, "shop", logged_model=found.logged_model, sha256=found.sha256, **named)  # type: ignore[arg-type]
    models.load_champion(settings, "shop", version, sha256=found.sha256)
    with pytest.raises(models.BrokenVersion, match="not the one that was registered"):
        models.load_champion(settings, "shop", version, sha256="0" * 64)


def test_what_was_registered_with_another_class_is_not_loaded_for_this_one(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(trust, "strange", lambda *_: [])
        spec = spec_of()
        pipeline = trained(spec)
        pipeline.named_steps["model"].opener_ = datetime.tzinfo  # type: ignore[attr-defined]
        patch.setattr(f"{__name__}.trained", lambda _: pipeline)
        version = registered(with_mlflow(settings), spec)
    with pytest.raises(models.BrokenVersion, match=r"types that are not trusted: datetime\.tzinfo"):
        models.load_champion(settings, "shop", version, class_paths=["sklearn.linear_model.LogisticRegression"])


@pytest.mark.parametrize(
    "name",
    ["builtins.eval", "builtins.getattr", "ml.jobs.train.abandon", "os.system", "sklearnish.Thing", "numpy.load", "sklearn.gone.Thing"],
)
def test_functions_that_could_do_harm_are_not_trusted(name: str) -> None:
    assert trust.strange([name, "sklearn.tree._tree.Tree", "builtins.set"], ["sklearn.tree.DecisionTreeClassifier"]) == [name]


def named(settings: Settings) -> dict[str, Any]:
    """A run's model, as one registers it."""
    mlflow_run, found = saved(with_mlflow(settings), spec_of())
    known = {"logged_model": found.logged_model, "sha256": found.sha256, "mlflow_run": mlflow_run}
    return {"key": runs.key_of("r"), "tags": {}, "text": ""} | known


def test_a_run_has_one_version_however_often_it_is_registered(settings: Settings) -> None:
    given = named(settings)
    assert [models.register(settings, "shop", **given) for _ in range(2)] == [1, 1]
    assert models.versions(settings, "shop") == [1]
    assert registered(settings, spec_of(), run="another") == 2


def test_two_calls_at_the_same_time_leave_the_lower_version(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    given = named(settings)
    create = MlflowClient.create_model_version
    other: list[int] = []

    def late(client: MlflowClient, *args: object, **kwargs: object) -> object:
        monkeypatch.setattr(MlflowClient, "create_model_version", create)
        other.append(models.register(settings, "shop", **given))
        return create(client, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(MlflowClient, "create_model_version", late)
    assert models.register(settings, "shop", **given) == 1
    assert other == [1]
    assert models.versions(settings, "shop") == [1]
    models.load_champion(settings, "shop", 1)


def test_what_other_attempts_saved_stays_until_it_is_decided_which_one_counts(settings: Settings) -> None:
    from ml.registry.client import tracking

    def there() -> set[str]:
        with tracking(settings, "shop") as opened:
            return {one.model_id for one in opened.client.search_logged_models([opened.experiment])}

    mlflow_run, first = saved(with_mlflow(settings), spec_of())
    second = saved(settings, spec_of())[1]
    other = saved(settings, spec_of(), run="other")[1]
    assert there() == {first.logged_model, second.logged_model, other.logged_model}
    for _ in range(2):
        models.keep(settings, "shop", mlflow_run=mlflow_run, logged_model=first.logged_model)
        assert there() == {first.logged_model, other.logged_model}


def test_a_version_that_is_not_there_is_named_with_those_that_are(settings: Settings) -> None:
    with pytest.raises(UnknownVersion, match="It has none yet"):
        models.load_champion(with_mlflow(settings), "shop", 1)
    registered(settings, spec_of())
    with pytest.raises(UnknownVersion, match=r"shop has no version 7\. Versions in the registry: 1"):
        models.check_version(settings, "shop", 7)


def test_aliases_are_set_moved_and_taken_away(settings: Settings) -> None:
    assert models.aliases(with_mlflow(settings), "shop") == {}
    models.set_alias(settings, "shop", "champion", None)
    for run in ("one", "two"):
        registered(settings, spec_of(), run=run)
    for version in (1, 2, 2):
        models.set_alias(settings, "shop", "champion", version)
    assert models.aliases(settings, "shop") == {"champion": 2}
    models.set_alias(settings, "shop", "champion", None)
    assert models.aliases(settings, "shop") == {}


class Strange:
    """A class of its own, as a foreign estimator might hold."""


def test_a_pipeline_of_types_that_nobody_trusts_is_not_saved(settings: Settings) -> None:
    spec = spec_of()
    pipeline = trained(spec)
    pipeline.named_steps["model"].secret_ = Strange()  # type: ignore[attr-defined]
    with pytest.raises(CandidateError, match=r"not trusted: tests\.registry\.test_models\.Strange|cannot be saved"):
        models.save(settings, "shop", pipeline, mlflow_run="", example=visits(5), prediction=[], class_paths=["sklearn.x.Y"])


def test_a_server_that_does_not_answer_is_an_error_that_may_pass(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = settings.model_copy(update={"mlflow_url": "http://127.0.0.1:9"})
    with pytest.raises(StoreUnavailable, match=r"MLflow at http://127\.0\.0\.1:9 failed") as caught:
        models.aliases(away, "shop")
    assert caught.value.retryable


def test_a_client_of_the_server_and_one_of_the_database_see_the_same(settings: Settings, tmp_path: Path) -> None:
    with_mlflow(settings)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
        "--no-serve-artifacts",
    ]
    command += ["--backend-store-uri", settings.mlflow_url, "--default-artifact-root", str(settings.home / "mlflow" / "artifacts")]
    with (tmp_path / "server.log").open("w") as output:
        server = subprocess.Popen(
            command, stdout=output, stderr=output, start_new_session=True, env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
        )
    try:
        through_server = settings.model_copy(update={"mlflow_url": f"http://127.0.0.1:{port}"})
        _wait_for(f"{through_server.mlflow_url}/health")
        version = registered(through_server, spec_of())
        rows = visits(50, seed=3)
        expected = predict(trained(spec_of()), rows, task="binary").values
        for place in (settings, through_server):
            found = predict(models.load_champion(place, "shop", version), rows, task="binary").values
            assert found.tolist() == expected.tolist()
        assert registered(settings, spec_of(), run="another") == 2
        assert models.versions(through_server, "shop") == [1, 2]
        models.load_champion(through_server, "shop", 2)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _wait_for(address: str) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(address, timeout=1).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"{address} did not answer in a minute")


def test_links_are_given_where_mlflow_has_an_address(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert links.version_url(settings, "shop", 3) is None
    monkeypatch.setenv("PERENNIAL_MLFLOW_PUBLIC_URL", "https://mlflow.example/")
    assert links.version_url(settings, "shop", 3) == "https://mlflow.example/#/models/shop/versions/3"
    monkeypatch.delenv("PERENNIAL_MLFLOW_PUBLIC_URL")
    served = settings.model_copy(update={"mlflow_url": "http://127.0.0.1:5000"})
    assert links.version_url(served, "shop", 3) == "http://127.0.0.1:5000/#/models/shop/versions/3"


def test_links_show_no_password(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    served = settings.model_copy(update={"mlflow_url": "http://svc:s3c@ret@mlflow:5000/base"})
    assert links.run_url(served, "abc") == "http://mlflow:5000/base/#/runs/abc"
    monkeypatch.setenv("PERENNIAL_MLFLOW_PUBLIC_URL", "https://svc:s3cret@[::1]:5000")
    assert links.version_url(settings, "shop", 3) == "https://[::1]:5000/#/models/shop/versions/3"
