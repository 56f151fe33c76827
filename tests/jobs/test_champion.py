"""Every change of champion is written down once, can be undone, and MLflow follows."""

import pytest

from ml.errors import ConcurrentChange, UnknownModel, UnknownVersion
from ml.jobs import champion
from ml.jobs.train import train
from ml.registry import models
from ml.settings import Settings
from ml.state import State, trainings
from tests.training.worlds import accept, declare, visits, with_mlflow

WHO = {"by": "ada", "reason": "because"}


@pytest.fixture
def home(settings: Settings) -> Settings:
    """A model with three versions; the first is champion."""
    spec = declare(with_mlflow(settings))
    accept(settings, spec, visits(200), batch="a" * 32)
    for _ in range(3):
        train(settings, "shop")
    return settings


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


def test_an_alias_that_was_not_set_before_the_kill_is_set_by_the_next_call(home: Settings) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(champion, "heal_aliases", lambda *_: None)
        champion.promote_version(home, "shop", 2, **WHO)
    assert models.aliases(home, "shop")["champion"] == 1
    champion.promote_version(home, "shop", 2, **WHO)
    assert models.aliases(home, "shop")["champion"] == 2
    assert len(history(home)) == 2


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
