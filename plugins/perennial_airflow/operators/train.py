"""The steps of `<model>.train`."""

from typing import Any, Literal

from airflow.sdk import Asset, Context

from ml.settings import Settings
from ml.wording import counted
from perennial_airflow.links import (
    DECISION,
    LINEAGE,
    MLFLOW_RUN,
    MODEL_VERSION,
    ResultLink,
    decision_url,
    lineage_url,
    mlflow_run_url,
    version_url,
)
from perennial_airflow.operators.job import JobOperator, LimitedOperator, training_run

_ENDINGS = {
    "finished": "the training has finished",
    "promoted": "the training was killed after its version became champion: it is closed as promoted now",
    "failed": "the training did not finish: it is marked as failed, and no decision is held by it any more",
    "none": "no training was begun",
}


class FreezeInputs(JobOperator):
    """Claims the open decisions, freezes declaration and dataset version, and returns the candidates' names.

    Skips the run where there is nothing to do: an asset event without an open decision, or a schedule without new rows.
    """

    operator_extra_links = (ResultLink(DECISION),)

    def job(self, settings: Settings, context: Context) -> list[str]:
        """One name a candidate."""
        from ml.jobs.train import freeze

        asked, by = context["params"].get("reason"), context["dag_run"].triggering_user_name
        reason = f"{asked} (asked for by {by})" if asked and by else asked
        frozen = freeze(settings, self.model, run=training_run(context), trigger=_trigger(context), reason=reason)
        if frozen is None:
            raise self.skip("nothing to do: no decision is open, and nothing has changed since the last training")
        if frozen.decision is not None:
            self.links[DECISION] = decision_url(self.model, frozen.decision)
        facts: dict[str, object] = {
            "run": frozen.run,
            "dataset version": frozen.dataset_version,
            "declaration": frozen.spec_hash,
            "decision": frozen.decision,
            "candidates": frozen.candidates,
        }
        self.say(f"training because: {frozen.reason}", facts)
        context["ti"].xcom_push(key="frozen", value=frozen.model_dump(mode="json"))
        return frozen.candidates


class TuneCandidate(LimitedOperator):
    """Searches the hyperparameters of one candidate."""

    operator_extra_links = (ResultLink(MLFLOW_RUN),)

    def __init__(self, *, candidate: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.candidate = candidate

    def job(self, settings: Settings, context: Context) -> dict[str, Any]:
        """The candidate's best try."""
        from ml.jobs.train import tune

        result = tune(settings, run=training_run(context), candidate=self.candidate, on_progress=self.say)
        self.links[MLFLOW_RUN] = mlflow_run_url(self.model, result.mlflow_run)
        facts: dict[str, object] = {"parameters": result.params, "trials": result.trials, "MLflow run": result.mlflow_run}
        outcome = f"{result.candidate}: {result.metric} {result.value:.4f}"
        context["tuned"] = outcome  # type: ignore[typeddict-unknown-key]
        self.say(f"{outcome} on validation rows", facts)
        return result.model_dump(mode="json")


class ListEnsembles(JobOperator):
    """Returns the names of the ensembles that the run's frozen declaration makes of its candidates."""

    template_fields = ("frozen",)

    def __init__(self, *, frozen: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.frozen = frozen

    def job(self, settings: Settings, context: Context) -> list[str]:  # noqa: ARG002
        """One name an ensemble."""
        found = list(self.frozen.get("ensembles", []))
        self.say(f"{counted(len(found), 'ensemble')}", {"names": found})
        return found


class CombineCandidates(LimitedOperator):
    """Makes one ensemble of the candidates' best parameters and measures it as they were."""

    operator_extra_links = (ResultLink(MLFLOW_RUN),)

    def __init__(self, *, ensemble: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ensemble = ensemble

    def job(self, settings: Settings, context: Context) -> dict[str, Any]:
        """The ensemble's result."""
        from ml.jobs.tune import combine

        result = combine(settings, run=training_run(context), ensemble=self.ensemble, on_progress=self.say)
        self.links[MLFLOW_RUN] = mlflow_run_url(self.model, result.mlflow_run)
        outcome = f"{result.candidate}: {result.metric} {result.value:.4f}"
        context["combined"] = outcome  # type: ignore[typeddict-unknown-key]
        self.say(f"{outcome} on validation rows", {"parameters": result.params, "MLflow run": result.mlflow_run})
        found: dict[str, Any] = result.model_dump(mode="json")
        return found


class GateChallenger(LimitedOperator):
    """Fits the best candidate and lets it meet the champion on the same recent rows; the next best one where that cannot be done."""

    operator_extra_links = (ResultLink(MLFLOW_RUN),)

    def job(self, settings: Settings, context: Context) -> dict[str, Any]:
        """The verdict."""
        from ml.jobs.train import gate

        verdict = gate(settings, run=training_run(context), on_progress=self.say)
        self.links[MLFLOW_RUN] = mlflow_run_url(self.model, verdict.mlflow_run)
        facts: dict[str, object] = {
            "candidate": verdict.candidate,
            "parameters": verdict.params,
            "test rows": verdict.rows,
            "challenger": verdict.challenger,
            f"champion (version {verdict.champion_version})": verdict.champion,
            "baseline": verdict.baseline,
        }
        warnings: dict[str, object] = {f"warning {number}": warning for number, warning in enumerate(verdict.warnings, 1)}
        warnings |= {one.name: one.text for one in verdict.left_out}
        self.say(verdict.sentence, {**facts, **warnings})
        return verdict.model_dump(mode="json")


class RegisterVersion(JobOperator):
    """Puts the challenger into the MLflow registry."""

    operator_extra_links = (ResultLink(MODEL_VERSION), ResultLink(LINEAGE))

    def job(self, settings: Settings, context: Context) -> int:
        """The version."""
        from ml.jobs.train import register

        version = register(settings, run=training_run(context))
        self.links = {MODEL_VERSION: version_url(self.model, version), LINEAGE: lineage_url(self.model, version)}
        self.say(f"version {version} is registered", {"MLflow": self.links[MODEL_VERSION]})
        return version


class PromoteWinner(JobOperator):
    """Makes the version champion if it has won and needs no approval, or has it; closes the training either way."""

    operator_extra_links = (ResultLink(MODEL_VERSION), ResultLink(LINEAGE))

    def job(self, settings: Settings, context: Context) -> dict[str, Any]:
        """The result of the training."""
        from ml.jobs.train import promote

        result = promote(settings, run=training_run(context))
        if result.version is not None:
            self.links = {MODEL_VERSION: version_url(self.model, result.version), LINEAGE: lineage_url(self.model, result.version)}
        facts: dict[str, object] = {
            "version": result.version,
            "champion": f"version {result.champion}" if result.champion is not None else "none",
            "dataset version": result.dataset_version,
            "metrics": result.metrics,
            "because": result.reason,
        }
        self.say(f"{'promoted' if result.promoted else 'not promoted'}: {result.verdict}", facts)
        return result.model_dump(mode="json")


class AnnounceChampion(JobOperator):
    """Emits the asset `<model>.champion` if this training made another version champion."""

    template_fields = ("result",)

    def __init__(self, *, result: Any, asset: Asset, **kwargs: Any) -> None:
        super().__init__(outlets=[asset], **kwargs)
        self.result = result
        self.asset = asset

    def job(self, settings: Settings, context: Context) -> None:  # noqa: ARG002
        """Nothing is returned."""
        if not self.result["promoted"]:
            raise self.skip(f"the champion stays: {self.result['verdict']}")
        extra = {key: self.result[key] for key in ("version", "dataset_version", "reason", "verdict")}
        self.say(f"version {self.result['version']} is champion")
        context["outlet_events"][self.asset].extra = extra


class GiveBackDecisions(JobOperator):
    """Last of all, whatever happened: a training that has not finished is closed as failed, and its decisions are open again.

    While a task waits for another try it does not run, so a retrying run keeps its claim.
    """

    def job(self, settings: Settings, context: Context) -> None:
        """Nothing is returned."""
        from ml.jobs.train import abandon

        error = f"a task of the DAG run {context['dag_run'].run_id} failed; its log says why"
        self.say(_ENDINGS[abandon(settings, run=training_run(context), error=error)])


def _trigger(context: Context) -> Literal["asset", "schedule", "manual"]:
    kind = str(getattr(context["dag_run"].run_type, "value", context["dag_run"].run_type))
    return {"asset_triggered": "asset", "scheduled": "schedule"}.get(kind, "manual")  # type: ignore[return-value]
