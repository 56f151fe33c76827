"""Asking a person about what a replay recommends, from replays that are made up; a real declaration is what a yes would change."""

from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner

from ml import specfile
from ml.cli import app
from ml.errors import ModelOwnerError
from ml.jobs.replaying import suggesting
from ml.jobs.replaying.suggesting import Suggested
from ml.monitoring.replayed.facts import CostFacts, PlayedPolicy, ReplayFacts
from ml.settings import Settings
from ml.state import State, replays, specs

AT = datetime(2026, 5, 1, 3, 0, 0, 123456, tzinfo=UTC)
TEXT = """model: shop
task: binary
target: bought
positive: "yes"
features:
  numeric: [x]
data:
  source: { kind: files, urls: [shop/*.csv] }
training:
  schedule: null
  candidates:
    - { name: logistic, class: sklearn.linear_model.LogisticRegression }
retraining:
  drift_share: 0.5 # of the columns
  answer_within: 3d
  cost: { train: 0.01, promote: 0.04 }
"""


@pytest.fixture
def shop(settings: Settings) -> Settings:
    folder = settings.dags / "shop"
    folder.mkdir()
    (folder / "model.yaml").write_text(TEXT)
    return settings


def policy(name: str, total: float, *, family: str = "calendar") -> PlayedPolicy:
    span = (None, None)
    return PlayedPolicy(
        name=name,
        family=family,
        total=total,
        loss=total,
        mean_loss=total / 10,
        retrainings=2,
        fits=3,
        mean_interval=span,
        beyond_never=span,
        beyond_calendar=span,
    )


def played(settings: Settings, *, declared: float = 2.0, at: datetime = AT, **changes: Any) -> ReplayFacts:
    """A replay that recommends a calendar, kept in the state database."""
    spec = specfile.load(settings, "shop")
    mine, never = policy("every 4 windows", 1.0), policy("never", 3.0)
    cell: dict[str, Any] = {
        "cost": 0.05,
        "train": 0.01,
        "promote": 0.04,
        "is_declared": True,
        "recommended": mine,
        "kind": "calendar",
        "is_told": True,
        "sentence": "Use the calendar.",
        "tuned_calendar": mine,
        "hindsight_calendar": mine,
        "never": never,
        "always": never,
        "oracle": mine,
        "honest_oracle": None,
        "policies": (mine, never, policy("as declared", declared, family="as declared")),
        "rules": {"drift_share": None, "every_windows": 4},
    }
    facts = ReplayFacts(
        model="shop",
        at=at,
        spec_hash=spec.hash(),
        dataset_version=1,
        metric="accuracy",
        settings={"window": "50rows", "history": 8},
        windows=60,
        tuned_on=20,
        judged_on=30,
        delay=0,
        clock="time",
        cells=(CostFacts(**(cell | changes)),),
        chosen_cost=0.05,
        history=(),
        recommendation="Use the calendar: retrain every 4 windows [here](evil).",
    )
    state = State.open(settings)
    key = specs.remember(state, spec, at=at)
    replays.keep(state, model="shop", at=at, spec_hash=key, result=facts.model_dump(mode="json"))
    return facts


def test_a_person_is_asked_with_the_evidence_the_page_and_what_would_be_written(shop: Settings) -> None:
    played(shop)
    asked = suggesting.ask(shop, "shop", at=AT, page="/perennial/reports/shop/replay").question
    assert asked is not None
    assert asked.subject == "Shall shop be retrained by another policy?"
    assert asked.timeout.days == 3
    assert "| recommended: every 4 windows | 1.000 | 0.1000 | 2 | 3 |" in asked.body
    assert "| as declared now | 2.000" in asked.body
    assert "(/perennial/reports/shop/replay)" in asked.body
    assert "    -  drift_share: 0.5 # of the columns\n" in asked.body
    assert "    +  every_windows: 4\n" in asked.body
    assert "[here](evil)" not in asked.body, "names come from data, and make no links"
    assert "Without an answer it is no" in asked.body


def test_nobody_is_asked_without_a_reason(shop: Settings) -> None:
    played(shop, is_told=False, rules={})
    assert "too little is known" in str(suggesting.ask(shop, "shop", at=AT).reason)
    later = datetime(2026, 6, 1, tzinfo=UTC)
    played(shop, declared=1.0, at=later)
    assert "no more than every 4 windows" in str(suggesting.ask(shop, "shop", at=later).reason)
    same = datetime(2026, 7, 1, tzinfo=UTC)
    played(shop, rules={"drift_share": 0.5}, at=same)
    assert suggesting.ask(shop, "shop", at=same).reason == "model.yaml declares what is recommended"


def test_a_yes_is_kept_and_says_what_to_do_but_changes_nothing(shop: Settings) -> None:
    played(shop)
    said = suggesting.answer(shop, "shop", at=AT, approved=True, by="ada")
    assert said.command == "perennial replay shop --kept 1 --apply"
    assert "+  every_windows: 4" in str(said.diff)
    assert (shop.dags / "shop" / "model.yaml").read_text() == TEXT
    done = CliRunner().invoke(app, [*said.command.split()[1:], "--yes"])
    assert done.exit_code == 0, done.output
    assert specfile.load(shop, "shop").retraining.every_windows == 4, "what was said yes to, and no other replay"
    kept = replays.of(State.open(shop), "shop", at=AT)
    assert kept is not None
    assert kept.answer is not None
    assert (kept.answer["approved"], kept.answer["by"]) == (True, "ada")
    assert suggesting.ask(shop, "shop", at=AT).reason == "ada has answered before this try"


def test_the_first_answer_stays_and_nobodys_yes_is_a_no(shop: Settings) -> None:
    played(shop)
    assert suggesting.answer(shop, "shop", at=AT, approved=True, by=None) == Suggested(model="shop", approved=False, by=None)
    assert suggesting.answer(shop, "shop", at=AT, approved=True, by="ada").approved is False


def test_a_replay_that_is_not_kept_any_more_is_said_to_be_gone(shop: Settings) -> None:
    with pytest.raises(ModelOwnerError, match="replay again"):
        suggesting.ask(shop, "shop", at=AT)
