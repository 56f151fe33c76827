"""The champion's shadow: what it is fitted on, that it is fitted once, and what happens where it cannot be."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from ml.data.table import AcceptedTable
from ml.errors import CandidateError
from ml.jobs import monitor, shadow_fit
from ml.jobs.estimating import Subject
from ml.jobs.judged import judge
from ml.monitoring import report
from ml.monitoring.shadowed import Shadow
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, estimates, ledger, specs, trainings
from ml.state.records import Quality
from ml.training import dataset, making, paired
from ml.training.evaluation import Predicted, predict
from ml.training.finishing import Finishing
from tests.jobs.test_monitor import accept, declare, label, rows, trained  # noqa: F401

SHADOWED = {"minimum_rows": 100, "drift_share": None, "cost": {"train": 0.02, "promote": 0.08}, "regret": {"shadow_windows": 1}}


class Killed(BaseException):
    """A kill: nothing catches it."""


def killed(*_: object, **__: object) -> None:
    raise Killed


def turned(frame: pd.DataFrame) -> pd.DataFrame:
    """The same rows with the other outcome each."""
    return frame.assign(late=np.where(frame["late"] == "yes", "no", "yes"))


def fitted(settings: Settings, learnt: pd.DataFrame, judged: pd.DataFrame) -> float:
    """The ROC AUC of the champion's recipe, fitted by hand on these rows."""
    state = State.open(settings)
    made = trainings.of_version(state, "loans", 1)
    assert made is not None
    assert made.verdict is not None
    spec = specs.recall(state, made.spec_hash)
    model = making.refitted(
        spec, made.verdict["candidate"], made.verdict["params"], learnt, Finishing.model_validate(made.verdict["finishing"])
    )
    said = predict(model, judged, task="binary")
    assert said.probabilities is not None
    return float(roc_auc_score(judged["late"] == "yes", said.probabilities["yes"]))


def test_a_shadow_learns_from_what_was_labelled_before_and_its_loss_is_the_windows_fresh_one(
    trained: Settings,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    declare(trained, retraining=SHADOWED)
    calm, new, newer = rows(200, seed=2, first=800), turned(rows(1500, seed=3, first=1000)), turned(rows(400, seed=4, first=2500))
    late, unlabelled = new[:300], new.assign(late=new["late"].where(new.index >= 300))
    accept(trained, calm, "b2")
    accept(trained, unlabelled, "b3")
    first = monitor.monitor(trained, "loans").shadow
    assert first is not None
    assert (first.fits, first.worse_by, first.learnt_rows, first.why[:12]) == (0, 0.0, 0, "nothing else"), "it would be made again"

    label(trained, late, "l1")
    accept(trained, newer, "b4")
    window = str(monitor.take_window(trained, "loans").window)
    with monkeypatch.context() as patch:
        patch.setattr(report, "render", killed)
        with pytest.raises(Killed):
            monitor.measure(trained, window)
    with monkeypatch.context() as patch:
        patch.setattr(making, "refitted", None)  # what was kept is not fitted again
        measured = monitor.measure(trained, window)
    found = measured.shadow
    assert found is not None
    assert (found.fits, found.learnt_rows, found.rows) == (1, 800 + 200 + 1200, 700), "the late rows are judged, so not learnt from"
    learnt = pd.concat([rows(800, seed=1), calm, new[300:]], ignore_index=True)
    assert found.value == pytest.approx(fitted(trained, learnt, pd.concat([newer, late])), abs=1e-9)
    assert found.value is not None
    assert found.worse_by == pytest.approx(found.value - measured.quality["roc_auc"])
    assert found.standard_error is not None
    assert "Quality against a shadow" in Path(measured.report).read_text()
    assert json.loads(measured.model_dump_json())["shadow"]["learnt_rows"] == 2200

    decision = monitor.decide(trained, window)
    assert decision == monitor.decide(trained, window)
    made = ledger.decision_for(State.open(trained), window)
    assert made is not None
    lost = made.evidence["losses"]
    assert [one["against"] for one in lost["windows"]] == ["own", "shadow"]
    assert lost["windows"][1]["fresh"] == pytest.approx(1 - found.value)
    assert lost["shadow_fits"] == 1
    told = {one.rule: one for one in decision.rules}["regret"]
    assert told.fired
    assert "over 2 windows against a shadow > 0.100, the cost of a retraining; 1 shadow fitted since the training cost 0.020" in told.reason


@pytest.fixture
def subject(trained: Settings) -> Callable[..., tuple[State, Subject, shadow_fit.Asked, ModelSpec]]:  # noqa: F811
    """The second window of a champion that learnt from 800 rows, with 200 rows; 200 came before, all with one label if that is named."""

    def made(before: str | None = None, **regret: Any) -> tuple[State, Subject, shadow_fit.Asked, ModelSpec]:
        declare(trained, retraining=SHADOWED | {"regret": {"shadow_windows": 1, **regret}})
        state = State.open(trained)
        training = trainings.of_version(state, "loans", 1)
        assert training is not None
        learnt = specs.recall(state, training.spec_hash)
        first = rows(200, seed=2, first=800)
        accept(trained, first if before is None else first.assign(late=before), "b2")
        one = str(monitor.take_window(trained, "loans").window)
        found = {"drifts": [], "qualities": [Quality(metric="roc_auc", value=0.9, rows=200)], "labelled_rows": 200, "report_url": "r"}
        found_at = ledger.find_window(state, one)
        assert found_at is not None
        ledger.save_measurement(state, one, **found, mlflow_run=None, at=found_at.as_of)  # type: ignore[arg-type]
        monitor.decide(trained, one)
        frame = rows(200, seed=3, first=1000)
        accept(trained, frame, "b3")
        window = ledger.find_window(state, str(monitor.take_window(trained, "loans").window))
        assert window is not None
        spec = specs.recall(state, window.spec_hash)
        said = Predicted(np.where(frame["income"] > 0, "yes", "no"), probabilities=_chances(frame["income"]))
        judged, _, _ = judge(spec, frame["late"], said, known={"yes", "no"})
        no_late = dataset.row_keys(pd.DataFrame({"_batch": [], "_row": []}))
        asked = shadow_fit.Asked(
            judged=judged,
            said=said,
            units=paired.units(frame, spec),
            late=no_late,
            ask=lambda model: predict(model, frame, task="binary"),
        )
        table = AcceptedTable.of(trained, "loans", spec)
        return state, Subject(table, None, window, spec, training, {"yes", "no"}), asked, learnt

    return made


def _chances(income: "pd.Series[float]") -> pd.DataFrame:
    chance = 1 / (1 + np.exp(-income))
    return pd.DataFrame({"no": 1 - chance, "yes": chance})


def measured(settings: Settings, given: tuple[State, Subject, shadow_fit.Asked, ModelSpec], **changes: Any) -> Shadow | None:
    state, about, asked, learnt = given
    return shadow_fit.measure(settings, state, about, replace(asked, **changes), learnt=learnt)


def test_a_shadow_is_due_in_the_first_of_so_many_judged_windows(trained: Settings, subject: Any) -> None:  # noqa: F811
    given = subject(shadow_windows=2)
    assert measured(trained, given) is None, "it is the second"
    state, about, asked, learnt = given
    earlier = replace(about, trained=replace(about.trained, as_of=about.window.as_of - timedelta(microseconds=1)))
    found = measured(trained, (state, earlier, asked, learnt))
    assert found is not None
    assert (found.judged_before, found.fits) == (0, 1)


def test_a_window_with_too_few_labels_gets_none_and_null_asks_for_none(trained: Settings, subject: Any) -> None:  # noqa: F811
    given = subject()
    few = given[2].judged.head(99)
    assert measured(trained, given, judged=few, said=Predicted(given[2].said.values[:99], given[2].said.probabilities.iloc[:99])) is None
    assert estimates.shadows(given[0], "loans", until=9, limit=9) == []
    off = given[1].spec.retraining.model_copy(
        update={"regret": given[1].spec.retraining.regret.model_copy(update={"shadow_windows": None})}
    )
    about = replace(given[1], spec=given[1].spec.model_copy(update={"retraining": off}))
    assert measured(trained, (given[0], about, *given[2:])) is None


def test_a_recipe_that_cannot_be_fitted_now_is_told_with_what_it_cost(
    trained: Settings,  # noqa: F811
    subject: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = subject()

    def failing(*_: object, **__: object) -> None:
        raise CandidateError("candidate 'logistic' failed to fit. Change its params.")

    monkeypatch.setattr(making, "refitted", failing)
    found = measured(trained, given)
    assert found is not None
    assert (found.value, found.fits, found.why) == (None, 1, "candidate 'logistic' failed to fit. Change its params")
    assert found.sentence.startswith("There is no shadow to compare with: candidate 'logistic' failed")
    assert measured(trained, given) == found, "it is not tried again"


@pytest.mark.parametrize(("newest", "is_gone", "why"), [
    (200, False, "the same 'late', 'no'"),
    (10, False, "a training needs 50"),
    (200, True, "rows that it would learn from are gone"),
], ids=["one class", "ten rows", "rows gone"])  # fmt: skip
def test_rows_that_teach_nothing_cost_no_fit(trained: Settings, subject: Any, newest: int, is_gone: bool, why: str) -> None:  # noqa: F811
    state, about, asked, learnt = subject(before="no")
    if is_gone:
        for path in Path(trained.tables_url, "loans", "rows").rglob("*.parquet"):
            path.unlink()
    recipe = learnt.model_copy(update={"training": learnt.training.model_copy(update={"history_rows": newest})})
    found = measured(trained, (state, about, asked, recipe))
    assert found is not None
    assert (found.value, found.fits) == (None, 0)
    assert why in found.why


def endless(*_: object, **__: object) -> None:
    while True:
        time.sleep(0.01)


def test_a_fit_that_never_ends_is_ended(trained: Settings, subject: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    given = subject()
    monkeypatch.setattr(shadow_fit, "LONGEST", timedelta(seconds=0.1))
    monkeypatch.setattr(making, "refitted", endless)
    found = measured(trained, given)
    assert found is not None
    assert (found.value, found.fits) == (None, 1)
    assert "its fit was ended: it took longer than" in found.why


def test_a_fit_in_which_the_step_was_killed_twice_is_given_up(
    trained: Settings,  # noqa: F811
    subject: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = subject()

    with monkeypatch.context() as patch:
        patch.setattr(making, "refitted", killed)
        for _ in range(shadow_fit.MOST_FITS):
            with pytest.raises(Killed):
                measured(trained, given)
    found = measured(trained, given)
    assert found is not None
    assert (found.value, found.fits, found.is_over) == (None, 2, True)
    assert "begun 2 times and came to no end" in found.why


def test_a_store_that_does_not_answer_while_it_is_asked_is_no_fault_of_the_shadow(trained: Settings, subject: Any) -> None:  # noqa: F811
    given = subject()

    def away(_: Any) -> Predicted:
        raise ConnectionError("no answer")

    with pytest.raises(ConnectionError):
        measured(trained, given, ask=away)
    found = measured(trained, given)
    assert found is not None
    assert (found.value is not None, found.fits) == (True, 2), "both fits were paid for"
