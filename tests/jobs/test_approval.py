"""A winner that needs approval waits for a person; the answer is written down once, and whoever asks may be killed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ml.errors import ModelOwnerError
from ml.jobs import approval, champion
from ml.jobs import train as jobs
from ml.jobs.status import status
from ml.registry import models
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, ledger, trainings
from tests.jobs.test_train import ask as ask_for_training
from tests.jobs.test_train import decision_state
from tests.training.worlds import accept, declare, visits, with_mlflow

MANUAL = {"approval": "manual", "approval_timeout": "36h"}


@pytest.fixture
def home(settings: Settings) -> Settings:
    return with_mlflow(settings)


@pytest.fixture
def shop(home: Settings) -> ModelSpec:
    spec = declare(home, promotion=MANUAL)
    accept(home, spec, visits(300), batch="a" * 32)
    return spec


def registered(settings: Settings, run: str = "one", *, trigger: str = "manual") -> str:
    """A training up to the step that asks."""
    jobs.freeze(settings, "shop", run=run, trigger=trigger)  # type: ignore[arg-type]
    jobs.tune(settings, run=run, candidate="logistic")
    jobs.gate(settings, run=run)
    jobs.register(settings, run=run)
    return run


def test_the_question_shows_the_evidence_and_stands_as_long_as_declared(home: Settings, shop: ModelSpec) -> None:
    run = registered(home)
    found = approval.ask(home, run=run)
    assert found.question is not None
    assert found.question.subject == "Shall version 1 of shop become champion?"
    assert found.question.timeout == timedelta(hours=36)
    body = found.question.body
    assert "First model: the challenger is significantly better than the baseline" in body
    assert "| metric on 60 test rows | challenger | baseline |" in body
    assert body.index("| roc_auc |") < body.index("| accuracy |"), "the declared metric comes first"
    assert "- trained because: first training" in body
    assert "`perennial promote shop 1`" in body
    assert "- warning: Column 'spent' carries" in body, "whoever approves must know what looks like leakage"
    again = approval.ask(home, run=run)
    assert again == found


def test_text_from_data_is_no_markdown() -> None:
    assert approval.plain("a|b ![x](http://y)\n<i>`c_d`") == r"a\|b \!\[x\]\(http://y\) \<i\>\`c\_d\`"


def test_who_approved_stands_in_the_history(home: Settings, shop: ModelSpec) -> None:
    decision = ask_for_training(home, shop)
    run = registered(home, trigger="asset")
    approval.ask(home, run=run)
    waiting = status(home, "shop").models[0].last_training
    assert waiting is not None
    assert waiting.awaits_approval_until is not None
    approval.answer(home, run=run, approved=True, by="ada")
    result = jobs.promote(home, run=run)
    assert (result.promoted, result.champion) == (True, 1)
    assert result.verdict.endswith("Approved by ada.")
    crowned = trainings.champion(State.open(home), "shop")
    assert crowned is not None
    assert crowned.by == "ada"
    assert decision_state(home, decision.window) == "done"
    last = status(home, "shop").models[0].last_training
    assert last is not None
    assert last.awaits_approval_until is None


@pytest.mark.parametrize(
    ("approved", "by", "sentence"),
    [(False, "bob", "rejected by bob"), (False, None, "nobody answered within 36 hours"), (True, None, "nobody answered within 36 hours")],
)
def test_a_no_or_no_answer_closes_the_training_as_challenger(
    home: Settings, shop: ModelSpec, approved: bool, by: str | None, sentence: str
) -> None:
    decision = ask_for_training(home, shop)
    run = registered(home, trigger="asset")
    approval.ask(home, run=run)
    approval.answer(home, run=run, approved=approved, by=by)
    for _ in range(2):
        result = jobs.promote(home, run=run)
        assert (result.promoted, result.champion) == (False, None)
        assert result.verdict.endswith(f"Not promoted: {sentence}. `perennial promote shop 1` still may.")
    assert trainings.get(State.open(home), run).state == "challenger"
    assert decision_state(home, decision.window) == "done", "finished, not given back"
    assert jobs.abandon(home, run=run, error="-") == "finished"
    assert models.aliases(home, "shop") == {"challenger": 1}
    assert champion.promote_version(home, "shop", 1, by="ada", reason="nevertheless").champion == 1


def test_the_first_answer_stays_and_is_not_asked_for_again(home: Settings, shop: ModelSpec) -> None:
    run = registered(home)
    approval.ask(home, run=run)
    approval.answer(home, run=run, approved=True, by="ada")
    assert approval.answer(home, run=run, approved=False, by="bob") == approval.Answer(approved=True, by="ada")
    assert approval.ask(home, run=run).answer == approval.Answer(approved=True, by="ada")


def test_while_it_waits_its_claim_holds(home: Settings, shop: ModelSpec) -> None:
    decision = ask_for_training(home, shop)
    run = registered(home, trigger="asset")
    approval.ask(home, run=run)
    held = ledger.decision_for(State.open(home), decision.window)
    assert held is not None
    assert held.lease_until is not None
    assert held.lease_until - datetime.now(UTC) > timedelta(hours=37)


@pytest.mark.parametrize(("approved", "by"), [(True, "ada"), (False, "bob"), (False, None)])
def test_promoting_by_hand_while_it_waits_counts_and_a_later_answer_changes_nothing(
    home: Settings, shop: ModelSpec, approved: bool, by: str | None
) -> None:
    run = registered(home)
    approval.ask(home, run=run)
    champion.promote_version(home, "shop", 1, by="eve", reason="now")
    assert approval.ask(home, run=run).reason == "version 1 was made champion by eve"
    approval.answer(home, run=run, approved=approved, by=by)
    result = jobs.promote(home, run=run)
    assert (result.promoted, result.champion) == (True, 1)
    assert result.verdict.endswith("Version 1 was made champion by eve.")
    assert [one.by for one in trainings.promotion_history(State.open(home), "shop")] == ["eve"]
    assert trainings.get(State.open(home), run).state == "promoted"


def test_an_approval_of_a_verdict_about_a_former_champion_promotes_nothing(home: Settings, shop: ModelSpec) -> None:
    for run in ("one", "two"):
        registered(home, run)
        approval.ask(home, run=run)
    approval.answer(home, run="one", approved=True, by="ada")
    approval.answer(home, run="two", approved=True, by="ada")
    assert jobs.promote(home, run="two").promoted
    late = jobs.promote(home, run="one")
    assert not late.promoted
    assert "version 2 became champion meanwhile" in late.verdict


def test_nobody_is_asked_where_nothing_is_to_approve(home: Settings) -> None:
    spec = declare(home)
    accept(home, spec, visits(300), batch="a" * 32)
    assert approval.ask(home, run=registered(home)).reason == "promotion.approval is auto: nobody need approve"
    declare(home, promotion=MANUAL, features={"categorical": ["city"]})
    jobs.promote(home, run="one")
    run = registered(home, "two")
    assert not jobs.gate(home, run=run).wins
    assert approval.ask(home, run=run).reason == "the challenger did not win: there is nothing to approve"


def test_the_declaration_that_counts_is_the_frozen_one(home: Settings, shop: ModelSpec) -> None:
    run = registered(home)
    declare(home)
    assert approval.ask(home, run=run).question is not None


@pytest.mark.parametrize("step", ["ask", "answer"])
def test_steps_out_of_order_say_what_is_missing(home: Settings, shop: ModelSpec, step: str) -> None:
    jobs.freeze(home, "shop", run="one", trigger="manual")
    jobs.tune(home, run="one", candidate="logistic")
    jobs.gate(home, run="one")
    acts: dict[str, Any] = {
        "ask": lambda: approval.ask(home, run="one"),
        "answer": lambda: approval.answer(home, run="one", approved=True, by="ada"),
    }
    with pytest.raises(ModelOwnerError, match=r"has registered no version yet|nobody was asked"):
        acts[step]()
