"""A replay over real tables, real fits and real state: small data, logistic regression."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from ml import specfile
from ml.cli import app
from ml.data.table import AcceptedTable
from ml.errors import CallError, ModelOwnerError, NoData
from ml.jobs import replay as job
from ml.jobs.promised import CONCEPT, level_beside
from ml.jobs.replaying import applying, fitting, losses
from ml.jobs.replaying import rows as reading
from ml.jobs.replaying.asked import Options
from ml.jobs.replaying.drifts import Drifts
from ml.jobs.replaying.fitting import Scores
from ml.jobs.replaying.losses import Watcher
from ml.jobs.status import status
from ml.monitoring import drift as drifting
from ml.monitoring import looks
from ml.monitoring.alarms.promise import level_of_a_look, split
from ml.monitoring.drift import Pin
from ml.monitoring.profiles import Profile
from ml.monitoring.replayed.facts import ReplayFacts
from ml.monitoring.replayed.words import listed, treated
from ml.settings import Settings
from ml.spec import Cost, Persistence
from ml.state import State, replays
from ml.state.records import Drift
from ml.training.evaluation import measure

START = datetime(2026, 1, 1, tzinfo=UTC)
SIZE, WINDOWS, LONG = 60, 24, 60
TEXT = """# A model of a test.
model: shop
task: binary
target: bought
positive: "yes" # quoted
time: at
id: key
features:
  numeric: [x, z]
data:
  source: { kind: files, urls: [shop/*.csv] }
training:
  schedule: "@weekly" # the calendar
  candidates:
    - { name: logistic, class: sklearn.linear_model.LogisticRegression }
promotion:
  metric: accuracy
monitoring:
  minimum_rows: 40
retraining:
  # drift is what we look at
  drift_share: 0.5 # of the columns
  cost: { train: 0.01, promote: 0.04 }
"""


def declare(settings: Settings, text: str = TEXT) -> None:
    folder = settings.dags / "shop"
    folder.mkdir(exist_ok=True)
    (folder / "model.yaml").write_text(text)


def rows(windows: int = WINDOWS, *, size: int = SIZE, every: timedelta = timedelta(hours=1)) -> pd.DataFrame:
    """Rows of which the answer turns round every six windows, with a little noise."""
    rng, count = np.random.default_rng(5), windows * size
    x, z = rng.normal(size=count), rng.normal(size=count)
    sign = np.where(np.arange(count) // (6 * size) % 2, -1, 1)
    bought = np.where(rng.random(count) < 0.05, rng.random(count) < 0.5, sign * x > 0)
    return pd.DataFrame(
        {
            "key": [f"k{number}" for number in range(count)],
            "at": pd.to_datetime([START + number * every for number in range(count)], utc=True).as_unit("us"),
            "x": x,
            "z": z,
            "bought": np.where(bought, "yes", "no"),
        }
    )


def accept(settings: Settings, frame: pd.DataFrame, batch: str, *, at: datetime = datetime(2027, 1, 1, tzinfo=UTC)) -> None:
    spec = specfile.load(settings, "shop")
    AcceptedTable.of(settings, "shop", spec).append(frame, spec=spec, batch=batch, arrived_at=at)


COSTS = (0.02, 0.1)
OPTIONS = Options(window=f"{SIZE}rows", history=3, costs=COSTS)
SHORT = replace(OPTIONS, history=2)
"""Over `LONG` histories a policy is recommended with it."""


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other processes take seconds to start: one test is about them."""
    monkeypatch.setattr(losses, "_LEAST_IN_POOL", 1000)


@pytest.fixture
def shop(settings: Settings) -> Settings:
    declare(settings)
    accept(settings, rows(), "all")
    return settings


def test_a_replay_judges_every_policy_and_keeps_what_it_found(shop: Settings) -> None:
    found = job.replay(shop, "shop", OPTIONS)
    assert (found.windows, found.tuned_on, found.judged_on) == (WINDOWS, 8, 13)
    assert found.clock == "time"
    assert [one.cost for one in found.cells] == [0.05, 0.02, 0.1], "the declared cost first"
    cell = found.chosen
    assert (cell.train, cell.promote, cell.is_declared) == (0.01, 0.04, True)
    named = {one.name: one for one in cell.policies}
    assert {"never", "every window", "as declared", "vote, shadow every window", "drift, as declared"} <= set(named)
    for one in named.values():
        assert one.total == pytest.approx(one.loss + 0.01 * one.fits + 0.04 * one.retrainings)
        assert one.total >= cell.oracle.total - 1e-9
    assert "Estimated quality was not played: quality is not estimated in a replay." in listed(found)
    assert (
        "Trainings of this model learn from all rows (training.history_rows is null), this replay's models from the last 3 windows: "
        in str(found.notes)
    )
    assert not cell.is_told, "8 tuned windows are too few to tell"
    assert "too short to tell" in found.recommendation
    assert job.kept(shop, "shop", 1) == found
    (model,) = status(shop).models
    assert model.replay is not None
    assert model.replay.recommendation == found.recommendation


def test_what_a_model_lost_is_what_the_metric_says_of_it(shop: Settings) -> None:
    found = job.replay(shop, "shop", OPTIONS)
    frame = rows()
    from ml.jobs.replaying import recipe
    from ml.training import making

    spec = specfile.load(shop, "shop")
    chosen = recipe.of(State.open(shop), spec)
    learnt, judged = frame.iloc[4 * SIZE : 7 * SIZE], frame.iloc[7 * SIZE : 8 * SIZE]
    model = making.refitted(spec, chosen.name, chosen.params, learnt, chosen.finishing)
    told = measure("binary", labels=judged["bought"].to_numpy(), predictions=model.predict(judged[["x", "z"]]), positive="yes")
    assert found.history[7].fresh == pytest.approx(1 - told["accuracy"])


def test_a_second_replay_fits_nothing_and_an_interrupted_one_goes_on(shop: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[int] = []
    real = fitting.fit_and_score

    def counting(plan: fitting.Plan, task: fitting.Task) -> Scores:
        if len(fitted) == 5:
            raise KeyboardInterrupt
        fitted.append(task.model)
        return real(plan, task)

    monkeypatch.setattr(losses, "fit_and_score", counting)
    before: list[tuple[str, int]] = []
    with pytest.raises(KeyboardInterrupt):
        job.replay(shop, "shop", OPTIONS, watcher=Watcher(say=lambda told: before.append((told, len(fitted)))))
    assert ("21 models to fit on 1 process; how long that takes is told after two of them", 0) in before, "before the first fit"
    assert [done for told, done in before if told.startswith("21 models to fit on 1 process: about ")] == [2]
    assert not list(losses.folder_of(shop, "shop").glob("*.arrow")), "the rows are not left behind"
    monkeypatch.setattr(losses, "fit_and_score", real)
    seen: list[tuple[int, int]] = []
    said: list[str] = []
    first = job.replay(shop, "shop", OPTIONS, watcher=Watcher(say=said.append, advance=lambda done, total: seen.append((done, total))))
    assert seen[0] == (5, WINDOWS - 3)
    assert any("5 of 21 models are known" in one for one in said)
    assert any(
        re.fullmatch(r"16 models to fit on 1 process: about \d+ s, if each takes [\d.e-]+ s as the last ones did", one) for one in said
    )
    monkeypatch.setattr(losses, "fit_and_score", None)  # nobody may ask for it
    again = job.replay(shop, "shop", OPTIONS)
    assert again.cells == first.cells


def test_models_that_are_fitted_in_other_processes_lose_the_same(shop: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    large = Options(window="120rows", history=3, costs=COSTS)
    here = job.replay(shop, "shop", large)
    for file in losses.folder_of(shop, "shop").glob("*.npz"):
        file.unlink()
    monkeypatch.setattr(losses, "_LEAST_IN_POOL", 1)
    monkeypatch.setattr(losses, "cores", lambda: 2)
    said: list[str] = []
    there = job.replay(shop, "shop", large, watcher=Watcher(say=said.append))
    assert any(one.startswith("9 models to fit on 2 processes; ") for one in said)
    assert here.history == there.history


def test_kept_scores_that_nobody_asks_for_are_removed_and_broken_ones_made_anew(shop: Settings) -> None:
    first = job.replay(shop, "shop", Options(window="120rows", history=3, costs=COSTS))
    files = sorted(losses.folder_of(shop, "shop").glob("*.npz"))
    files[0].write_bytes(b"broken")
    again = job.replay(shop, "shop", Options(window="120rows", history=3, costs=COSTS))
    assert again.history == first.history
    assert losses.forget_old(shop, "shop", days=-1) == len(files)


def test_labels_that_come_late_are_neither_learnt_nor_judged_by_before_they_came(settings: Settings) -> None:
    declare(settings, TEXT.replace("id: key", "id: key\nlabel_delay: 5d"))
    accept(settings, rows(), "all")
    found = job.replay(settings, "shop", OPTIONS)
    assert found.delay == 2, "a window is 2.5 days long"
    assert found.tuned_on + found.judged_on + found.delay + 3 + 2 == WINDOWS, "the delay is left out before the judged part"
    assert [one.part for one in found.history].count("purged") == 2
    other = job.replay(settings, "shop", Options(window=f"{SIZE}rows", history=3, costs=COSTS, label_delay="4windows"))
    assert other.delay == 4


def test_arrivals_count_where_they_say_when_rows_and_labels_came(settings: Settings) -> None:
    declare(settings)
    frame = rows()
    for window in range(WINDOWS):
        part = frame.iloc[window * SIZE : (window + 1) * SIZE]
        accept(settings, part.assign(bought=None), f"b{window}", at=part["at"].max().to_pydatetime())
    table = AcceptedTable.of(settings, "shop").labels
    for window in range(WINDOWS):
        part = frame.iloc[window * SIZE : (window + 1) * SIZE]
        late = part["at"].max().to_pydatetime() + timedelta(days=5)
        table.append(part[["key", "bought"]].set_axis(["id", "label"], axis=1), delivery=f"l{window}", arrived_at=late)
    found = job.replay(settings, "shop", Options(window="1batch", history=3, costs=COSTS))
    assert (found.clock, found.windows, found.delay) == ("arrivals", WINDOWS, 2)


def test_windows_may_be_cut_by_time_and_a_sample_be_taken(shop: Settings) -> None:
    by_days = job.replay(shop, "shop", Options(window="60h", history=3, costs=COSTS))
    by_rows = job.replay(shop, "shop", OPTIONS)
    assert by_days.history == by_rows.history, "a row an hour: 60 h are 60 rows"
    part = job.replay(shop, "shop", Options(window=f"{SIZE}rows", history=3, costs=COSTS, growing=True, sample=0.6))
    assert 20 < np.mean([one.rows for one in part.history]) < 50


def test_other_lengths_of_history_are_compared_with_the_declared_one(shop: Settings) -> None:
    found = job.replay(shop, "shop", Options(window=f"{SIZE}rows", history=3, costs=COSTS, lengths=[3, 5, "growing"]))
    assert found.length is not None
    assert list(found.length.tuned_totals) == ["3 windows", "5 windows", "growing"]
    assert found.length.fresh_means["growing"] > found.length.fresh_means["3 windows"], "what is no longer true is unlearnt by forgetting"
    assert found.length.name == "3 windows", "8 tuned windows tell nothing"
    with pytest.raises(CallError, match="--lengths"):
        job.replay(shop, "shop", Options(lengths=["long"]))


def test_a_better_length_of_history_is_told_in_the_recommendation_and_before_anything_is_written(settings: Settings) -> None:
    declare(settings)
    accept(settings, rows(LONG), "all")
    found = job.replay(settings, "shop", replace(SHORT, growing=True, lengths=[2], costs=(0.02,)))
    assert found.length is not None
    assert (found.length.name, found.length.declared) == ("2 windows", "growing")
    said = "which this policy was judged with: replay with --history 2."
    assert said in found.recommendation
    assert "models that learn from the last 2 windows saved" in found.recommendation
    assert said in str(applying.proposal(settings, found).notes)
    same = found.length.model_copy(update={"name": "growing"})
    assert same.better == ""
    assert "Trainings of this model" not in str(found.notes), "growing: these are the same rows"


def test_odd_windows_are_treated_as_stated_and_counted(settings: Settings) -> None:
    declare(settings, TEXT.replace("metric: accuracy", "metric: roc_auc"))
    frame = rows()
    codes = np.arange(len(frame)) // SIZE
    frame.loc[codes == 10, "bought"] = None
    frame.loc[codes == 11, "bought"] = "yes"
    frame.loc[(codes == 12) & (np.arange(len(frame)) % SIZE > 38), "bought"] = None  # 39 labels, and monitoring needs 40
    frame.loc[(codes == 13) & (np.arange(len(frame)) % 4 == 0), "bought"] = None
    frame.loc[codes < 2, "z"] = np.nan
    accept(settings, pd.concat([frame, frame.head(1).assign(at=pd.NaT)]), "all")
    found = job.replay(settings, "shop", OPTIONS)
    touched = found.affected
    assert (touched.unlabelled, touched.one_class, touched.few_rows) == (1, 1, 1)
    assert (touched.partly_labelled, touched.lost_columns, touched.left_out_rows) == (2, 2, 1)
    assert all(found.history[one].fresh is None for one in (10, 11, 12))
    assert found.history[13].fresh is not None
    assert any("The schema changed: 'z'" in one for one in found.notes)


def test_windows_whose_drift_cannot_be_measured_are_counted(
    shop: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as where a library fails over a window's rows: a live look is given up then, and asks for nothing."""
    real, looked = drifting.compare, 0

    def compare(pin: Pin, *, reference: Profile, window: Profile) -> Drift:
        nonlocal looked
        looked += 1
        if looked % 5 == 0:
            raise ModelOwnerError("the drift of 'x' is not a number")
        return real(pin, reference=reference, window=window)

    monkeypatch.setattr(drifting, "compare", compare)
    found = job.replay(shop, "shop", OPTIONS)
    windows = {one.args[1] for one in caplog.records if "drift cannot be measured" in one.msg and isinstance(one.args, tuple)}
    assert 1 < found.affected.unmeasured == len(windows) < WINDOWS
    treatment = "counted as not drifted; the log says why"
    assert (f"{len(windows)} windows of 24", "drift could not be measured where a policy looked", treatment) in treated(found)


def test_a_history_that_cannot_be_replayed_is_refused_with_its_cure(settings: Settings) -> None:
    declare(settings, TEXT.replace("time: at\n", "").replace("[x, z]", "[x, z]\n  ignore: [at]"))
    with pytest.raises(NoData, match="nothing to replay"):
        job.replay(settings, "shop")
    spec = specfile.load(settings, "shop")
    frame = rows().assign(at="then")
    AcceptedTable.of(settings, "shop", spec).append(frame, spec=spec, batch="all", arrived_at=START)
    with pytest.raises(ModelOwnerError, match=r"nothing says in which order .* Name the column .* add --as-delivered"):
        job.replay(settings, "shop", OPTIONS)
    with pytest.raises(ModelOwnerError, match=r"only the order is known.* cut by rows"):
        job.replay(settings, "shop", replace(OPTIONS, as_delivered=True, window="7d"))
    found = job.replay(settings, "shop", replace(OPTIONS, as_delivered=True, label_delay="2d"))
    assert (len(found.history), found.delay, found.clock) == (WINDOWS, 2, "delivered"), "a window stands for a day"
    assert {one.start for one in found.history} == {None}, "the days are invented"
    accepted = reading.read(settings, specfile.load(settings, "shop"), replace(OPTIONS, as_delivered=True).over(spec))
    assert pd.Timestamp(int(accepted.moments[0]), tz="UTC") == START - timedelta(days=WINDOWS)


@pytest.mark.parametrize(
    ("task", "estimator", "metric"),
    [("regression", "sklearn.linear_model.Ridge", "mae"), ("multiclass", "sklearn.naive_bayes.GaussianNB", "balanced_accuracy")],
)
def test_other_tasks_are_replayed_in_the_same_way(settings: Settings, task: str, estimator: str, metric: str) -> None:
    text = TEXT.replace("task: binary", f"task: {task}").replace('positive: "yes" # quoted\n', "").replace("accuracy", metric)
    text = text.replace("  drift_share: 0.5", "  estimated_drop: 0.1\n  drift_share: 0.5")
    declare(settings, text.replace("sklearn.linear_model.LogisticRegression", estimator))
    frame = rows()
    sign = np.where(frame.index // (6 * SIZE) % 2, -1, 1)
    answer = sign * frame["x"]
    frame["bought"] = answer if task == "regression" else pd.cut(answer, [-9, -0.5, 0.5, 9], labels=["low", "middle", "high"]).astype(str)
    accept(settings, frame, "all")
    found = job.replay(settings, "shop", OPTIONS)
    assert found.metric == metric
    assert found.chosen.oracle.total < found.chosen.never.total, "the answer turns round"
    assert found.history[9].fresh < found.history[6].fresh  # type: ignore[operator]
    assert f"How far {metric} moves by chance is not known" in " ".join(found.notes)
    assert "Quality is not estimated in a replay: as declared, estimated_drop asks for nothing here." in found.notes


def test_a_candidate_that_fails_is_told_and_tried_again_at_the_next_replay(settings: Settings) -> None:
    declare(settings, TEXT.replace("LogisticRegression }", "LogisticRegression, params: { C: -1.0 } }"))
    accept(settings, rows(), "all")
    with pytest.raises(ModelOwnerError, match=r"no model could be trained before any window: candidate 'logistic'.*C"):
        job.replay(settings, "shop", OPTIONS)
    kept = [Scores.load(file) for file in losses.folder_of(settings, "shop").glob("*.npz")]
    assert all(one is not None and one.failed for one in kept)


def test_too_few_windows_and_options_that_cannot_be_read_are_named(shop: Settings) -> None:
    with pytest.raises(NoData, match="are 14 windows of 100 rows"):
        job.replay(shop, "shop", Options(window="100rows", history=12))
    for wrong, named in (({"window": "7 parsecs"}, "--window"), ({"label_delay": "3rows"}, "--label-delay"), ({"sample": 2.0}, "--sample")):
        with pytest.raises(CallError, match=named):
            job.replay(shop, "shop", Options(**wrong))  # type: ignore[arg-type]


def test_a_policy_of_a_file_is_played_beside_the_declared_one(shop: Settings, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("retraining: {drift_share: null, quality_drop: null, every_windows: 1, minimum_rows: 1, cooldown: 1h}\n")
    found = job.replay(shop, "shop", Options(window=f"{SIZE}rows", history=3, costs=COSTS, policy=other))
    named = {one.name: one for one in found.chosen.policies}
    # Also regret asks, since the declared cost counts: a training before each window is one before each window.
    assert named["other.yaml"].retrained == named["every window"].retrained
    other.write_text("retraining: {quality_drop: null, regret: {theta: 1, shadow_windows: 2}}\n")
    assert applying.rules_of(other, specfile.load(shop, "shop")).cost is not None, "the declared one counts"
    other.write_text("drift: 1\n")
    with pytest.raises(CallError, match="write a `retraining:` section"):
        job.replay(shop, "shop", Options(policy=other))


def test_the_trainings_own_calendar_is_played_with_what_is_declared(settings: Settings) -> None:
    """A window is 2.5 days long, so that a Sunday lies in every second or third one."""
    quiet = TEXT[: TEXT.index("retraining:")] + "retraining: {drift_share: null, quality_drop: null}\n"
    declare(settings, quiet)
    accept(settings, rows(), "all")
    found = job.replay(settings, "shop", OPTIONS)
    [declared] = [one for one in found.chosen.policies if one.name == "as declared"]
    starts = [one.start for one in found.history]
    days = [one.isoweekday() % 7 for one in starts if one is not None]
    assert list(declared.retrained) == [one for one in range(12, WINDOWS) if days[one - 1] > days[one]]
    declare(settings, quiet.replace('"@weekly"', "null"))
    found = job.replay(settings, "shop", OPTIONS)
    [declared] = [one for one in found.chosen.policies if one.name == "as declared"]
    assert declared.retrained == ()


def test_policies_that_count_other_windows_see_their_own_alarms(settings: Settings) -> None:
    """Under a promise the level of a look depends on how often an alarm must come, and all kinds of drift share it."""
    declare(settings, TEXT.replace("  minimum_rows: 40", "  minimum_rows: 40\n  false_alarms: 1 per 90d"))
    accept(settings, rows(), "all")
    spec = specfile.load(settings, "shop")
    accepted = reading.read(settings, spec, OPTIONS.over(spec))
    drifts = Drifts(spec=spec, accepted=accepted, learnt=lambda _: np.arange(8 * SIZE))
    once, thrice = (drifts.measured(8, 9, counted=Persistence(count, count)) for count in (1, 3))
    assert [list(replace(drifts, delay=late).before(8, 11, Persistence(4, 4))) for late in (0, 2)] == [[10, 9, 8], [10]], "of its service"
    assert looks.persists(once[0]) is None
    assert looks.persists(thrice[0]) is False
    level = level_of_a_look(spec.monitoring.false_alarms, drifts._between)  # type: ignore[arg-type]
    assert level_beside(once) == pytest.approx(split(level, ["data", "data quality", "target", "prediction", CONCEPT])["data"])


QUIET = {"drift_share": None, "quality_drop": None, "estimated_drop": None, "new_rows": None, "age": None, "every_windows": None}


def with_rules(found: ReplayFacts, **rules: object) -> ReplayFacts:
    """As if that had been recommended."""
    cost = {"train": 0.01, "promote": 0.04}
    quiet = {**QUIET, "vote": None, "cost": cost, "regret": {"theta": None, "payback_windows": None}}
    cell = found.chosen.model_copy(update={"rules": {**quiet, **rules}, "is_told": True})
    return found.model_copy(update={"cells": (cell, *found.cells[1:])})


def test_the_recommended_policy_is_written_as_a_small_diff_that_stays_valid(shop: Settings) -> None:
    found = job.replay(shop, "shop", OPTIONS)
    assert applying.proposal(shop, found).diff == "", "where nothing can be told nothing is changed"
    voters = [{"kind": "regret", "theta": 2.0, "weight": 0.7}, {"kind": "never", "weight": 0.3}]
    told = with_rules(found, vote={"voters": voters, "shadow_windows": 2, "noise": 0.01})
    made = applying.proposal(shop, told)
    assert "the last 3 windows: --growing replays what would happen. `training.history_rows: 180` would make" in str(made.notes)
    grown = told.model_copy(update={"settings": {**told.settings, "growing": True}})
    assert "history_rows" not in str(applying.proposal(shop, grown).notes), "these are the same rows"
    by_time = told.model_copy(update={"settings": {**told.settings, "window": "7d"}})
    assert "`training.history_rows` would make" in str(applying.proposal(shop, by_time).notes), "nobody knows how many rows"
    changed = [line for line in made.diff.splitlines() if line[:1] in "+-" and line[:3] not in {"+++", "---"}]
    assert '-  schedule: "@weekly" # the calendar' in changed
    assert "+  schedule: null # the calendar" in changed
    assert "+  drift_share: null # of the columns" in changed
    assert not [line for line in changed if "positive" in line or "candidates" in line]
    applying.write(made)
    spec = specfile.load(shop, "shop")
    assert spec.retraining.vote is not None
    assert [one.kind for one in spec.retraining.vote.voters] == ["regret", "never"]
    assert spec.retraining.regret.theta is None, "the vote decides alone"
    assert "# drift is what we look at" in made.path.read_text()
    assert b"\r" not in made.path.read_bytes()
    assert applying.proposal(shop, told).diff == "", "a second time there is nothing to change"


def test_a_cost_in_money_is_played_as_windows_worth_of_loss_and_stays_money_in_the_file(settings: Settings, tmp_path: Path) -> None:
    """Windows of 60 rows at 0.5 an error: 0.3 and 1.2 are 0.01 and 0.04 of a window, also where a sample is judged."""
    declare(settings)
    accept(settings, rows(LONG), "all")
    plain = job.replay(settings, "shop", SHORT)
    declare(settings, TEXT.replace("train: 0.01, promote: 0.04", "train: 0.3, promote: 1.2, per_error: 0.5"))
    found = job.replay(settings, "shop", SHORT)
    cell = found.chosen
    assert (cell.train, cell.promote, cell.cost, cell.is_declared) == (pytest.approx(0.01), pytest.approx(0.04), pytest.approx(0.05), True)
    assert [one.cost for one in found.cells[1:]] == list(COSTS), "these stay as they are"
    totals = [{one.name: pytest.approx(one.total) for one in facts.chosen.policies} for facts in (plain, found)]
    assert totals[0] == totals[1], "as declared, too"
    [said] = [one for one in found.notes if "in money" in one]
    assert "costs 1.5 in money (a fit 0.3, a promotion 1.2) and an error 0.5: with 60 rows a window that is 0.05 windows' worth" in said
    assert cell.is_told
    applying.write(applying.proposal(settings, found))
    assert specfile.load(settings, "shop").retraining.cost == Cost(train=0.3, promote=1.2, per_error=0.5)
    spec = specfile.load(settings, "shop")
    sampled = reading.read(settings, spec, replace(SHORT, sample=0.5).over(spec))
    assert sampled.rows_of() == pytest.approx(60, rel=0.1)
    other = tmp_path / "other.yaml"
    other.write_text("retraining: {cost: {train: 1, per_error: 2}}")
    declare(settings, TEXT.replace("metric: accuracy", "metric: roc_auc"))
    with pytest.raises(CallError, match=r"--policy .*per_error: roc_auc is no mean over rows"):
        applying.rules_of(other, specfile.load(settings, "shop"))


def test_ends_of_lines_stay_as_they_are(shop: Settings) -> None:
    found = with_rules(job.replay(shop, "shop", OPTIONS), every_windows=3)
    path = shop.dags / "shop" / "model.yaml"
    path.write_bytes(TEXT.replace("\n", "\r\n").encode())
    applying.write(applying.proposal(shop, found))
    lines = path.read_bytes().split(b"\n")
    assert all(one.endswith(b"\r") for one in lines[:-1])
    assert specfile.load(shop, "shop").retraining.every_windows == 3


def test_a_calendar_and_never_are_written_too(shop: Settings) -> None:
    found = job.replay(shop, "shop", OPTIONS)
    for every in (3, None):
        applying.write(applying.proposal(shop, with_rules(found, every_windows=every)))
        rules = specfile.load(shop, "shop").retraining
        assert (rules.every_windows, rules.drift_share, rules.quality_drop, rules.vote) == (every, None, None, None)


def test_the_command_prints_one_json_object_and_applies_when_told(shop: Settings) -> None:
    call = ["replay", "shop", "--window", "60rows", "--history", "3", "--costs", "0.02,0.1", "--json", "--apply", "--yes"]
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert {"model", "windows", "tuned_on", "judged_on", "cells", "recommendation", "html"} <= told.keys()
    cell = told["cells"][1]
    assert cell["cost"] == 0.02
    for name in ("recommended", "tuned_calendar", "hindsight_calendar", "never", "always", "oracle"):
        assert {"name", "total", "retrainings"} <= cell[name].keys()
    assert "nothing to write: too little is known" in done.stderr
    assert (shop.dags / "shop" / "model.yaml").read_text() == TEXT
    assert replays.newest(State.open(shop), "shop") is not None
    people = CliRunner().invoke(app, [*call[:-3]])
    assert people.exit_code == 0
    assert "too short to tell" in people.stdout
    assert "recommended" in people.stdout
    again = CliRunner().invoke(app, ["replay", "shop", "--kept", "1", "--json"])
    assert json.loads(again.stdout)["at"] == told["at"]
    assert "leave the other options out" in str(CliRunner().invoke(app, [*call, "--kept", "1"]).exception)
    assert "replay 9 is not kept" in str(CliRunner().invoke(app, ["replay", "shop", "--kept", "9"]).exception)
