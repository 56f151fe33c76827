"""Every change of champion is written down once, can be undone, and MLflow follows."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from ml import show
from ml.cli import app
from ml.errors import CallError, ConcurrentChange, StoreUnavailable, UnknownModel, UnknownVersion
from ml.jobs import champion
from ml.jobs import train as training
from ml.jobs.history import champion_at
from ml.jobs.score import score_new
from ml.jobs.status import status
from ml.jobs.train import train
from ml.jobs.watch import watch
from ml.registry import models, runs
from ml.registry.client import tracking
from ml.settings import Settings
from ml.state import State, trainings
from tests.kept import KeptWorlds
from tests.training.worlds import accept, declare, visits, with_mlflow

WHO = {"by": "ada", "reason": "because"}


def three_versions(settings: Settings) -> None:
    spec = declare(with_mlflow(settings))
    accept(settings, spec, visits(200), batch="a" * 32)
    for _ in range(3):
        train(settings, "shop")


@pytest.fixture
def home(kept_worlds: KeptWorlds, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A model with three versions; the first is champion."""
    return kept_worlds.world("three-versions", three_versions, monkeypatch)


def history(settings: Settings) -> list[tuple[int, int | None, str]]:
    return [(one.version, one.previous, one.kind) for one in trainings.promotion_history(State.open(settings), "shop")]


def test_a_version_is_promoted_by_hand_once(home: Settings) -> None:
    change = champion.promote_version(home, "shop", 3, **WHO)
    assert (change.champion, change.previous, change.kind, change.changed, change.by) == (3, 1, "promote", True, "ada")
    again = champion.promote_version(home, "shop", 3, **WHO)
    assert (again.champion, again.changed) == (3, False)
    assert history(home) == [(1, None, "promote"), (3, 1, "promote")]
    assert models.aliases(home, "shop") == {"champion": 3}
    made_by = trainings.of_version(State.open(home), "shop", 3)
    assert made_by is not None
    assert made_by.state == "promoted"


def test_a_rollback_goes_back_one_champion_at_a_time(home: Settings) -> None:
    for version in (2, 3):
        champion.promote_version(home, "shop", version, **WHO)
    assert champion.rollback(home, "shop", **WHO).champion == 2
    assert models.aliases(home, "shop")["champion"] == 2
    assert champion.rollback(home, "shop", **WHO).champion == 1
    with pytest.raises(UnknownVersion, match="no former champion to go back to: version 1 is its first"):
        champion.rollback(home, "shop", **WHO)
    champion.promote_version(home, "shop", 2, **WHO)
    assert champion.rollback(home, "shop", **WHO).champion == 1
    assert [kind for _, _, kind in history(home)] == ["promote", "promote", "promote", "rollback", "rollback", "promote", "rollback"]


def test_a_rollback_of_another_champion_than_one_saw_is_not_done(home: Settings) -> None:
    champion.promote_version(home, "shop", 2, **WHO)
    seen = trainings.promotion_history(State.open(home), "shop")
    champion.promote_version(home, "shop", 3, **WHO)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainings, "promotion_history", lambda *_: seen)
        with pytest.raises(ConcurrentChange, match="changed by another process"):
            champion.rollback(home, "shop", **WHO)
    assert history(home)[-1] == (3, 2, "promote")


class Killed(BaseException):
    """A kill: nothing catches it."""


def kill(*_: Any, **__: Any) -> None:
    raise Killed


NEXT: dict[str, Callable[[Settings], Any]] = {
    "promote": lambda home: champion.promote_version(home, "shop", 2, **WHO),
    "freeze": lambda home: training.freeze(home, "shop", run="next", trigger="manual"),
    "score": lambda home: score_new(home, "shop"),
    "status": lambda home: status(home, "shop"),
    "champion": lambda home: champion_at(home, "shop"),
    "watch": lambda home: watch(home, "shop"),
}


@pytest.mark.parametrize("where", ["ml.jobs.champion.heal_aliases", "ml.registry.models.set_alias", "ml.state.trainings.told"])
def test_a_kill_between_history_and_alias_is_healed_by_the_next_call_of_anything(home: Settings, where: str) -> None:
    for act in NEXT.values():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(where, kill)
            with pytest.raises(Killed):
                champion.promote_version(home, "shop", 2, **WHO)
        serving = trainings.champion(State.open(home), "shop")
        assert serving is not None
        assert serving.version == 2
        act(home)
        assert models.aliases(home, "shop")["champion"] == 2
        assert trainings.is_told(State.open(home), "shop")
        champion.promote_version(home, "shop", 1, **WHO)
    assert len(history(home)) == 1 + 2 * len(NEXT)


def test_a_training_killed_between_history_alias_and_the_end_of_its_run_is_ended_by_the_next_try(settings: Settings) -> None:
    spec = declare(with_mlflow(settings))
    accept(settings, spec, visits(200), batch="a" * 32)
    for number, where in enumerate(["ml.registry.models.set_alias", "ml.registry.runs.add_to_training", "ml.registry.runs.end_training"]):
        run = f"run-{number}"
        declare(settings, promotion={"watch": f"{number + 1}d"})
        gated(settings, run)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(where, kill)
            with pytest.raises(Killed):
                training.promote(settings, run=run)
        closed = trainings.get(State.open(settings), run)
        assert closed.state in {"promoted", "challenger"}
        assert runs.is_open(settings, "shop", mlflow_run=str(closed.mlflow_run))
        assert training.abandon(settings, run=run, error="killed") == "finished"
        assert not runs.is_open(settings, "shop", mlflow_run=str(closed.mlflow_run))
        now = trainings.champion(State.open(settings), "shop")
        assert now is not None
        assert models.aliases(settings, "shop")["champion"] == now.version


def gated(settings: Settings, run: str) -> None:
    """Everything but the last step."""
    training.freeze(settings, "shop", run=run, trigger="manual")
    training.tune(settings, run=run, candidate="logistic")
    training.gate(settings, run=run)
    training.register(settings, run=run)


def test_a_run_that_has_ended_is_not_told_again(home: Settings) -> None:
    (ended,) = trainings.recent(State.open(home), "shop", limit=1)

    def end_time() -> int:
        with tracking(home, "shop") as mlflow:
            return int(mlflow.client.get_run(ended.mlflow_run).info.end_time)

    before = end_time()
    assert training.abandon(home, run=ended.key, error="-") == "finished"
    assert end_time() == before


def test_a_promotion_that_writes_its_alias_late_does_not_undo_the_one_after_it(home: Settings) -> None:
    point = models.set_alias

    def late(*args: Any) -> None:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(models, "set_alias", point)
            if trainings.champion(State.open(home), "shop").version == 2:  # type: ignore[union-attr]
                champion.promote_version(home, "shop", 3, **WHO)
        point(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "set_alias", late)
        champion.promote_version(home, "shop", 2, **WHO)
    assert history(home)[-1][0] == 3
    assert models.aliases(home, "shop")["champion"] == 3


def test_promotions_at_the_same_time_never_leave_alias_and_history_in_disagreement(home: Settings) -> None:
    for _ in range(3):
        refused: list[int] = []
        start = threading.Barrier(2)

        def run(version: int, start: threading.Barrier = start, refused: list[int] = refused) -> None:
            start.wait()
            try:
                champion.promote_version(home, "shop", version, **WHO)
            except ConcurrentChange:
                refused.append(version)

        threads = [threading.Thread(target=run, args=(version,)) for version in (2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) <= 1
        assert models.aliases(home, "shop")["champion"] == history(home)[-1][0]
        champion.promote_version(home, "shop", 1, **WHO)


def test_status_answers_also_when_mlflow_does_not(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(champion, "heal_aliases", kill)
        with pytest.raises(Killed):
            champion.promote_version(home, "shop", 2, **WHO)

    def away(*_: Any, **__: Any) -> None:
        raise StoreUnavailable("MLflow does not answer")

    monkeypatch.setattr(models, "aliases", away)
    now = status(home, "shop").models[0].champion
    assert now is not None
    assert now.version == 2


def test_who_was_champion_at_a_moment_has_an_answer(home: Settings) -> None:
    champion.promote_version(home, "shop", 2, by="ada", reason="a try")
    champion.rollback(home, "shop", by="bob", reason="it was none")
    changes = champion_at(home, "shop").changes
    assert [(one.version, one.previous, one.kind, one.by) for one in changes] == [
        (1, None, "promote", "gate"),
        (2, 1, "promote", "ada"),
        (1, 2, "rollback", "bob"),
    ]
    assert [one.reason for one in changes] == ["first training", "a try", "it was none"]
    assert [one.ended_at for one in changes] == [changes[1].at, changes[2].at, None]
    assert changes[0].evidence is not None
    assert changes[0].evidence.startswith("First model")
    assert changes[1].evidence is not None, "the gate's sentence about the version, also when a person promoted it"
    moment = (changes[1].at + timedelta(microseconds=1)).astimezone().isoformat()
    then = champion_at(home, "shop", moment)
    assert then.champion is not None
    assert (then.champion.version, then.champion.by, then.champion.ended_at, len(then.changes)) == (2, "ada", None, 2)
    before = champion_at(home, "shop", (changes[0].at - timedelta(seconds=1)).replace(tzinfo=None).isoformat())
    assert (before.champion, before.changes) == (None, [])
    assert json.loads(then.model_dump_json())["champion"]["version"] == 2


def test_every_change_of_champion_is_written_with_its_evidence(home: Settings) -> None:
    champion.promote_version(home, "shop", 2, by="ada", reason="a try")
    watch(home, "shop")
    champion.rollback(home, "shop", by="bob", reason="it was none")
    first, by_hand, back = (one.evidence for one in trainings.promotion_history(State.open(home), "shop"))
    assert first is not None
    assert by_hand is not None
    assert back is not None
    assert "there are only 0 test rows" in by_hand["sentence"]
    assert (back["verdict"]["sentence"], back["undone"]["version"]) == (first["sentence"], 2)
    assert back["undone"]["verdict"]["run"] == by_hand["run"]
    assert (back["watch"]["version"], back["watch"]["former"], back["watch"]["rows"]) == (2, 1, 0)
    told = " ".join(capture(["champion", "shop"]).split())
    assert f"because: it was none evidence: undoes version 2; its gate said: {by_hand['sentence']} Its watch: version 2 is watched" in told


def test_the_commands_tell_it_to_people(home: Settings) -> None:
    champion.promote_version(home, "shop", 2, by="ada", reason="a try")
    watch(home, "shop")
    told = capture(["champion", "shop"])
    assert "version 1 by gate (promote)" in told
    assert "version 2 by ada (promote, before it version 1)\n  because: a try\n  evidence: " in told
    assert "watch: watching beside version 1, no label has come yet; until " in told
    assert "  watch" in capture(["status", "shop"])
    assert "shop version 1 comes out the same" in capture(["reproduce", "shop", "1"])


def capture(arguments: list[str]) -> str:
    """What the command prints for a person; it must succeed."""
    with show.console.capture() as printed:
        done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return printed.get()


def test_a_moment_that_cannot_be_read_is_a_wrong_call(home: Settings) -> None:
    with pytest.raises(CallError, match="--at 'yesterday' is no time; write one like 2026-03-01"):
        champion_at(home, "shop", "yesterday")


def test_a_clock_that_is_behind_does_not_turn_the_history_round(home: Settings) -> None:
    state = State.open(home)
    first = trainings.champion(state, "shop")
    assert first is not None
    past = datetime.now(UTC) - timedelta(days=1)
    trainings.crown(state, model="shop", version=2, kind="promote", at=past, by="t", reason="r", key="k")
    second = trainings.champion(state, "shop")
    assert second is not None
    assert (second.version, second.at) == (2, first.at)


def test_what_is_not_there_cannot_become_champion(home: Settings) -> None:
    with pytest.raises(UnknownVersion, match="no version 9"):
        champion.promote_version(home, "shop", 9, **WHO)
    with pytest.raises(UnknownModel):
        champion.promote_version(home, "shopp", 1, **WHO)
    declare(home)
    assert history(home) == [(1, None, "promote")]


def test_without_any_champion_there_is_nothing_to_roll_back(settings: Settings) -> None:
    declare(with_mlflow(settings))
    with pytest.raises(UnknownVersion, match="it has no champion"):
        champion.rollback(settings, "shop", **WHO)
