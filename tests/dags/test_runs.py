"""A model's DAGs, played to their end on a small model."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from ml import specfile
from ml.data.table import AcceptedTable
from ml.jobs import champion
from ml.jobs.ingest import ingest
from ml.jobs.train import train
from ml.monitoring.replayed.facts import ReplayFacts
from ml.registry.client import reaching
from ml.settings import Settings
from ml.state import State, batches, ledger, replays, trainings
from ml.state.records import Decision
from tests.state import made

ROOT = Path(__file__).parents[2]


def _play(*dags: str) -> list[dict[str, Any]]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}"}
    command = [sys.executable, "-m", "tests.dags.play", *dags]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"dag"')]


def test_the_loop_runs_and_a_second_round_finds_nothing_to_do(settings: Settings, loans: str, deliver: Callable[..., Path]) -> None:
    deliver("a.csv", 400, seed=2)
    deliver("b.csv", 50, seed=3, incomes=["-5", "many"])
    first, trained, scored, monitored, second, again = _play(
        "loans.ingest", "loans.train", "loans.score", "loans.monitor", "loans.ingest", "loans.score"
    )
    state = State.open(settings)

    assert first["state"] == "success"
    assert first["tasks"] == {"find": "success", "ingest[0]": "success", "ingest[1]": "success", "announce": "success", "finish": "success"}
    assert sorted(one.status for one in batches.listed(state, loans)) == ["accepted", "quarantined"]

    assert trained["state"] == "success"
    assert trained["tasks"] == {
        "freeze": "success",
        "tune[0]": "success",
        "tune[1]": "failed",  # a candidate that fails is left out
        "list_ensembles": "success",
        "combine": "skipped",
        "collect": "success",
        "gate": "success",
        "register": "success",
        "approve": "skipped",
        "promote": "success",
        "announce_champion": "success",
        "announce_retrain": "skipped",
        "give_back": "success",
    }
    crowned = trainings.champion(state, loans)
    assert crowned is not None
    assert crowned.version == 1
    assert crowned.key.startswith("loans.train/")

    assert scored["tasks"] == {"score": "success"}
    assert monitored["state"] == "success"
    assert monitored["tasks"] == {
        "watch": "skipped",
        "take_window": "skipped",
        "measure": "skipped",
        "decide": "skipped",
        "announce": "skipped",
        "keep_house": "success",
        "alert": "skipped",
        "finish": "success",
    }
    assert second["state"] == "success"
    assert second["tasks"] == {"find": "success", "ingest": "skipped", "announce": "skipped", "finish": "success"}
    assert again["tasks"] == {"score": "skipped"}


def test_rows_that_nobody_told_of_are_announced_by_the_next_look(settings: Settings, loans: str, deliver: Callable[..., Path]) -> None:
    deliver("a.csv", 60, seed=2)
    ingest(settings, loans)  # as a task does that is ended before it could say so
    healed, calm, again = _play("loans.ingest", "loans.ingest", "loans.ingest")
    assert healed["tasks"] == {"find": "success", "ingest": "skipped", "announce": "success", "finish": "success"}
    assert calm["tasks"]["announce"] == again["tasks"]["announce"] == "skipped"


def test_a_training_that_fails_fails_its_run_is_closed_and_told(settings: Settings, loans: str, deliver: Callable[..., Path]) -> None:
    deliver("a.csv", 400, seed=2)
    path, told = settings.dags / "loans" / "model.yaml", settings.home / "told"
    declared = yaml.safe_load(path.read_text(encoding="utf-8").replace("max_iter: 200", "C: -2.0"))
    text = {"path": str(told), "text": "{{ alert.state }} {{ alert.title }}"}
    declared["monitoring"]["alerts"] = [{"notifier": "tests.plugins.test_alert.FileNotifier", "params": text}]
    path.write_text(yaml.safe_dump(declared), encoding="utf-8")
    ingested, trained = _play("loans.ingest", "loans.train")
    assert ingested["tasks"]["alert"] == "skipped", "nothing to tell"
    assert trained["state"] == "failed"
    assert trained["tasks"]["gate"] == "failed"
    assert trained["tasks"]["give_back"] == "success"
    assert trained["tasks"]["alert"] == "success"
    assert "training" in told.read_text(encoding="utf-8")
    (training,) = trainings.recent(State.open(settings), loans, limit=5)
    assert training.state == "failed"


def test_a_window_that_cannot_be_measured_fails_its_run_and_open_decisions_are_announced_nevertheless(
    settings: Settings, loans: str, deliver: Callable[..., Path]
) -> None:
    deliver("a.csv", 400, seed=2)
    ingest(settings, loans)
    train(settings, loans)
    with reaching(settings) as client:
        client.delete_model_version(loans, "1")
    _ask_for_a_training(settings, loans)
    deliver("b.csv", 300, seed=3)
    ingest(settings, loans)
    monitored, again = _play("loans.monitor", "loans.monitor")
    assert monitored["state"] == "failed"
    assert monitored["tasks"] == {
        "watch": "skipped",
        "take_window": "success",
        "measure": "failed",
        "decide": "upstream_failed",
        "announce": "success",
        "keep_house": "success",
        "alert": "skipped",
        "finish": "upstream_failed",
    }
    newest = ledger.recent_decisions(State.open(settings), loans, limit=1)[0]
    assert newest.reasons[0].startswith("could not be measured: loans has no version 1")
    assert again["state"] == "success", "the next run does not meet the same window"


def test_a_champion_that_is_worse_than_the_former_one_is_rolled_back_and_the_window_is_of_the_one_that_remains(
    settings: Settings, loans: str, deliver: Callable[..., Path]
) -> None:
    deliver("a.csv", 400, seed=2)
    ingest(settings, loans)
    train(settings, loans)
    turned_round = deliver("b.csv", 1200, seed=3)
    text = turned_round.read_text(encoding="utf-8")
    turned_round.write_text(text.replace(",yes", ",?").replace(",no", ",yes").replace(",?", ",no"), encoding="utf-8")
    ingest(settings, loans)
    train(settings, loans)
    champion.promote_version(settings, loans, 2, by="ada", reason="a mistake")
    deliver("c.csv", 300, seed=4)
    ingest(settings, loans)
    monitored, again = _play("loans.monitor", "loans.monitor")
    assert monitored["tasks"]["watch"] == "success", "only then the champion's asset is emitted"
    assert monitored["state"] == "success"
    state = State.open(settings)
    serving = trainings.champion(state, loans)
    assert serving is not None
    assert (serving.version, serving.kind, serving.by) == (1, "rollback", "watch")
    window = ledger.last_window(state, loans)
    assert window is not None
    assert window.champion == 1
    assert again["tasks"]["watch"] == "skipped"


def _ask_for_a_training(settings: Settings, model: str) -> None:
    """A decision is open whose event was lost."""
    state, at = State.open(settings), datetime.now(UTC)
    opened = made.opened(state, specfile.load(settings, model), -1, as_of=at)
    decision = Decision(
        id=f"decision-{opened.id}", model=model, window=opened.id, retrain=True, reasons=["drift"], evidence={}, report_url=None,
        state="open", decided_at=at,
    )  # fmt: skip
    ledger.decide(state, decision)


def test_a_replay_writes_its_page_and_asks_nobody_where_the_history_is_too_short_to_tell(settings: Settings, loans: str) -> None:
    path = settings.dags / "loans" / "model.yaml"
    declared = yaml.safe_load(path.read_text(encoding="utf-8"))
    declared["replay"] = {"history": 4, "window": "1batch"}
    declared["retraining"]["cost"] = {"train": 0.01, "promote": 0.05}
    path.write_text(yaml.safe_dump(declared), encoding="utf-8")
    spec, rng = specfile.load(settings, loans), np.random.default_rng(0)
    table = AcceptedTable.of(settings, loans, spec)
    for batch in range(10):
        income = rng.integers(1000, 9000, 60)
        paid = np.where(income + rng.normal(0, 1500, 60) > 4000, "yes", "no")
        keys, channels = [f"{batch}-{row}" for row in range(60)], rng.choice(["web", "shop"], 60)
        frame = pd.DataFrame({"loan": keys, "income": income, "channel": channels, "paid": paid})
        table.append(frame, spec=spec, batch=f"b{batch}", arrived_at=datetime(2026, 1, 1 + batch, tzinfo=UTC))
    (played,) = _play("loans.replay")
    assert played["state"] == "success"
    assert played["tasks"] == {"replay": "success", "suggest": "skipped"}
    kept = replays.newest(State.open(settings), loans)
    assert kept is not None
    found = ReplayFacts.model_validate(kept.result)
    assert found.windows == 10
    assert found.html is not None
    assert "too short to tell" in Path(found.html).read_text(encoding="utf-8")
