"""When the windows of a replay begin, and which labels count, however rows and labels arrived."""

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml import specfile
from ml.data.table import ARRIVED, AcceptedTable
from ml.jobs import replay as job
from ml.jobs.replaying import fitting, losses
from ml.jobs.replaying import rows as replayed
from ml.jobs.replaying.asked import Options
from ml.jobs.replaying.fitting import Scores
from ml.jobs.replaying.rows import Accepted
from ml.settings import Settings
from tests.jobs.test_replay import OPTIONS, START, TEXT, accept, declare, rows

DAYS, SIZE = 24, 10
DAY_NS = int(timedelta(days=1) / timedelta(microseconds=1)) * 1000
BY_DAY = Options(window=f"{SIZE}rows", history=3)


def days() -> pd.DataFrame:
    """Ten rows a day, without labels yet."""
    frame = rows(DAYS, size=SIZE)
    return frame.assign(at=[START + timedelta(days=number // SIZE) for number in range(len(frame))])


def read(settings: Settings, options: Options = BY_DAY) -> Accepted:
    spec = specfile.load(settings, "shop")
    return replayed.read(settings, spec, options.over(spec))


def arrive(settings: Settings, frame: pd.DataFrame, *, labels_after: timedelta | None = None, late: int | None = None) -> None:
    """Each day's rows on the next day, but the first row of the day `late` on the last one; labels later, or with the rows."""
    number = np.arange(len(frame))
    day = np.where(number == -1 if late is None else number == late * SIZE, DAYS - 1, number // SIZE)
    for one in range(DAYS):
        part, at = frame[day == one], START + timedelta(days=one + 1)
        accept(settings, part if labels_after is None else part.assign(bought=None), f"b{one}", at=at)
    if labels_after is not None:
        table = AcceptedTable.of(settings, "shop").labels
        for one in range(DAYS):
            part = frame[day == one][["key", "bought"]].set_axis(["id", "label"], axis=1)
            table.append(part, delivery=f"l{one}", arrived_at=START + timedelta(days=one + 1) + labels_after)


def test_one_late_row_leaves_the_clock_as_it_is(settings: Settings) -> None:
    declare(settings)
    arrive(settings, days(), labels_after=timedelta(days=5), late=3)
    found = read(settings)
    assert found.clock == "arrivals"
    assert list(np.diff(found.moments)[1:]) == [DAY_NS] * (DAYS - 1)
    assert replayed.delay_of(found, BY_DAY.over(specfile.load(settings, "shop"))) == 5
    assert found.known[3 * SIZE : 4 * SIZE].max() == found.moments[-1] + 5 * DAY_NS, "the late row itself stays late"


def test_rows_that_arrive_one_by_one_are_there_when_their_window_ends(settings: Settings) -> None:
    declare(settings)
    arrived = np.arange(7 * 20 + 20) * DAY_NS
    found = replayed._ends(arrived, np.arange(0, 161, 20))
    assert list(found[1:]) == [arrived[end - 1] for end in range(20, 161, 20)]
    assert found[0] == arrived[0]


MONTH, AN_HOUR = timedelta(days=30), timedelta(hours=1)
UNTIMED = TEXT.replace("time: at\n", "")


@pytest.mark.parametrize(
    ("batches", "span", "has_time", "clock"),
    [
        (3, timedelta(days=DAYS), True, "time"),
        (DAYS, timedelta(days=DAYS), True, "arrivals"),
        (3, AN_HOUR, False, "delivered"),
        (DAYS, AN_HOUR, False, "delivered"),
        (3, 3 * MONTH, False, "delivered"),
        (DAYS, 3 * MONTH, False, "arrivals"),
    ],
)
def test_arrivals_that_tell_no_window_from_the_next_say_nothing(
    settings: Settings, batches: int, span: timedelta, has_time: bool, clock: str
) -> None:
    declare(settings, TEXT if has_time else UNTIMED)
    frame = days().assign(**{ARRIVED: [START + span / batches * (number * batches // (DAYS * SIZE)) for number in range(DAYS * SIZE)]})
    spec = specfile.load(settings, "shop")
    found = replayed._clock(frame, spec, np.arange(0, len(frame) + 1, SIZE))
    assert found == clock


def test_windows_without_rows_do_not_hide_that_the_others_arrived_one_by_one(settings: Settings) -> None:
    """Deliveries a month apart, cut into weeks: most have no rows."""
    declare(settings, UNTIMED)
    frame = days().assign(**{ARRIVED: [START + number // SIZE * MONTH for number in range(DAYS * SIZE)]})
    spec = specfile.load(settings, "shop")
    weeks = replayed._by_span(frame[ARRIVED], timedelta(days=7))
    assert (np.diff(weeks) == 0).mean() > 0.5
    assert replayed._clock(frame, spec, weeks) == "arrivals"


def test_a_cooldown_of_a_day_holds_back_no_other_window_where_deliveries_hold_many(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three deliveries, a month apart, of eight windows each: a window counts as a day, and what is declared may retrain in each."""
    rules = "retraining: {drift_share: null, quality_drop: null, every_windows: 1, minimum_rows: 1, cooldown: 1d}\n"
    declare(settings, UNTIMED[: UNTIMED.index("retraining:")].replace('"@weekly" # the calendar', "null") + rules)
    frame = rows(DAYS).drop(columns="at")
    for one in range(3):
        accept(settings, frame[len(frame) * one // 3 : len(frame) * (one + 1) // 3], f"b{one}", at=START + one * MONTH)
    monkeypatch.setattr(losses, "_LEAST_IN_POOL", 1000)
    found = job.replay(settings, "shop", OPTIONS)
    assert found.clock == "delivered"
    named = {one.name: one for one in found.chosen.policies}
    assert named["as declared"].retrained == named["every window"].retrained


@pytest.mark.parametrize("loaded", [None, 0, 2, 300])
def test_labels_that_are_not_final_by_the_end_judge_nobody(settings: Settings, loaded: int | None) -> None:
    """Rows that arrive day by day, or that all are loaded so many days after the last one happened."""
    declare(settings, TEXT.replace("id: key", "id: key\nlabel_delay: 5d"))
    if loaded is None:
        arrive(settings, days())
    else:
        accept(settings, days(), "all", at=START + timedelta(days=DAYS - 1 + loaded))
    found = read(settings)
    assert found.clock == ("arrivals" if loaded is None else "time")
    young = {None: 4, 0: 5, 2: 3, 300: 0}[loaded]
    counts = np.bincount(found.codes[found.labelled], minlength=DAYS)
    assert list(counts) == [SIZE] * (DAYS - young) + [0] * young


def test_labels_that_were_loaded_later_than_their_rows_are_final_by_then(settings: Settings) -> None:
    declare(settings, TEXT.replace("id: key", "id: key\nlabel_delay: 5d"))
    frame, last = days(), START + timedelta(days=DAYS - 1)
    accept(settings, frame.assign(bought=None), "all", at=last)
    labels = frame[["key", "bought"]].set_axis(["id", "label"], axis=1)
    AcceptedTable.of(settings, "shop").labels.append(labels, delivery="all", arrived_at=last + timedelta(days=3))
    counts = np.bincount((found := read(settings)).codes[found.labelled], minlength=DAYS)
    assert found.clock == "time"
    assert list(counts[-3:]) == [SIZE, 0, 0], "two days are too young"


def test_without_a_delay_every_label_is_final_whatever_the_time_of_its_row(settings: Settings) -> None:
    """A row may be of a time that is still to come, such as that of a booked journey."""
    declare(settings)
    arrive(settings, days().assign(at=lambda frame: frame["at"] + timedelta(days=30)))
    found = read(settings)
    assert (found.clock, found.labelled.all()) == ("arrivals", True)
    assert (found.known == found.moments[found.codes + 1]).all()


def test_the_time_of_a_fit_is_no_delay_of_labels(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of 2.5 days, labels after 5 days, and a fit that is made to seem to take five days: other lengths learn the same labels."""
    declare(settings, TEXT.replace("id: key", "id: key\nlabel_delay: 5d"))
    accept(settings, rows(), "all")
    monkeypatch.setattr(losses, "_LEAST_IN_POOL", 1000)
    asked: list[fitting.Task] = []
    real = fitting.fit_and_score

    def slow(plan: fitting.Plan, task: fitting.Task) -> Scores:
        asked.append(task)
        return replace(real(plan, task), fit_seconds=5 * 86_400.0)

    monkeypatch.setattr(losses, "fit_and_score", slow)
    found = job.replay(settings, "shop", replace(OPTIONS, lengths=[4]))
    assert found.delay == 2
    assert [one.part for one in found.history].count("purged") == 4, "labels, and the fit"
    assert "Labels come 2 windows late" in " ".join(found.notes)
    assert "A fit takes 2 windows" in " ".join(found.notes)
    until = {one.until for one in asked if one.model == 10}
    assert len(until) == 1
    assert len([one for one in asked if one.model == 10]) == 2


def test_the_time_of_a_fit_is_without_that_of_scoring(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(settings)
    accept(settings, rows(), "all")
    monkeypatch.setattr(losses, "_LEAST_IN_POOL", 1000)
    real = fitting._scored

    def slow(*given: Any) -> Any:
        until = time.process_time() + 0.2
        while time.process_time() < until:
            pass
        return real(*given)

    monkeypatch.setattr(fitting, "_scored", slow)
    job.replay(settings, "shop", replace(OPTIONS, window="160rows"))
    kept = [Scores.load(file) for file in losses.folder_of(settings, "shop").glob("*.npz")]
    assert kept
    assert 0 < min(one.fit_seconds for one in kept if one is not None) < 0.2


def test_halves_of_windows_are_the_same_rows_whatever_came_since(settings: Settings) -> None:
    declare(settings)
    arrive(settings, days())
    before = read(settings)
    accept(settings, days().head(SIZE).assign(key=[f"n{number}" for number in range(SIZE)]), "more", at=START + timedelta(days=DAYS))
    after = read(settings)
    halves = [dict(zip(one.frame["key"], losses._halves(one), strict=True)) for one in (before, after)]
    kept = list(before.frame["key"][SIZE:])
    assert [halves[0][key] for key in kept] == [halves[1][key] for key in kept]
    assert 0 < sum(halves[0][key] for key in kept) < len(kept)


def test_scores_that_were_cut_short_are_made_anew(tmp_path: Path) -> None:
    file = tmp_path / "one.npz"
    Scores(losses=np.ones(9), one=np.ones(9), other=np.ones(9)).save(file)
    whole = file.read_bytes()
    assert Scores.load(file) is not None
    for length in (0, 3, 100, len(whole) - 1):
        file.write_bytes(whole[:length])
        assert Scores.load(file) is None


def test_no_more_models_are_fitted_at_once_than_a_container_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert losses.cores() == 1
