"""Deciding whom to tell what."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ml.errors import OperatorError
from ml.jobs import alerting
from ml.jobs.alert_facts import Facts
from ml.jobs.alerts import conditions, messages, plan
from ml.settings import Settings
from ml.spec import AlertChannel
from ml.state import State, alerts, batches, ledger, specs, trainings
from ml.state.records import Alert, Batch, Decision, Drift, Promotion, Training, Window
from tests.jobs.test_monitor import declare
from tests.plugins.test_reports import SPEC, opened
from tests.state import made
from tests.state.made import training

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def judged(*, drift: bool | None = True, quality: bool | None = False, known: bool = True, state: str = "no") -> Decision:
    rules = [("drift_share", drift, "3 of 4 columns drifted"), ("quality_drop", quality, "roc_auc fell")]
    return Decision(
        id="d", model="m", window="m-000001", retrain=state != "no", reasons=["3 of 4 columns drifted"], report_url=None, state=state,
        decided_at=NOW, rules=[{"rule": rule, "role": "asks", "fired": fired, "reason": said} for rule, fired, said in rules],
        evidence={"drift_share": 0.75 if known else None, "quality": {} if known else None},
    )  # fmt: skip


def facts(made: Decision | None = None, **more: Any) -> Facts:
    return Facts(model="m", champion=1, judged=None if made is None else (made, 1), **more)


def alert(key: str, *, told: bool = True, ended: bool = False, number: int = 1) -> Alert:
    return Alert(
        number=number, model="m", channel="c", key=key, kind=key.split("/", maxsplit=1)[0], title="drift alarm", text="far", window=None,
        opened_at=NOW, told_at=NOW if told else None, closed_at=NOW if ended else None, end_text="near" if ended else None,
    )  # fmt: skip


def test_an_alarm_is_opened_once_and_ends_when_the_rule_no_longer_asks() -> None:
    begun = plan(facts(judged()), [])
    assert [(one.key, one.text, one.window) for one in begun.opened] == [("drift/1", "3 of 4 columns drifted.", "m-000001")]
    still = plan(facts(judged()), [alert("drift/1")])
    assert (still.opened, still.closed) == ((), {})
    assert plan(facts(judged(drift=False)), [alert("drift/1")]).closed == {1: "3 of 4 columns drifted."}


def test_a_window_in_which_nothing_could_be_judged_is_no_recovery() -> None:
    blind = judged(drift=False, known=False)
    assert plan(facts(blind), [alert("drift/1"), alert("quality/1", number=2)]).closed == {}
    assert plan(facts(None), [alert("drift/1")]).closed == {}, "nor is a window that was given up"
    undeclared = judged(drift=None, known=False)
    assert set(plan(facts(undeclared), [alert("drift/1")]).closed) == {1}, "a rule that was taken out says nothing any more"


def test_an_alarm_about_a_champion_that_was_replaced_is_over() -> None:
    replaced = replace(facts(judged()), champion=2)
    found = plan(replaced, [alert("drift/1")])
    assert found.opened == ()
    assert found.closed == {1: "Version 2 has become champion; the alarm was about the one before."}


def test_what_comes_back_before_its_end_was_told_is_told_to_nobody() -> None:
    assert plan(facts(judged()), [alert("drift/1", ended=True)]).reopened == (1,)
    assert messages([alert("drift/1")]) == []


def test_only_the_declared_events_are_told() -> None:
    assert plan(facts(judged(quality=True)), [], events=("quality",)).opened[0].key == "quality/1"
    assert plan(facts(judged(drift=False)), [alert("drift/1")], events=("quality",)).closed == {}, "not asked for is not over"
    assert messages([alert("drift/1", told=False)], events=("quality",)) == []


@pytest.mark.parametrize(("state", "title"), [("open", "a training is asked for"), ("suggested", "a training is suggested")])
def test_several_decisions_that_ask_are_one_condition(state: str, title: str) -> None:
    asking = judged(drift=None, state=state)
    (one,) = plan(facts(None, decisions=[asking, replace(asking, id="older")]), []).opened
    assert (one.key, one.title) == ("retrain", title)


def test_how_a_request_ended_is_said_truly() -> None:
    made = training(reason="drift", decision="d", version=4)

    def end(state: str, training: Training | None = None) -> str:
        return plan(facts(None, decisions=[judged(state=state)], training=training), [alert("retrain")]).closed[1]

    assert end("done", made) == "A training made version 4: promoted."
    assert "has failed" in end("failed")
    assert "not answered in time" in end("expired")


def test_a_failed_training_stands_until_a_later_one_comes_to_an_end() -> None:
    failed = training(reason="drift", decision="d", state="failed", started_at=NOW)
    asked = replace(judged(state="failed"), failures=[{"error": "out of memory"}])
    (one,) = conditions(facts(None, decisions=[asked], training=failed))
    assert (one.key, one.text.endswith("(drift) has failed: out of memory.")) == ("training", True)
    later = replace(failed, state="challenger", version=3)
    assert plan(facts(None, training=later), [alert("training")]).closed == {1: "A later training made version 3: challenger."}


def test_a_rollback_stands_until_another_version_is_promoted() -> None:
    back = Promotion(
        number=7, model="m", version=1, previous=2, kind="rollback", at=NOW, by="watch", reason="it was worse", evidence=None, key="k"
    )
    (one,) = conditions(facts(None, change=back))
    assert one.text == "Version 2 was rolled back to version 1 by watch at 2026-05-01 00:00 UTC: it was worse."
    newer = replace(back, number=8, version=3, kind="promote", reason="won")
    assert "Version 3 is champion" in plan(facts(None, change=newer), [alert("rollback/7")]).closed[1]


def window(*, number: int = 3, champion: int = 1) -> Window:
    return made.window(id=f"m-{number:06}", number=number, as_of=NOW, rows=500, champion=champion, measured_at=NOW)


def said(family: str, *, alarm: bool = True, persists: bool | None = None, method: str = "psi") -> dict[str, Any]:
    return {"family": family, "method": method, "value": 0.31234, "floor": 0.1, "is_alarm": alarm, "persists": persists}


def drift(column: str, *verdicts: dict[str, Any], kind: str = "numeric") -> Drift:
    verdict = {**verdicts[0], "also": [*verdicts[1:]]} if verdicts else None
    return Drift(column=column, kind=kind, method="psi", value=0.3, threshold=0.1, drifted=True, verdict=verdict)


def looked(*drifts: Drift, champion: int = 1, **more: Any) -> Facts:
    return facts(None, looked=(window(champion=champion), drifts), **more)


def test_any_alarm_under_the_promise_is_told_data_quality_first_and_no_share_of_columns_is_needed() -> None:
    both = drift("income", said("data"), said("data quality", method="missing_share"))
    calm = [drift(f"c{n}", said("data", alarm=False)) for n in range(99)]
    found = conditions(looked(both, drift("prediction", said("prediction"), kind="prediction"), *calm))
    assert [one.key for one in found] == ["alarm/1/data quality", "alarm/1/data", "alarm/1/prediction"]
    assert found[0].text == "Data quality, window 3: income (missing_share 0.312, floor 0.1)."
    assert {one.window for one in found} == {"m-000003"}
    assert conditions(looked(drift("income"))) == [], "fixed thresholds promise nothing"


def test_what_must_persist_is_told_once_it_does() -> None:
    assert conditions(looked(drift("a", said("data", alarm=True, persists=False)))) == []
    assert len(conditions(looked(drift("a", said("data", alarm=False, persists=True))))) == 1


def test_an_alarm_is_over_when_a_look_has_none_of_its_kind() -> None:
    stood = [alert("alarm/1/data"), alert("alarm/1/target", number=2)]
    calm = plan(looked(drift("a", said("data", alarm=False))), stood)
    assert calm.closed == {1: "The newest window (3) has no alarm of data."}, "without labels the target was not looked at"
    labelled = looked(drift("y", said("target", alarm=False), kind="target"))
    assert set(plan(labelled, stood).closed) == {1, 2}
    assert plan(facts(None), stood).closed == {}, "nobody has looked"
    replaced = plan(replace(labelled, champion=2), stood)
    assert replaced.closed[2] == "Version 2 has become champion; the alarm was about the one before."


def test_concept_drift_under_the_promise_is_told_and_is_over_once_enough_labels_say_so() -> None:
    worse = {"metric": "roc_auc", "now": 0.61, "usual": 0.8, "p": 0.0004, "drifted": True, "obstacle": ""}
    calm = drift("a", said("data", alarm=False))
    (one,) = conditions(looked(calm, concept=worse))
    assert (one.key, one.kind) == ("alarm/1/concept drift", "alarm")
    assert one.text == "Concept drift, window 3: roc_auc 0.61, fresh models usually 0.8 (p 0.0004)."
    assert conditions(looked(drift("a"), concept=worse)) == [], "fixed thresholds promise nothing"
    stood, well = [alert(one.key)], {**worse, "drifted": False}
    for unknown in (None, well | {"obstacle": "9 labelled rows"}):
        assert plan(looked(calm, concept=unknown), stood).closed == {}
    assert plan(looked(calm, concept=well), stood).closed == {1: "The newest window (3) has no alarm of concept drift."}


def test_that_monitoring_fails_is_told_until_a_window_is_decided_again() -> None:
    lost = replace(judged(), policy=ledger.GIVEN_UP, rules=[], reasons=["could not be measured: version 1 is gone"])
    (one,) = plan(facts(None, newest=(window(), lost)), []).opened
    assert one.text == "Window 3 (500 rows) was given up, so nothing is known of it: could not be measured: version 1 is gone."
    stood = [alert("monitoring")]
    assert plan(facts(None, newest=(window(number=4), None)), stood).closed == {}, "it has only just been taken"
    well = plan(facts(None, newest=(window(number=4), judged())), stood)
    assert well.closed == {1: "Monitoring works again: window 4 was measured and decided."}


def test_a_window_that_stays_open_for_longer_than_three_schedules_is_told(settings: Settings) -> None:
    state = State.open(settings)
    found = opened(state, start=1)

    def keys(later: timedelta) -> list[str]:
        return [one.key for one in conditions(alerting.facts(state, "loans", at=found.as_of + later))]

    assert keys(timedelta(days=3)) == []
    assert keys(timedelta(days=3, seconds=1)) == ["monitoring"]
    ledger.decide(state, replace(judged(), model="loans", window=found.id))
    assert keys(timedelta(days=9)) == []


def test_many_batches_are_one_message() -> None:
    held = [alert(f"quarantine/{number}", told=False, number=number) for number in range(8)]
    (one,) = messages(held)
    assert (len(one.numbers), one.title) == (8, "m: 8 times: drift alarm")
    assert one.text.endswith("… and 3 more")


def test_a_message_is_due_until_it_was_delivered_and_its_end_is_told_once(settings: Settings) -> None:
    declare(settings)
    state, channel = State.open(settings), AlertChannel(connection="ops")
    batch = Batch(
        id="b" * 32, model="loans", source="x.csv", status="quarantined", rows=1, failing_rows=1, reasons=["negative age"], arrived_at=NOW,
        decided_at=NOW,
    )  # fmt: skip
    batches.save(state, batch)
    trainings.crown(state, model="loans", version=1, kind="promote", at=NOW, by="gate", reason="won", key="k")
    first = alerting.due(settings, "loans", channel)
    assert [(one.kind, one.is_end) for one in first] == [("quarantine", False)]
    assert first[0].text == "x.csv (bbbbbbbbbbbb): negative age."
    assert alerting.claimed(settings, first[0]) == first[0]
    assert alerting.claimed(settings, first[0]) is None, "another run tells it"
    alerting.not_told(settings, first[0], error="refused")
    assert alerting.due(settings, "loans", channel) == first, "it stays due"
    alerting.told(settings, first[0])
    assert alerting.due(settings, "loans", channel) == []
    assert alerting.due(settings, "loans", AlertChannel(connection="other")) != [], "each channel is told by itself"
    batches.save(state, replace(batch, status="accepted", decided_at=NOW + timedelta(hours=1)))
    (end,) = alerting.due(settings, "loans", channel)
    assert (end.is_end, end.title) == (True, "loans: recovered: a batch is in quarantine")
    assert end.text == "Batch bbbbbbbbbbbb is in quarantine no longer: it is accepted."
    alerting.told(settings, end)
    assert alerting.due(settings, "loans", channel) == []
    assert alerts.standing(state, "loans", alerting.name_of(channel)) == []


def test_the_newest_window_that_rules_looked_at_counts(settings: Settings) -> None:
    state = State.open(settings)
    seen, lost = opened(state, start=1), opened(state, start=2)
    specs.remember(state, SPEC, at=NOW)
    ledger.decide(state, replace(judged(), id="a", model="loans", window=seen.id))
    ledger.decide(state, replace(judged(), id="b", model="loans", window=lost.id, rules=[], policy="none", decided_at=NOW + timedelta(1)))
    trainings.crown(state, model="loans", version=1, kind="promote", at=NOW, by="gate", reason="won", key="k")
    assert [one.key for one in conditions(alerting.facts(state, "loans", at=NOW))] == ["monitoring", "drift/1"]


def test_who_is_told_is_declared_or_comes_from_the_environment(settings: Settings) -> None:
    everybody = settings.model_copy(update={"alerts": "mail, ops"})
    declare(settings)
    assert [one.connection for one in alerting.channels(everybody, "loans")] == ["mail", "ops"]
    declare(settings, monitoring={"alerts": []})
    assert alerting.channels(everybody, "loans") == ()
    declare(settings, monitoring={"alerts": [{"notifier": "a.B", "events": ["drift"]}]})
    assert [one.notifier for one in alerting.channels(everybody, "loans")] == ["a.B"]
    assert alerting.of_environment('[{"notifier": "a.B"}]') == (AlertChannel(notifier="a.B"),)
    with pytest.raises(OperatorError, match="PERENNIAL_ALERTS cannot be read"):
        alerting.of_environment("a connection")


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"connection": "a", "notifier": "b.C"},
        {"connection": "a", "params": {"headers": {"api_key": "x"}}},
        {"notifier": "b.C", "params": {"url": "https://me:pw@host"}},
        {"connection": "a", "events": ["birthday"]},
    ],
)
def test_a_channel_that_is_unclear_or_holds_a_secret_is_a_fault(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"write either|looks like a secret|events"):
        AlertChannel.model_validate(wrong)
