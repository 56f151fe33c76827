"""The DAGs that are made from a declaration."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable, TriggerRule
from perennial_airflow import assets
from perennial_airflow.builder import build

from ml.errors import SpecError

DECLARED: dict[str, Any] = {
    "model": "loans",
    "description": "Who pays | back.",
    "owner": "risk",
    "task": "binary",
    "target": "paid",
    "positive": "yes",
    "features": {"numeric": ["income"]},
    "data": {"source": {"kind": "files", "urls": ["loans/*.csv"]}, "schedule": "@hourly"},
    "training": {
        "schedule": "0 5 * * 1",
        "timeout": "45m",
        "candidates": [{"name": "logistic", "class": "sklearn.linear_model.LogisticRegression"}],
    },
}


def _build(folder: Path, **changes: Any) -> dict[str, DAG]:
    model = folder / "loans"
    model.mkdir(exist_ok=True)
    (model / "model.yaml").write_text(yaml.safe_dump({**DECLARED, **changes}), encoding="utf-8")
    return {dag.dag_id: dag for dag in build(str(model / "dag.py"))}


def test_a_model_has_four_dags_that_cannot_start_by_surprise(tmp_path: Path) -> None:
    dags = _build(tmp_path)
    assert set(dags) == {"loans.ingest", "loans.train", "loans.monitor", "loans.score"}
    for dag in dags.values():
        assert dag.max_active_runs == 1
        assert dag.start_date is None
        assert dag.catchup is False
        assert dag.is_paused_upon_creation is False
        assert {"perennial", "loans"} < dag.tags
        assert "Who pays | back." in (dag.doc_md or "")
        dag.validate()


def test_schedules_wait_for_their_next_tick(tmp_path: Path) -> None:
    dags = _build(tmp_path)
    for name in ("loans.ingest", "loans.monitor"):
        timetable = dags[name].schedule
        assert isinstance(timetable, CronTriggerTimetable)
        assert timetable.run_immediately == timedelta(0)
    trained = dags["loans.train"].schedule
    assert isinstance(trained, AssetOrTimeSchedule)
    assert isinstance(trained.timetable, CronTriggerTimetable)
    assert trained.timetable.run_immediately == timedelta(0)


def test_assets_join_the_dags(tmp_path: Path) -> None:
    dags = _build(tmp_path)
    emitted = {
        (dag.dag_id, task.task_id): [asset.uri for asset in task.outlets] for dag in dags.values() for task in dag.tasks if task.outlets
    }
    assert emitted == {
        ("loans.ingest", "announce"): ["perennial://loans/data"],
        ("loans.train", "announce_champion"): ["perennial://loans/champion"],
        ("loans.train", "announce_retrain"): ["perennial://loans/retrain"],
        ("loans.monitor", "watch"): ["perennial://loans/champion"],
        ("loans.monitor", "announce"): ["perennial://loans/retrain"],
    }
    assert dags["loans.train"].timetable.asset_condition == assets.retrain("loans")
    assert dags["loans.score"].timetable.asset_condition.objects == (assets.champion("loans"), assets.data("loans"))


def test_no_schedule_means_only_by_asset_or_by_hand(tmp_path: Path) -> None:
    training = {**DECLARED["training"], "schedule": None}
    dags = _build(tmp_path, training=training, data={**DECLARED["data"], "schedule": None}, monitoring={"schedule": None})
    assert dags["loans.ingest"].schedule is None
    assert dags["loans.monitor"].schedule is None
    assert not isinstance(dags["loans.train"].schedule, AssetOrTimeSchedule)


def test_every_task_has_an_owner_tries_and_an_end(tmp_path: Path) -> None:
    dags = _build(tmp_path)
    for dag in dags.values():
        for task in dag.tasks:
            assert task.owner == "risk"
            assert task.retries == 4
            assert task.retry_delay == timedelta(seconds=15)
            if task.task_id == "approve":  # a person's time is not a worker's: what ends it comes from the frozen declaration
                assert task.execution_timeout is None
                assert task.defaults == ["Reject"]
            elif task.task_id not in {"finish", "collect"}:
                assert task.execution_timeout is not None, task.task_id
    for name in ("tune", "combine"):
        assert dags["loans.train"].get_task(name).execution_timeout == timedelta(minutes=45)


def test_the_gate_has_the_time_of_all_candidates_one_after_the_other(tmp_path: Path) -> None:
    (one,) = DECLARED["training"]["candidates"]
    two = [one, {**one, "name": "again"}]
    training = {**DECLARED["training"], "candidates": two, "ensembles": [{"name": "both", "members": ["logistic", "again"]}]}
    limit = _build(tmp_path, training=training)["loans.train"].get_task("gate").execution_timeout
    assert limit is not None
    assert limit > 3 * timedelta(minutes=45)


def test_one_bad_delivery_or_candidate_does_not_stop_the_others(tmp_path: Path) -> None:
    dags = _build(tmp_path)
    ingest, train = dags["loans.ingest"], dags["loans.train"]
    assert ingest.get_task("announce").trigger_rule == TriggerRule.ALL_DONE
    assert ingest.get_task("finish").trigger_rule == TriggerRule.NONE_FAILED  # it makes the run fail where a delivery failed
    assert ingest.get_task("ingest").max_active_tis_per_dagrun == 1
    assert train.get_task("gate").trigger_rule == TriggerRule.ALL_DONE_MIN_ONE_SUCCESS
    assert train.get_task("gate").upstream_task_ids == {"tune", "collect"}
    assert train.get_task("combine").trigger_rule == TriggerRule.ALL_DONE_MIN_ONE_SUCCESS
    assert train.get_task("collect").upstream_task_ids == {"list_ensembles", "combine"}


def test_the_shape_of_the_dags_does_not_depend_on_how_a_champion_is_promoted(tmp_path: Path) -> None:
    shapes = []
    for approval in ("auto", "manual"):
        ensembles = [{"name": "both", "members": ["logistic", "other"]}] if approval == "manual" else []
        candidates = [*DECLARED["training"]["candidates"], {"name": "other", "class": "sklearn.linear_model.LogisticRegression"}]
        training = {**DECLARED["training"], "candidates": candidates, "ensembles": ensembles}
        dags = _build(tmp_path, promotion={"approval": approval, "watch": None if approval == "manual" else "3d"}, training=training)
        shapes.append({(dag.dag_id, task.task_id, *sorted(task.upstream_task_ids)) for dag in dags.values() for task in dag.tasks})
    assert shapes[0] == shapes[1]
    train = dags["loans.train"]
    assert train.get_task("approve").upstream_task_ids == {"register"}
    assert train.get_task("promote").upstream_task_ids == {"register", "approve"}
    assert train.get_task("promote").trigger_rule == TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS


def test_the_window_is_taken_after_the_watch_whatever_became_of_it(tmp_path: Path) -> None:
    monitor = _build(tmp_path)["loans.monitor"]
    assert monitor.get_task("take_window").upstream_task_ids == {"watch"}
    assert monitor.get_task("take_window").trigger_rule == TriggerRule.ALL_DONE
    assert "watch" in monitor.get_task("finish").upstream_task_ids


def test_a_person_is_asked_in_a_dag_of_its_own_so_that_neither_looks_nor_trainings_wait(tmp_path: Path) -> None:
    dags = _build(tmp_path, retraining={"mode": "suggest"})
    confirm, monitor = dags["loans.confirm"], dags["loans.monitor"]
    assert confirm.timetable.asset_condition == assets.suggestion("loans")
    assert confirm.get_task("confirm").defaults == ["Reject"]
    assert confirm.get_task("confirm").execution_timeout is None
    assert confirm.get_task("announce").upstream_task_ids == {"confirm"}
    assert confirm.get_task("announce").outlets == [assets.retrain("loans")]
    asked = monitor.get_task("announce_suggestion")
    assert asked.trigger_rule == TriggerRule.ALL_DONE
    assert asked.outlets == [assets.suggestion("loans")]
    assert "announce_suggestion" in monitor.get_task("finish").upstream_task_ids


def test_claims_are_given_back_last_and_cannot_make_a_failed_run_succeed(tmp_path: Path) -> None:
    train = _build(tmp_path)["loans.train"]
    last = train.get_task("give_back")
    assert last.is_teardown
    assert last.on_failure_fail_dagrun is False
    assert last.upstream_task_ids == {"promote"}
    assert last.downstream_task_ids == set()


def test_an_open_decision_is_announced_also_without_a_window_and_when_measuring_failed(tmp_path: Path) -> None:
    monitor = _build(tmp_path)["loans.monitor"]
    assert monitor.get_task("announce").trigger_rule == TriggerRule.ALL_DONE
    finish = monitor.get_task("finish")
    assert finish.trigger_rule == TriggerRule.NONE_FAILED  # it makes the run fail where a step failed
    assert finish.upstream_task_ids == {"watch", "decide", "announce", "keep_house", "alert"}
    assert finish.downstream_task_ids == set()


def test_people_are_told_last_also_when_a_step_failed(tmp_path: Path) -> None:
    monitor = _build(tmp_path)["loans.monitor"]
    told = monitor.get_task("alert")
    assert (told.trigger_rule, told.upstream_task_ids) == (TriggerRule.ALL_DONE, {"announce", "keep_house"})
    assert monitor.get_task("keep_house").trigger_rule == TriggerRule.ALL_DONE


def test_where_somebody_is_told_quarantine_and_failed_trainings_are_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_ALERTS", "team_chat")
    dags = _build(tmp_path)
    train, ingest = dags["loans.train"], dags["loans.ingest"]
    assert train.get_task("alert").upstream_task_ids == {"give_back"}, "what the teardown has written down is told"
    assert ingest.get_task("alert").upstream_task_ids == {"ingest"}
    for dag in (train, ingest):
        told = dag.get_task("alert")
        assert (told.trigger_rule, told.downstream_task_ids) == (TriggerRule.ALL_DONE, set())
        assert len(dag.leaves) > 1, "others say how the run went"
    quiet = _build(tmp_path, monitoring={"alerts": []})
    assert not any(quiet[name].has_task("alert") for name in ("loans.train", "loans.ingest"))


def test_any_change_of_the_declaration_shows_in_the_doc(tmp_path: Path) -> None:
    before = {name: dag.doc_md for name, dag in _build(tmp_path).items()}
    # Nothing of the DAGs' own shape depends on the seed.
    after = _build(tmp_path, training={**DECLARED["training"], "seed": 7})
    for name, dag in after.items():
        assert dag.doc_md != before[name]


def test_a_fault_is_an_error_with_file_line_key_and_cure_and_no_other_frames(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"loans/model\.yaml:\d+: task: 'ternary' is not allowed\. Write one of") as caught:
        _build(tmp_path, task="ternary")
    assert caught.value.__suppress_context__


def test_a_dag_file_without_a_declaration_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"dags/lost/model\.yaml: is missing"):
        build(str(tmp_path / "lost" / "dag.py"))


def test_a_replay_is_scheduled_only_where_it_is_declared_monthly_if_nothing_else_is_said(tmp_path: Path) -> None:
    assert "loans.replay" not in _build(tmp_path)
    assert "loans.replay" not in _build(tmp_path, replay={"schedule": None, "window": "100rows"})
    dags = _build(tmp_path, replay={"history": 4})
    timetable = dags["loans.replay"].schedule
    assert isinstance(timetable, CronTriggerTimetable)
    assert timetable == CronTriggerTimetable("@monthly", timezone="UTC", run_immediately=timedelta(0))
    assert set(dags) == {"loans.ingest", "loans.train", "loans.monitor", "loans.score", "loans.replay"}


def test_a_replay_suggests_in_a_task_that_waits_for_a_person_without_holding_a_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dag = _build(tmp_path, replay={"schedule": "@weekly"})["loans.replay"]
    dag.validate()
    played, suggested = dag.get_task("replay"), dag.get_task("suggest")
    assert dag.max_active_runs == 1
    assert (played.retries, played.execution_timeout, played.pool) == (4, timedelta(hours=2), "default_pool")
    assert suggested.upstream_task_ids == {"replay"}
    assert suggested.defaults == ["Reject"]
    assert suggested.execution_timeout is None
    assert not [asset for task in dag.tasks for asset in task.outlets], "it wakes nothing"
    assert "/reports/loans/replay" in (dag.doc_md or "")
    monkeypatch.setenv("PERENNIAL_REPLAY_POOL", "replays")
    assert _build(tmp_path, replay={"schedule": "@weekly"})["loans.replay"].get_task("replay").pool == "replays"
