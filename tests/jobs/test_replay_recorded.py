"""Decisions that were made live are made again from the state database and the tables, as of their moments."""

import time
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from ml import specfile
from ml.cli import app
from ml.errors import CallError
from ml.jobs import monitor, reference_profile
from ml.jobs import replay as job
from ml.jobs.replaying import losses
from ml.jobs.replaying import rows as replayed_rows
from ml.jobs.replaying.asked import Options
from ml.jobs.replaying.drifts import Drifts
from ml.jobs.replaying.recorded import recorded
from ml.jobs.train import train
from ml.monitoring import NOT_FEATURES, profile_file
from ml.settings import Settings
from ml.state import State, ledger, trainings
from ml.state.tables import decisions, drift
from ml.training import champions
from tests.jobs.test_monitor import START, accept, declare, label, rows
from tests.kept import KeptWorlds
from tests.training.worlds import with_mlflow

RULES = {
    "drift_share": 0.5,
    "drift_windows": "1 of 2",
    "quality_drop": 0.05,
    "cost": {"train": 0.02, "promote": 0.05},
    "new_rows": 5000,
    "every_windows": 9,
    "age": "900d",
    "minimum_rows": 100,
    "cooldown": "1s",
    "budget": "9 per 30d",
}
LOADED = START + timedelta(days=1)
"""After all rows happened."""


def lived(settings: Settings) -> None:
    """A champion, a calm window without labels, one that drifted and asked for a training, its training, labels that came late."""
    declare(with_mlflow(settings), label_delay="1m", retraining=RULES)
    accept(settings, rows(400, seed=1), "b1", at=LOADED)
    assert train(settings, "loans").promoted
    calm = rows(200, seed=2, first=400)
    accept(settings, calm.assign(late=None), "b2", at=LOADED)
    monitor.monitor(settings, "loans")
    accept(settings, rows(200, seed=3, shift=1.5, first=600), "b3", at=LOADED)
    assert monitor.monitor(settings, "loans").decision.retrain  # type: ignore[union-attr]
    time.sleep(1.1)  # the cooldown counts whole seconds
    train(settings, "loans")
    label(settings, calm, "d1", at=LOADED)
    accept(settings, rows(200, seed=4, shift=1.5, first=800), "b4", at=LOADED)
    monitor.monitor(settings, "loans")


@pytest.fixture
def world(kept_worlds: KeptWorlds, monkeypatch: pytest.MonkeyPatch) -> Settings:
    return kept_worlds.world("lived", lived, monkeypatch)


def test_each_decision_of_a_live_history_is_made_again_word_by_word(world: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    state = State.open(world)
    loaded: list[int] = []
    real = champions.load

    def counting(settings: Settings, champion: champions.Champion) -> object:
        loaded.append(champion.version)
        return real(settings, champion)

    monkeypatch.setattr(champions, "load", counting)
    assert len([one for one in trainings.recent(state, "loans", limit=9) if one.decision is not None]) == 1, "a decision was acted upon"
    found = recorded(world, "loans")
    assert [one.differences for one in found.decisions] == [(), (), ()]
    assert [one.state for one in found.decisions] == ["same", "same", "same"]
    assert [one.retrain for one in found.decisions][:2] == [False, True]
    assert all(one.is_measured for one in found.decisions), "drift and quality were measured again, not read"
    assert len(loaded) == 2, "each champion once, for all of its windows"
    done = CliRunner().invoke(app, ["replay", "loans", "--recorded"])
    assert (done.exit_code, done.stdout) == (0, "loans: 3 of 3 decisions made again, 0 otherwise\n")


def lived_promised(settings: Settings) -> None:
    """A champion watched under a promise, with drift that must persist, a shadow and a cost in money: a calm window, two drifted."""
    rules = RULES | {
        "drift_share": 0.25,
        "drift_windows": "2 of 3",
        "quality_drop": None,
        "cost": {"train": 2, "promote": 8, "per_error": 0.5},
        "regret": {"shadow_windows": 2},
    }
    declare(
        with_mlflow(settings),
        promotion={"metric": "accuracy"},
        monitoring={"minimum_rows": 100, "false_alarms": "1 per 90d"},
        retraining=rules,
    )
    accept(settings, rows(600, seed=1), "b1", at=LOADED)
    assert train(settings, "loans").promoted
    for number, shift in enumerate((0.0, 1.5, 1.5)):
        accept(settings, rows(200, seed=2 + number, shift=shift, first=600 + 200 * number), f"w{number}", at=LOADED)
        monitor.monitor(settings, "loans")


@pytest.fixture
def promised_world(kept_worlds: KeptWorlds, monkeypatch: pytest.MonkeyPatch) -> Settings:
    return kept_worlds.world("lived promised", lived_promised, monkeypatch)


def test_verdicts_under_a_promise_drift_that_persists_shadows_and_money_are_decided_again_the_same(promised_world: Settings) -> None:
    state = State.open(promised_world)
    found = recorded(promised_world, "loans")
    assert [(one.state, one.differences, one.is_measured) for one in found.decisions] == [("same", (), True)] * 3
    assert [one.retrain for one in found.decisions] == [False, False, True], "the second drifted look in three"
    made = ledger.find_decision(state, found.decisions[-1].decision)
    assert made is not None
    assert {"income", "age"} <= set(made.evidence["persisting"])
    assert made.evidence["window_rows"] == 200
    assert any(one["against"] == "shadow" for one in made.evidence["losses"]["windows"])
    assert "10.000 in money, 0.100 at 0.500 an error in 200 rows" in str(made.rules)
    last = ledger.find_window(state, str(made.window))
    assert last is not None
    with state.begin() as connection:
        changed = update(drift).where(drift.c.window == last.id, drift.c.column == "income").values(drifted=False)
        assert connection.execute(changed).rowcount == 1
    told = recorded(promised_world, "loans").decisions[-1].differences
    assert [one for one in told if "drift of income was" in one and "(not drifted), and is" in one], "also where only the verdict differs"


def test_a_decision_that_was_made_otherwise_is_told_rule_by_rule(world: Settings) -> None:
    state = State.open(world)
    first = recorded(world, "loans").decisions[0].decision
    made = ledger.find_decision(state, first)
    assert made is not None
    with state.begin() as connection:
        rules = [one | ({"reason": "nobody knows"} if one["rule"] == "drift_share" else {}) for one in made.rules]
        connection.execute(update(decisions).where(decisions.c.id == first).values(rules=rules, retrain=True))
    found = recorded(world, "loans")
    assert (found.same, found.differing) == (2, 1)
    assert "retrain was True, and is False" in found.decisions[0].differences
    assert any(one.startswith("rule drift_share said 'nobody knows'") for one in found.decisions[0].differences)


def test_without_the_profile_of_a_champion_the_stored_drift_is_taken_and_that_is_said(world: Settings) -> None:
    champion = trainings.of_version(State.open(world), "loans", 1)
    assert champion is not None
    profile_file.remove(reference_profile.url_of(world, champion))
    found = recorded(world, "loans").decisions[0]
    assert (found.state, found.is_measured) == ("same", False)
    assert "is not kept any more" in found.note


def test_a_decision_of_other_rules_is_not_compared(world: Settings) -> None:
    state = State.open(world)
    first = recorded(world, "loans").decisions[0].decision
    with state.begin() as connection:
        connection.execute(update(decisions).where(decisions.c.id == first).values(policy="1-abc"))
    assert recorded(world, "loans").decisions[0].state == "other policy"


def test_a_replay_takes_the_champions_recipe(world: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "_LEAST_IN_POOL", 1000)
    found = job.replay(world, "loans", Options(window="80rows", history=3, costs=(0.1,)))
    champion = trainings.champion(State.open(world), "loans")
    assert champion is not None
    assert found.notes[0].startswith(f"Each model is 'logistic' with the parameters of version {champion.version};")
    assert found.affected.late_labels == 0, "all arrived at once: rows count by their own time"


def test_drift_in_a_replay_is_what_monitoring_measured(world: Settings) -> None:
    spec = specfile.load(world, "loans")
    cut = replayed_rows.read(world, spec, Options(window="40rows", history=3).over(spec))
    of_windows = replace(cut, edges=cut.edges[::5], moments=cut.moments[::5])
    drifts = Drifts(spec=spec, accepted=of_windows, learnt=lambda _: np.arange(400))
    found = drifts.measured(2, 3, counted=spec.retraining.drift_windows)
    window = ledger.recent_windows(State.open(world), "loans", limit=1, until=2)[0]
    live = [one for one in ledger.measurement(State.open(world), window.id)[0] if one.kind not in NOT_FEATURES]
    assert sorted(found, key=lambda one: one.column) == live
    assert any(one.drifted for one in live)


def test_before_the_first_decision_there_is_nothing_to_make_again(settings: Settings) -> None:
    declare(settings)
    with pytest.raises(CallError, match="no decision about a window was made yet"):
        recorded(settings, "loans")
