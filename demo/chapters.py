"""The steps of the story: each does one thing through Airflow, then looks into the state database whether it came out as told."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from demo.board import Board
from demo.follow import StoryBroken, follow, wait_for
from demo.rest import Airflow, Run
from demo.stream import FAULTS, Stream, batches
from ml.settings import Settings
from ml.state import State, ledger, trainings
from ml.state import batches as arrivals
from ml.state.records import Batch, Decision, Promotion, Training, Window

MODEL = "credit_risk"
INGEST, TRAIN, MONITOR, SCORE = (f"{MODEL}.{step}" for step in ("ingest", "train", "monitor", "score"))
DAGS = (INGEST, TRAIN, MONITOR, SCORE)

FIRST_WEEKS = range(5)
BROKEN_WEEK = 5
CHANGED_WEEKS = range(6, 10)
CALM_WEEKS = range(10, 12)

_INGEST_S, _TRAIN_S, _MONITOR_S, _WAKE_S = 420.0, 900.0, 420.0, 120.0
METRIC = "roc_auc"


@dataclass(frozen=True, slots=True)
class Stage:
    """What every step works with. `name` is this play's own: its runs are named after it. `earlier_runs` are of earlier plays."""

    settings: Settings
    state: State
    airflow: Airflow
    board: Board
    stream: Stream
    name: str
    earlier_runs: frozenset[str]

    def play_run(self, dag: str, step: str) -> None:
        """Starts a run of the DAG and follows it to its end."""
        limit_s = {INGEST: _INGEST_S, TRAIN: _TRAIN_S, MONITOR: _MONITOR_S}[dag]
        run = self.airflow.trigger(dag, run=f"{self.name}-{step}", note=f"Started by the demo: {step}")
        follow(self.airflow, self.board, run, limit_s=limit_s)

    def deliver(self, weeks: Iterable[int], step: str, *, broken: bool = False) -> list[Batch]:
        """Writes deliveries, has them ingested, and returns what became of them; `StoryBroken` if one was not looked at."""
        self.board.show("writing deliveries")
        paths = batches(self.stream, weeks, self.settings.incoming / MODEL, broken=broken)
        self.play_run(INGEST, step)
        known = {Path(one.source).name: one for one in arrivals.listed(self.state, MODEL)}
        if unseen := [path.name for path in paths if path.name not in known]:
            raise StoryBroken(f"{INGEST} has not looked at {', '.join(unseen)} in {paths[0].parent}")
        return [known[path.name] for path in paths]

    def champion(self) -> Promotion:
        """Who serves now."""
        found = trainings.champion(self.state, MODEL)
        if found is None:
            raise StoryBroken("no version is champion")
        return found


def first_deliveries(stage: Stage) -> str:
    """Ordinary weeks arrive and are accepted."""
    return _accepted(stage.deliver(FIRST_WEEKS, "first-deliveries"))


def first_training(stage: Stage) -> str:
    """The first training makes version 1 the champion."""
    stage.play_run(TRAIN, "first-training")
    champion = stage.champion()
    if champion.version != 1:
        raise StoryBroken(f"version {champion.version} is champion after the first training, not version 1")
    training = _training(stage, champion.version)
    return f"version 1 is champion, trained on dataset version {training.dataset_version}. {_verdict(champion)}"


def broken_delivery(stage: Stage) -> str:
    """A faulty export arrives and is quarantined whole; the table does not change."""
    before = _dataset_version(stage)
    (batch,) = stage.deliver([BROKEN_WEEK], "broken-delivery", broken=True)
    if batch.status != "quarantined":
        raise StoryBroken(f"the broken delivery was {batch.status}, not quarantined")
    unnamed = [column for column in FAULTS if not any(column in reason for reason in batch.reasons)]
    if unnamed:
        raise StoryBroken(f"the reasons of the quarantine do not name {', '.join(unnamed)}: {'; '.join(batch.reasons)[:400]}")
    if _dataset_version(stage) != before:
        raise StoryBroken("the broken delivery changed the table of accepted rows")
    return f"quarantined whole: {batch.failing_rows} of {batch.rows} rows fail, in {', '.join(FAULTS)}; the table is unchanged"


def changed_deliveries(stage: Stage) -> str:
    """Valid deliveries from a changed world arrive and are accepted."""
    return f"{_accepted(stage.deliver(CHANGED_WEEKS, 'changed-deliveries'))}; the change began on {stage.stream.change_day}"


def alarm(stage: Stage) -> str:
    """The monitor sees the change and decides to retrain."""
    stage.play_run(MONITOR, "monitor-after-the-change")
    window, decision = _last_look(stage)
    if not decision.retrain:
        raise StoryBroken(f"the monitor decided not to retrain: {'; '.join(decision.reasons)}")
    return _told(stage, window, decision)


def second_training(stage: Stage) -> str:
    """The decision's asset event starts a training by itself, and version 2 becomes champion."""
    _, decision = _last_look(stage)
    seen: set[str] = set(stage.earlier_runs)
    while _is_open(stage, decision):
        run = wait_for(
            stage.board,
            "waiting for the training that the decision asked for; nobody starts it",
            lambda: _woken(stage, seen),
            limit_s=_WAKE_S,
            otherwise=lambda: f"no run of {TRAIN} started because of the asset event. Look at {stage.airflow.url}/dags/{TRAIN}",
        )
        seen.add(run.id)
        follow(stage.airflow, stage.board, run, limit_s=_TRAIN_S)
    champion = stage.champion()
    training = _training(stage, champion.version)
    if champion.version != 2 or champion.previous != 1:
        raise StoryBroken(f"version {champion.version} is champion; version 2 should have won against version 1")
    if training.decision != decision.id:
        raise StoryBroken(f"version 2 was trained for decision {training.decision}, not for {decision.id}")
    return f"started by the asset event, nobody asked; version 2 is champion instead of version 1. {_verdict(champion)}"


def calm_deliveries(stage: Stage) -> str:
    """More weeks of the changed world arrive."""
    return _accepted(stage.deliver(CALM_WEEKS, "calm-deliveries"))


def calm(stage: Stage) -> str:
    """The monitor measures against version 2's reference and decides that nothing is to be done."""
    stage.play_run(MONITOR, "monitor-after-the-retraining")
    window, decision = _last_look(stage)
    if window.champion != 2:
        raise StoryBroken(f"the last window watched version {window.champion}, not version 2")
    if decision.retrain:
        raise StoryBroken(f"the monitor asked for another training: {'; '.join(decision.reasons)}")
    return _told(stage, window, decision)


CHAPTERS: tuple[tuple[str, Callable[[Stage], str]], ...] = (
    ("First deliveries", first_deliveries),
    ("First training", first_training),
    ("Broken delivery", broken_delivery),
    ("The world changes", changed_deliveries),
    ("The monitor notices", alarm),
    ("Retraining by itself", second_training),
    ("New deliveries", calm_deliveries),
    ("Calm again", calm),
)


def _accepted(found: list[Batch]) -> str:
    for batch in found:
        if batch.status != "accepted":
            raise StoryBroken(f"{Path(batch.source).name} was {batch.status}: {'; '.join(batch.reasons)[:400]}")
    return f"{len(found)} deliveries accepted, {sum(batch.rows or 0 for batch in found):,} rows"


def _dataset_version(stage: Stage) -> int | None:
    from ml.data.table import AcceptedTable

    return AcceptedTable.of(stage.settings, MODEL).version()


def _training(stage: Stage, version: int) -> Training:
    found = trainings.of_version(stage.state, MODEL, version)
    if found is None:
        raise StoryBroken(f"no training is remembered for version {version}")
    return found


def _verdict(champion: Promotion) -> str:
    return str((champion.evidence or {}).get("sentence", champion.reason))


def _last_look(stage: Stage) -> tuple[Window, Decision]:
    window = ledger.last_window(stage.state, MODEL)
    decision = ledger.decision_for(stage.state, window.id) if window else None
    if window is None or decision is None or not window.report_url:
        raise StoryBroken(f"{MONITOR} left no window with a report and a decision")
    return window, decision


def _told(stage: Stage, window: Window, decision: Decision) -> str:
    """The decision with its first reasons, those about drift and quality."""
    drifts, qualities = ledger.measurement(stage.state, window.id)
    if not drifts or METRIC not in {one.metric for one in qualities}:
        raise StoryBroken(f"window {window.id} has no drift or no {METRIC}: its labels have arrived, so both can be measured")
    answer = "retrain" if decision.retrain else "nothing to do"
    reasons = "; ".join(decision.reasons[:2])
    return f"{window.rows:,} new rows against the reference of version {window.champion}. Decision: {answer}. {reasons}"


def _is_open(stage: Stage, decision: Decision) -> bool:
    now = ledger.find_decision(stage.state, decision.id)
    return now is None or now.state != "done"


def _woken(stage: Stage, seen: set[str]) -> Run | None:
    """A training that an asset event has started and that was not followed yet."""
    return next((run for run in stage.airflow.runs(TRAIN, run_type="asset_triggered") if run.id not in seen), None)
