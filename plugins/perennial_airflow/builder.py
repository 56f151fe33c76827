"""The DAGs of a model, made from its `model.yaml`: `<model>.ingest`, `.train`, `.monitor`, `.score`; where declared `.confirm`, `.replay`.

Reading this file costs next to nothing: whatever is heavy is imported by the tasks.
"""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable, Param, TriggerRule, XComArg

from ml import specfile
from ml.errors import SpecError
from ml.settings import Settings
from ml.spec import ModelSpec
from perennial_airflow import assets
from perennial_airflow.doc import doc_md
from perennial_airflow.operators.alert import SendAlerts
from perennial_airflow.operators.approve import ApproveChallenger
from perennial_airflow.operators.confirm import ConfirmRetraining
from perennial_airflow.operators.ingest import AnnounceData, FindDeliveries, IngestDelivery
from perennial_airflow.operators.monitor import DecideRetraining, KeepHouse, MeasureWindow, TakeWindow, WatchChampion
from perennial_airflow.operators.replay import ReplayHistory, SuggestPolicy
from perennial_airflow.operators.retrain import AnnounceRetrain, AnnounceSuggestion
from perennial_airflow.operators.score import ScoreNewRows
from perennial_airflow.operators.train import (
    AnnounceChampion,
    CombineCandidates,
    FreezeInputs,
    GateChallenger,
    GiveBackDecisions,
    ListEnsembles,
    PromoteWinner,
    RegisterVersion,
    TuneCandidate,
)

REPLAY_POOL = "PERENNIAL_REPLAY_POOL"
"""Names a pool of Airflow that all replays share: with one slot, one runs at a time. Whoever sets it makes the pool."""
_SHORT = timedelta(minutes=15)
_LONG = timedelta(hours=2)
_DEFAULTS: dict[str, Any] = {
    # Each end of the stack in mid-run takes one try from the tasks that it ends.
    "retries": 4,
    "retry_delay": timedelta(seconds=15),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=5),
}


def build(dag_file: str) -> list[DAG]:
    """Makes the DAGs of the model whose `model.yaml` lies beside `dag_file`. Call it as `build(__file__)`.

    Raises:
        SpecError: Every fault of the declaration, with file, line, key and cure; Airflow shows it as this file's import error.
    """
    spec = _declared(Path(dag_file).parent / specfile.FILE_NAME)
    asking = [confirm_dag(spec)] if spec.retraining.mode == "suggest" else []
    replaying = [replay_dag(spec)] if spec.replay.schedule is not None else []
    return [ingest_dag(spec), train_dag(spec), monitor_dag(spec), *asking, score_dag(spec), *replaying]


def ingest_dag(spec: ModelSpec) -> DAG:
    """Finds deliveries, takes in each, announces accepted rows."""
    with _dag(spec, "ingest", schedule=_cron(spec.data.schedule)) as dag:
        found = FindDeliveries(task_id="find", model=spec.model, execution_timeout=_SHORT)
        # One after the other, oldest first: the order of acceptance is the order of the rows in the table.
        ingested = IngestDelivery.partial(
            task_id="ingest",
            model=spec.model,
            execution_timeout=_LONG,
            max_active_tis_per_dagrun=1,
            map_index_template="{{ delivery | default(task.url) }}",
        ).expand(url=found.output)
        AnnounceData(
            task_id="announce",
            model=spec.model,
            results=ingested.output,
            asset=assets.data(spec.model),
            trigger_rule=TriggerRule.ALL_DONE,
            execution_timeout=_SHORT,
        )
        # Announcing goes on without a delivery that failed; this is what makes the run a failed one then.
        _ = ingested >> EmptyOperator(task_id="finish", trigger_rule=TriggerRule.NONE_FAILED)
        if _somebody_is_told(spec):
            _ = ingested >> _alert(spec)
    return dag


def train_dag(spec: ModelSpec) -> DAG:
    """Trains when a decision asks for it or the calendar says so."""
    model = spec.model
    cron = _cron(spec.training.schedule)
    asked = assets.retrain(model)
    reason = Param(None, type=["null", "string"], title="Reason", description="Why you start this training, for the record.")
    schedule = AssetOrTimeSchedule(timetable=cron, assets=asked) if cron else asked
    with _dag(spec, "train", schedule=schedule, params={"reason": reason}) as dag:
        frozen = FreezeInputs(task_id="freeze", model=model, execution_timeout=_SHORT)
        tuned = TuneCandidate.partial(
            task_id="tune",
            model=model,
            execution_timeout=spec.training.timeout,
            map_index_template="{{ tuned | default(task.candidate) }}",
        ).expand(candidate=frozen.output)
        combined = _combined(spec, frozen, tuned)
        # A candidate that fails is left out as long as another one remains; so is an ensemble. At the gate the next best one is taken
        # then, and each has the time of one.
        contenders = len(spec.training.candidates) + len(spec.training.ensembles)
        gated = GateChallenger(
            task_id="gate",
            model=model,
            execution_timeout=contenders * spec.training.timeout + _SHORT,
            trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS,
        )
        registered = RegisterVersion(task_id="register", model=model, execution_timeout=_SHORT)
        # No timeout of its own: how long it waits for a person, the frozen declaration says.
        approved = ApproveChallenger(task_id="approve", model=model)
        # Also when nobody had to be asked: `approve` is skipped then.
        promoted = PromoteWinner(
            task_id="promote", model=model, execution_timeout=_SHORT, trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
        )
        champion = AnnounceChampion(
            task_id="announce_champion",
            model=model,
            result=promoted.output,
            asset=assets.champion(model),
            execution_timeout=_SHORT,
        )
        again = AnnounceRetrain(task_id="announce_retrain", model=model, asset=asked, execution_timeout=_SHORT)
        ended = GiveBackDecisions(task_id="give_back", model=model, execution_timeout=_SHORT).as_teardown()
        _ = [tuned, combined] >> gated >> registered >> approved >> promoted >> [champion, again, ended]
        _ = registered >> promoted
        if _somebody_is_told(spec):
            # After the teardown, which writes down that a training has failed. Not its end: the other leaves say how the run went.
            _ = ended >> _alert(spec)
    return dag


def _combined(spec: ModelSpec, frozen: FreezeInputs, tuned: Any) -> EmptyOperator:
    """One task an ensemble, after the candidates were tuned, and the task that says that all are done.

    Without ensembles the mapping is skipped. The gate may not see that (a skipped upstream skips it too), so this last task stands
    between: it succeeds when none failed, and a failure of it is one that the gate leaves out.
    """
    listed = ListEnsembles(task_id="list_ensembles", model=spec.model, frozen=XComArg(frozen, key="frozen"), execution_timeout=_SHORT)
    combined = CombineCandidates.partial(
        task_id="combine",
        model=spec.model,
        execution_timeout=spec.training.timeout,
        map_index_template="{{ combined | default(task.ensemble) }}",
        trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS,
    ).expand(ensemble=listed.output)
    collected = EmptyOperator(task_id="collect", trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
    _ = tuned >> combined >> collected
    _ = listed >> collected
    return collected


def monitor_dag(spec: ModelSpec) -> DAG:
    """Watches a new champion beside the former one, looks at its new rows, reports, decides."""
    model = spec.model
    with _dag(spec, "monitor", schedule=_cron(spec.monitoring.schedule)) as dag:
        watched = WatchChampion(task_id="watch", model=model, asset=assets.champion(model), execution_timeout=_LONG)
        # After the watch, so that the window is of the champion that remains; whatever became of it.
        taken = TakeWindow(task_id="take_window", model=model, execution_timeout=_SHORT, trigger_rule=TriggerRule.ALL_DONE)
        measured = MeasureWindow(task_id="measure", model=model, window=taken.output, execution_timeout=_LONG)
        decided = DecideRetraining(task_id="decide", model=model, window=taken.output, execution_timeout=_SHORT)
        announced = AnnounceRetrain(
            task_id="announce",
            model=model,
            asset=assets.retrain(model),
            # Also without a window, and when measuring failed: a decision may be open whose event was lost.
            trigger_rule=TriggerRule.ALL_DONE,
            execution_timeout=_SHORT,
        )
        kept = KeepHouse(task_id="keep_house", model=model, trigger_rule=TriggerRule.ALL_DONE, execution_timeout=_SHORT)
        # After all that people may be told of, and after the page that the messages lead to.
        told = _alert(spec)
        finished = EmptyOperator(task_id="finish", trigger_rule=TriggerRule.NONE_FAILED)
        # Announcing goes on when a step failed; `finish` is what makes the run a failed one then.
        _ = watched >> taken >> measured >> decided >> [announced, kept] >> told >> finished
        _ = [watched, decided, announced, kept] >> finished
        if spec.retraining.mode == "suggest":
            asked = AnnounceSuggestion(
                task_id="announce_suggestion",
                model=model,
                asset=assets.suggestion(model),
                # As with `announce`: a suggestion may stand whose event was lost.
                trigger_rule=TriggerRule.ALL_DONE,
                execution_timeout=_SHORT,
            )
            _ = decided >> asked >> finished
    return dag


def _alert(spec: ModelSpec) -> SendAlerts:
    return SendAlerts(task_id="alert", model=spec.model, trigger_rule=TriggerRule.ALL_DONE, execution_timeout=_SHORT)


def _somebody_is_told(spec: ModelSpec) -> bool:
    """Else ingest and train have no task for it: one costs seconds in each run."""
    declared = spec.monitoring.alerts
    return bool(Settings.from_env().alerts.strip() if declared is None else declared)


def confirm_dag(spec: ModelSpec) -> DAG:
    """Asks a person whether to train, and wakes the training after a yes. A DAG of its own: neither looks nor trainings wait for it."""
    model = spec.model
    with _dag(spec, "confirm", schedule=assets.suggestion(model)) as dag:
        # No timeout of its own: how long it waits for a person, the ledger says.
        confirmed = ConfirmRetraining(task_id="confirm", model=model)
        announced = AnnounceRetrain(task_id="announce", model=model, asset=assets.retrain(model), execution_timeout=_SHORT)
        _ = confirmed >> announced
    return dag


def score_dag(spec: ModelSpec) -> DAG:
    """Predicts for new rows, and for all of them when the champion changes."""
    model = spec.model
    with _dag(spec, "score", schedule=assets.champion(model) | assets.data(model)) as dag:
        ScoreNewRows(task_id="score", model=model, execution_timeout=_LONG)
    return dag


def replay_dag(spec: ModelSpec) -> DAG:
    """Plays retraining policies over the history, and asks a person where another one than the declared would have cost less."""
    with _dag(spec, "replay", schedule=_cron(spec.replay.schedule)) as dag:
        # A time-out is no end: the next try goes on where this one was.
        played = ReplayHistory(task_id="replay", model=spec.model, execution_timeout=_LONG, pool=os.environ.get(REPLAY_POOL) or None)
        # No timeout of its own: how long it waits for a person, the declaration says.
        SuggestPolicy(task_id="suggest", model=spec.model, at=played.output)
    return dag


def _declared(path: Path) -> ModelSpec:
    if not path.is_file():
        raise SpecError(f"dags/{path.parent.name}/{path.name}: is missing. `perennial new` makes one; a DAG file needs it beside itself")
    try:
        return specfile.read(path)
    except SpecError as error:
        raise SpecError(str(error)) from None


def _dag(spec: ModelSpec, step: str, *, schedule: Any, params: dict[str, Any] | None = None) -> DAG:
    return DAG(
        f"{spec.model}.{step}",
        description=f"{spec.model}: {_STEPS[step]}",
        doc_md=doc_md(spec, step, _STEPS[step]),
        schedule=schedule,
        # No start: a date in the past would start a run at once, before there is any data.
        start_date=None,
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        default_args={**_DEFAULTS, "owner": spec.owner},
        tags={"perennial", spec.model, step},
        params=params,
    )


def _cron(schedule: str | None) -> CronTriggerTimetable | None:
    if schedule is None:
        return None
    # Always the next tick; the default would also run a last one that is not long past.
    return CronTriggerTimetable(schedule, timezone="UTC", run_immediately=timedelta(0))


_STEPS = {
    "ingest": "take in new deliveries",
    "train": "train a challenger and promote it if it wins",
    "monitor": "watch the champion and decide whether to retrain",
    "confirm": "ask a person whether to train again",
    "score": "predict for new rows with the champion",
    "replay": "play retraining policies over the history, and suggest another one where it pays",
}
