"""A new champion is watched beside the one that it replaced, on rows that neither has seen, each counted once."""

import re
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml import show, specfile
from ml.data.labels import LabelTable
from ml.data.table import AcceptedTable
from ml.jobs import champion, monitor, shadow
from ml.jobs import watch as jobs
from ml.jobs.history import champion_at
from ml.jobs.status import status
from ml.jobs.train import train
from ml.registry import models
from ml.registry.client import reaching
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, ledger, trainings, watches
from ml.state.records import Watch
from tests.kept import KeptWorlds
from tests.training.worlds import accept, declare, visits, with_mlflow

BATCHES = (f"{number:032x}" for number in range(1, 10_000))


@pytest.fixture
def home(settings: Settings) -> Settings:
    return with_mlflow(settings)


def replaced(settings: Settings, **changes: Any) -> ModelSpec:
    """Version 1 learnt the world as it is, version 2 the opposite; version 2 is champion, whatever the gate said."""
    spec = declare(settings, **changes)
    accept(settings, spec, visits(200), batch=next(BATCHES))
    assert train(settings, "shop").promoted
    accept(settings, spec, visits(600, seed=1, flipped=True), batch=next(BATCHES))
    assert train(settings, "shop").version == 2
    champion.promote_version(settings, "shop", 2, by="ada", reason="she likes it")
    return spec


@pytest.fixture
def followed(kept_worlds: KeptWorlds, monkeypatch: pytest.MonkeyPatch) -> tuple[Settings, ModelSpec]:
    """The home of `replaced` without changes, and its declaration."""
    settings = kept_worlds.world("replaced", lambda new: replaced(with_mlflow(new)), monkeypatch)
    return settings, specfile.load(settings, "shop")


def deliver(settings: Settings, spec: ModelSpec, rows: int, *, seed: int, labelled: bool = True, flipped: bool = False) -> pd.DataFrame:
    frame = visits(rows, seed=seed, flipped=flipped)
    accept(settings, spec, frame if labelled else frame.assign(bought=None), batch=next(BATCHES))
    return frame


def label(settings: Settings, frame: pd.DataFrame) -> None:
    labels = frame[["visit", "bought"]].set_axis(["id", "label"], axis=1)
    LabelTable.of(settings, "shop").append(labels, delivery=next(BATCHES), arrived_at=datetime.now(UTC))


def stored(settings: Settings) -> Watch:
    state = State.open(settings)
    (found,) = [one for one in watches.of_model(state, "shop").values() if one.version == 2]
    return found


def versions(settings: Settings) -> list[tuple[int, str]]:
    return [(one.version, one.kind) for one in trainings.promotion_history(State.open(settings), "shop")]


def test_a_worse_champion_is_rolled_back_and_the_history_says_why(
    followed: tuple[Settings, ModelSpec], capsys: pytest.CaptureFixture[str]
) -> None:
    home, spec = followed
    assert jobs.watch(home, "shop").state == "watching"  # type: ignore[union-attr]
    deliver(home, spec, 300, seed=2)
    found = jobs.watch(home, "shop")
    assert found is not None
    assert (found.state, found.version, found.former, found.rows, found.fresh_rows) == ("rolled_back", 2, 1, 300, 300)
    assert found.evidence >= found.bar == 20
    assert found.loss is not None
    assert found.former_loss is not None
    assert found.loss > found.former_loss
    assert versions(home) == [(1, "promote"), (2, "promote"), (1, "rollback")]
    change = trainings.promotion_history(State.open(home), "shop")[-1]
    assert change.by == "watch"
    assert change.reason.startswith("version 2 is worse than version 1 on 300 rows whose labels became known since: roc_auc 0.")
    assert re.search(r"mean loss 0\.\d+ against 0\.\d+; evidence \S+ of 20 \(an anytime-valid test\)$", change.reason)
    assert change.evidence is not None
    assert change.evidence["watch"]["rows"] == 300
    assert models.aliases(home, "shop")["champion"] == 1
    standing = status(home, "shop")
    [decision] = [one for one in standing.models[0].decisions if one.kind == "rollback"]
    assert (decision.state, decision.reasons) == ("done", [change.reason])
    show.status(standing)
    assert re.search(r"rolled back +version 2 to version 1, \S+ \S+ UTC \(rollback-shop-3\)", capsys.readouterr().out)
    again = jobs.watch(home, "shop")
    assert again is None, "a rollback is not watched"
    assert len(versions(home)) == 3


def test_a_better_champion_is_watched_until_the_time_is_over_and_its_gain_is_written_down(home: Settings) -> None:
    spec = replaced(home, promotion={"watch": "1s"})
    deliver(home, spec, 300, seed=2, flipped=True)
    begun = jobs.watch(home, "shop")
    assert begun is not None
    assert (begun.state, begun.rows) in {("watching", 300), ("kept", 300)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, "datetime", Later)
        found = jobs.watch(home, "shop")
    assert found is not None
    assert found.state == "kept"
    assert "was not shown to be worse than version 1 on 300 rows" in found.reason
    assert found.gain is not None
    assert (found.gain["rows"], found.gain["metric"], found.gain["metric_rows"]) == (300, "roc_auc", 300)
    for number in (found.gain["loss"], found.gain["value"]):
        assert 0 < number["low"] < number["gain"] < number["high"]
    assert found.gain["value"]["champion"] > 0.9 > 0.2 > found.gain["value"]["former"]
    (change,) = [one for one in champion_at(home, "shop").changes if one.version == 2]
    assert change.watch is not None
    assert change.watch.gain == found.gain
    shown = status(home, "shop").models[0].champion
    assert shown is not None
    assert shown.watch == change.watch


class Later(datetime):
    """A clock that is two days ahead."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + timedelta(days=2)


def test_each_row_counts_once_when_its_label_becomes_known(followed: tuple[Settings, ModelSpec]) -> None:
    home, spec = followed
    early = deliver(home, spec, 60, seed=2, labelled=False)
    assert looked(home) == (0, 0)
    deliver(home, spec, 20, seed=3, flipped=True)
    assert looked(home) == (20, 20)
    assert looked(home) == (20, 0)
    label(home, early.head(25).assign(bought="no"))
    assert looked(home) == (45, 25)
    label(home, early.head(40))  # 25 of them are corrected: they were counted already
    deliver(home, spec, 5, seed=4, flipped=True)
    assert looked(home) == (65, 20)
    assert looked(home) == (65, 0)


def looked(settings: Settings) -> tuple[int, int]:
    found = jobs.watch(settings, "shop")
    assert found is not None
    return found.rows, found.fresh_rows


def test_rows_count_whose_labels_came_after_the_promotion_also_older_ones_but_none_that_a_version_learnt_from(home: Settings) -> None:
    spec = declare(home)
    old = deliver(home, spec, 200, seed=0)
    unlabelled = deliver(home, spec, 50, seed=9, labelled=False)
    train(home, "shop")
    train(home, "shop")
    deliver(home, spec, 30, seed=2)
    waiting = deliver(home, spec, 40, seed=3, labelled=False)
    label(home, waiting.head(10))
    champion.promote_version(home, "shop", 2, by="ada", reason="r")
    assert looked(home) == (0, 0)
    label(home, waiting.iloc[10:15])
    label(home, old)
    assert looked(home) == (5, 5)
    label(home, unlabelled.head(20))  # accepted before the trainings
    assert looked(home) == (25, 20)
    label(home, unlabelled.head(30))  # 20 of them are corrected: they were counted already
    deliver(home, spec, 3, seed=5)
    assert looked(home) == (38, 13)
    assert looked(home) == (38, 0)


def test_rows_count_in_the_order_in_which_their_labels_became_known(followed: tuple[Settings, ModelSpec]) -> None:
    home, spec = followed
    first = deliver(home, spec, 4, seed=2, labelled=False)
    with_label = deliver(home, spec, 3, seed=3)
    second = deliver(home, spec, 2, seed=4, labelled=False)
    label(home, second)
    label(home, first.iloc[[2, 0]])
    jobs._begun(home, State.open(home), trainings.champion(State.open(home), "shop"))  # type: ignore[arg-type]
    table = AcceptedTable.of(home, "shop", spec)
    found = shadow.counted(table, spec, stored(home), shadow.present(table, datetime.now(UTC)))
    batches = [one.key for one in table.batches(version=table.version() or 0)][-3:]
    assert list(zip(found["_batch"], found["_row"], strict=True)) == [
        *((batches[1], number) for number in (1, 2, 3)),
        *((batches[2], number) for number in (1, 2)),
        *((batches[0], number) for number in (1, 3)),
    ]
    assert found["label"].tolist()[:3] == with_label["bought"].tolist()


def test_a_row_counts_when_its_label_is_final(home: Settings) -> None:
    now = pd.Timestamp.now("UTC").floor("us")
    spec = replaced(home, time="at", label_delay="10d", promotion={"watch": "30d"})
    frame = visits(40, seed=2, flipped=True).assign(at=[now - timedelta(days=days) for days in np.linspace(0, 19.5, 40)])
    accept(home, spec, frame, batch=next(BATCHES))
    assert looked(home)[0] in {19, 20}
    found = stored(home)
    promoted = trainings.champion(State.open(home), "shop")
    assert promoted is not None
    assert found.until == promoted.at + timedelta(days=40)
    before = found.rows
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, "datetime", Later)
        assert looked(home)[0] == before + 4


def test_a_label_that_was_known_at_the_promotion_does_not_count_when_it_becomes_final_later(home: Settings) -> None:
    spec = declare(home, time="at", label_delay="1d")
    accept(home, spec, visits(200), batch=next(BATCHES))
    train(home, "shop")
    train(home, "shop")
    accept(home, spec, visits(30, seed=2).assign(at=pd.Timestamp.now("UTC").floor("us")), batch=next(BATCHES))
    champion.promote_version(home, "shop", 2, by="ada", reason="r")
    accept(home, spec, visits(5, seed=3).assign(at=pd.Timestamp.now("UTC").floor("us")), batch=next(BATCHES))
    assert looked(home) == (0, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, "datetime", Later)
        assert looked(home) == (5, 5)


class Killed(BaseException):
    """A kill: nothing catches it."""


@pytest.mark.parametrize("where", ["advance", "crown", "end", "heal_aliases"])
@pytest.mark.parametrize("after", [False, True])
def test_killed_anywhere_and_run_again_gives_the_same_state(followed: tuple[Settings, ModelSpec], where: str, after: bool) -> None:
    home, spec = followed
    deliver(home, spec, 300, seed=2)
    owner: Any = {"crown": trainings, "heal_aliases": champion}.get(where, watches)
    real = getattr(owner, where)

    def killed(*args: Any, **kwargs: Any) -> None:
        if after:
            real(*args, **kwargs)
        raise Killed

    begin = datetime.now(UTC)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, where, killed)
        with pytest.raises(Killed):
            jobs.watch(home, "shop")
    if (where, after) != ("advance", False):
        deliver(home, spec, 20, seed=3)  # what was found before the kill is acted upon first
    found = jobs.watch(home, "shop", since=begin)
    assert found is not None, "the next try tells of it"
    assert (found.state, found.rows) == ("rolled_back", 300)
    assert versions(home)[2:] == [(1, "rollback")]
    assert stored(home).state == "rolled_back"
    [told] = ledger.recent_decisions(State.open(home), stored(home).model, limit=9)
    assert (told.kind, told.state, told.window, told.retrain) == ("rollback", "done", None, False)
    assert told.reasons == [stored(home).reason]
    assert told.outcome == {"champion": 1, "rolled_back": 2, "promotion": 3}
    assert models.aliases(home, "shop")["champion"] == 1


def test_two_looks_at_once_count_no_row_twice(home: Settings) -> None:
    spec = replaced(home, promotion={"rollback_level": 0.0001})
    deliver(home, spec, 20, seed=2, flipped=True)
    advance, met = watches.advance, threading.Barrier(2, timeout=60)

    def together(*args: Any, **kwargs: Any) -> Any:
        if met.n_waiting < 2 and not met.broken:
            met.wait()
        return advance(*args, **kwargs)

    found: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watches, "advance", together)
        threads = [threading.Thread(target=lambda: found.append(jobs.watch(home, "shop"))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [one.rows for one in found] == [20, 20]
    assert sorted(one.fresh_rows for one in found) == [0, 20]
    assert (stored(home).rows, stored(home).looks) == (20, 1)


@pytest.mark.parametrize("act", ["promote", "rollback"])
def test_a_change_by_hand_ends_a_watch(followed: tuple[Settings, ModelSpec], act: str) -> None:
    home, spec = followed
    jobs.watch(home, "shop")
    deliver(home, spec, 300, seed=2)
    if act == "promote":
        champion.promote_version(home, "shop", 1, by="bob", reason="r")
    else:
        champion.rollback(home, "shop", by="bob", reason="r")
    jobs.watch(home, "shop")
    ended = stored(home)
    assert (ended.state, ended.rows) == ("ended", 0)
    assert ended.reason == f"version 1 was made champion by bob ({act}) before the watch was over"
    assert [one.state for one in watches.of_model(State.open(home), "shop").values()][1:] == (["watching"] if act == "promote" else [])


def test_a_rollback_by_hand_in_the_middle_of_a_look_is_not_undone(followed: tuple[Settings, ModelSpec]) -> None:
    home, spec = followed
    deliver(home, spec, 300, seed=2)
    crown = trainings.crown

    def late(*args: Any, **kwargs: Any) -> Any:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(trainings, "crown", crown)
            champion.rollback(home, "shop", by="bob", reason="r")
            champion.promote_version(home, "shop", 2, by="ada", reason="again")
        return crown(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainings, "crown", late)
        found = jobs.watch(home, "shop")
    assert found is not None
    assert (found.state, found.reason) == ("ended", "version 1 was made champion by bob (rollback) before the watch was over")
    assert versions(home)[-2:] == [(1, "rollback"), (2, "promote")]


@pytest.mark.parametrize("gone", ["version", "file"])
def test_a_former_champion_that_cannot_be_scored_ends_the_watch_with_a_reason(followed: tuple[Settings, ModelSpec], gone: str) -> None:
    home, spec = followed
    deliver(home, spec, 300, seed=2)
    if gone == "version":
        with reaching(home) as client:
            client.delete_model_version("shop", "1")
    else:
        source = reaching_source(home)
        next(source.rglob("model.skops")).write_bytes(b"nonsense")
    found = jobs.watch(home, "shop")
    assert found is not None
    assert found.state == "ended"
    expected = "shop has no version 1" if gone == "version" else "shop version 1: its file is not the one that was registered"
    assert found.reason.startswith(f"the watch ended after 0 rows: {expected}")
    assert models.aliases(home, "shop")["champion"] == 2


def reaching_source(settings: Settings) -> Path:
    with reaching(settings) as client:
        return Path(client.get_model_version_download_uri("shop", "1").removeprefix("file://"))


def test_without_a_declared_watch_or_a_former_champion_nothing_is_watched(home: Settings) -> None:
    declare(home)
    assert jobs.watch(home, "shop") is None
    spec = declare(home, promotion={"watch": None})
    accept(home, spec, visits(200), batch=next(BATCHES))
    train(home, "shop")
    assert jobs.watch(home, "shop") is None
    train(home, "shop")
    champion.promote_version(home, "shop", 2, by="ada", reason="r")
    assert jobs.watch(home, "shop") is None


def test_monitor_by_hand_watches_first_so_that_the_window_is_of_the_champion_that_remains(followed: tuple[Settings, ModelSpec]) -> None:
    home, spec = followed
    deliver(home, spec, 300, seed=2)
    result = monitor.monitor(home, "shop")
    assert result.watch is not None
    assert result.watch.state == "rolled_back"
    assert result.window is not None
    assert result.window.champion == 1


def test_a_regression_is_watched_too(home: Settings) -> None:
    candidates = [{"name": "ridge", "class": "sklearn.linear_model.Ridge", "params": {}}]
    spec = replaced(home, task="regression", target="paid", positive=None, training={"candidates": candidates})
    deliver(home, spec, 300, seed=2)
    found = jobs.watch(home, "shop")
    assert found is not None
    assert found.state == "rolled_back"
    assert found.gain is not None
    assert found.gain["metric"] == "mae"
    assert found.gain["value"]["gain"] < 0
