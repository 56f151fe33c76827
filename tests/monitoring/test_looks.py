"""A look under a promise: the shown values of fixed thresholds, alarms by tests, and a stated outcome for whatever data comes."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml.errors import ModelOwnerError, NoData
from ml.monitoring import distances
from ml.monitoring import drift as drifting
from ml.monitoring.alarms import basis
from ml.monitoring.alarms.own_windows import NO_TIME, Cut, OwnWindows
from ml.monitoring.drift import Pin, profile_of
from ml.monitoring.looks import Look, Test, alarms, families, judged, look, own_windows, persists, told
from ml.spec import Persistence
from ml.state.records import Drift
from tests.monitoring.test_window_columns import PINS, frame
from tests.monitoring.two_frames import drift_of

NUMBER, LABEL = Pin("c", "numeric", "numeric", "wasserstein", 0.1), Pin("c", "categorical", "categorical", "jensenshannon", 0.1)


def looked(pin: Pin, reference: Any, window: Any, own: OwnWindows = NO_TIME) -> Look:
    kind = float if pin.measured_as == "numeric" else object
    sides = [pd.Series(side, dtype=kind) for side in (reference, window)]
    return look(pin, reference=profile_of(pin, sides[0]), window=profile_of(pin, sides[1]), own=own)


def one(pin: Pin, reference: Any, window: Any, own: OwnWindows = NO_TIME) -> Drift:
    (found,) = judged([looked(pin, reference, window, own)], level=0.01)
    return found


def by_method(drift: Drift) -> Mapping[str, dict[str, Any]]:
    return {verdict["method"]: verdict for verdict in drift.verdicts}


def normal(rows: int, *, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, rows)


def test_the_shown_distances_are_those_of_fixed_thresholds_and_an_alarm_is_more_than_a_threshold() -> None:
    reference, window = frame(1500, seed=0), frame(700, seed=3)
    fixed = {pin.column: drift_of(pin, reference=reference[pin.column], window=window[pin.column]) for pin in PINS}
    found = judged([looked(pin, reference[pin.column], window[pin.column]) for pin in PINS], level=0.01)
    for drift in found:
        shown = {**by_method(drift)}
        assert shown[fixed[drift.column].method]["value"] == fixed[drift.column].value, drift.column
        assert drift.drifted == any(verdict["is_alarm"] for verdict in shown.values())
    assert {drift.column for drift in found if drift.drifted} == {"normal", "ties", "flag", "holes", "bins", "psi", "label", "words"}
    (calm,) = judged([looked(NUMBER, normal(2_000, seed=1), normal(60, seed=8))], level=0.01)
    assert (calm.value > 0.1, calm.drifted) == (True, False), "a distance that chance explains is no alarm"
    (large,) = judged([looked(NUMBER, normal(40_000, seed=1), normal(40_000, seed=2, shift=0.05))], level=0.01)
    assert (large.verdict["is_significant"], large.drifted) == (True, False), "one that is shown to be below the floor is none either"
    assert "smaller than the floor 0.1: no alarm" in told(large)[0]["sentence"]


def test_kinds_that_are_looked_at_share_the_level_and_no_other() -> None:
    values = normal(500, seed=0)
    pins = [NUMBER, Pin("t", "target", "numeric", "wasserstein", 0.1), Pin("p", "prediction", "numeric", "wasserstein", 0.1)]
    made = [looked(pin, values, normal(300, seed=1)) for pin in pins]
    assert families(made) == ["data", "data quality", "target", "prediction"]
    assert [drift.verdict["level"] for drift in judged(made, level=0.02)] == [0.005] * 3
    assert [drift.verdict["level"] for drift in judged(made[:1], level=0.02)] == [0.01]
    assert [verdict["method"] for verdict in judged(made, level=0.02)[1].verdicts] == ["wasserstein"], "labels may come late"


def test_a_column_is_shown_by_a_share_where_only_that_is_an_alarm() -> None:
    values = normal(1_000, seed=0)
    gaps = np.where(np.arange(400) % 2 == 0, normal(400, seed=1), math.nan)
    assert (one(NUMBER, values, gaps).method, one(NUMBER, values, gaps).threshold) == ("missing_share", 0.1)
    strange = np.append(np.quantile(values, np.linspace(0, 1, 370)), np.tile([-50.0, 50.0], 15))
    found = one(Pin("c", "numeric", "numeric", "jensenshannon", 0.5), values, strange)
    assert (found.method, found.drifted, found.value) == ("out_of_range_share", True, pytest.approx(30 / 400))
    labels = ["a", "b"] * 500
    new = one(Pin("c", "categorical", "categorical", "TVD", 0.3), labels, [*labels[:360], *["c"] * 40])
    assert (new.method, new.value) == ("unseen_share", 0.1)
    assert told(new)[0]["sentence"].startswith(
        "c: unseen_share 0.1, 0.1 without what chance adds (floor 0.05); p < 0.0001, more than chance"
    )
    assert [verdict["method"] for verdict in new.verdict["also"]] == ["TVD"], "nothing is missing on either side: that is not tested"


@pytest.mark.parametrize(("reference", "window", "method", "drifted"), [
    ([1.0, 2, 3] * 100, [math.nan] * 200, "missing_share", True),  # all values lost
    ([1.0, 2, 3] * 100, [math.inf, -math.inf] * 100, "missing_share", True),  # infinities are missing values
    ([math.nan] * 300, [1.0, 2] * 100, "missing_share", True),  # all values gained
    ([math.nan] * 300, [math.nan] * 200, "missing_share", False),  # never a value, before and now
    ([1.0, 2, 3] * 100, [9.0], "wasserstein", False),  # one row tells nothing at this level
    ([1.0, 2, 3] * 100, [math.nan], "missing_share", False),
    ([1.0], [2.0] * 300, "jensenshannon", False),  # a reference of one row neither: p is 2 of 301
    ([5.0] * 300, [5.0] * 200, "jensenshannon", False),  # a constant
    ([5.0] * 300, [6.0] * 200, "jensenshannon", True),
    ([1e306, 2e306, 3e306] * 100, [1e306, 9e306] * 100, "wasserstein", True),
])  # fmt: skip
def test_odd_numbers_have_a_stated_outcome(reference: Sequence[float], window: Sequence[float], method: str, drifted: bool) -> None:
    (found,) = judged([looked(NUMBER, reference, window)], level=0.001)
    assert (found.method, found.drifted) == (method, drifted)
    assert told(found)[0]["sentence"]
    assert 0 <= found.verdict["p_value"] <= 1
    json.dumps(found.verdict, allow_nan=False)


def test_a_side_without_rows_another_kind_and_a_statistic_that_is_no_number_are_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoData, match="the window has no rows"):
        looked(NUMBER, [1.0, 2], [])
    number, label = profile_of(NUMBER, pd.Series([1.0, 2, 3])), profile_of(LABEL, pd.Series(["a", "b"]))
    with pytest.raises(ModelOwnerError, match="column 'c' has another kind now"):
        look(NUMBER, reference=number, window=label, own=NO_TIME)
    monkeypatch.setitem(distances.NUMERIC, "wasserstein", lambda reference, window: math.nan)
    monkeypatch.setattr(distances, "wasserstein", lambda reference, window: math.nan)
    with pytest.raises(ModelOwnerError, match="the drift of column 'c' cannot be measured"):
        looked(NUMBER, [1.0, 2, 3], [2.0])


def test_one_class_and_labels_that_never_came_have_a_stated_outcome() -> None:
    target = Pin("y", "target", "categorical", "jensenshannon", 0.1)
    assert one(target, ["yes", "no"] * 200, ["yes"] * 200).drifted
    late = one(target, ["yes", "no"] * 200, [*["yes", "no"] * 5, *[None] * 190])
    assert (late.method, late.drifted) == ("jensenshannon", False)
    number = Pin("y", "target", "numeric", "wasserstein", 0.1)
    assert one(number, [1.0, 2, 3] * 50, [math.inf] * 100).method == "missing_share"


def test_texts_are_judged_by_the_rows_that_the_classifier_was_not_fitted_on() -> None:
    pin = Pin("c", "text", "text", drifting.TEXT_METHOD, 0.6)
    random = np.random.default_rng(0)

    def texts(words: str, rows: int) -> list[str]:
        return [" ".join(random.choice(words.split(), 3)) for _ in range(rows)]

    same = one(pin, texts("paid fine call late", 600), texts("paid fine call late", 300))
    moved = one(pin, texts("paid fine call late", 600), texts("paid fine court lawyer", 300))
    assert (same.method, same.drifted, moved.method, moved.drifted) == (drifting.TEXT_METHOD, False, drifting.TEXT_METHOD, True)
    error = math.sqrt((150 + 300 + 1) / (12 * 150 * 300))
    assert same.verdict["margin"] == pytest.approx(1.645 * error)
    assert one(pin, ["the"] * 100, ["of"] * 100).method == "jensenshannon", "without a telling word they are labels"


def calibrated(pin: Pin, values: Any, *, size: int) -> OwnWindows:
    column = pd.Series(values)
    return own_windows(pin, column, profile_of(pin, column), Cut.of(np.arange(len(column)), window_rows=size))


def test_thresholds_come_from_the_references_own_windows_and_the_verdict_says_so() -> None:
    steps = np.cumsum(normal(4_000, seed=5)) / 10
    own = calibrated(NUMBER, steps[-400:], size=400)
    assert own.distance is not None
    blind, minded = one(NUMBER, steps[-400:], steps[-200:] + 1), one(NUMBER, steps[-400:], steps[-200:] + 1, own)
    assert (blind.drifted, minded.drifted) == (True, False), "a walk is often so far off"
    verdict = minded.verdict
    assert verdict is not None
    assert (
        told(minded)[0]["origin"] == "from 13 disjoint windows of 30 rows of the reference's own time; provisional: at least 20 are needed"
    )
    assert verdict["is_provisional"]
    assert verdict["threshold"] > verdict["value"]
    assert OwnWindows.from_json(json.loads(json.dumps(own.to_json()))) == own
    few = calibrated(NUMBER, steps[:70], size=1_500)
    assert few.distance is None
    assert told(one(NUMBER, steps[:70], steps[-300:], few))[0]["origin"].endswith(
        "the reference has room for 2 windows of 30 rows, and 3 are needed; provisional"
    )
    other = one(Pin("c", "numeric", "numeric", "psi", 0.1), steps, steps[-300:], own)
    assert any("measured by another distance" in verdict["origin"] for verdict in told(other))


def test_a_stored_verdict_holds_no_words_and_is_told_in_the_same_ones() -> None:
    steps = np.cumsum(normal(4_000, seed=5)) / 10
    own = calibrated(NUMBER, steps[-400:], size=400)
    gaps = np.where(np.arange(200) % 9 == 0, math.nan, steps[-200:])
    side = look(
        NUMBER, reference=profile_of(NUMBER, pd.Series(steps[-400:])), window=profile_of(NUMBER, pd.Series(gaps)), own=own, doubt=basis.TWIN
    )
    (found,) = judged([side], level=0.01, persistence=Persistence(windows=2, of=3), earlier=[{("c", "data", "distance"): True}])
    kept = json.dumps(found.verdict)
    assert not [word for word in re.findall(r'"([^"]*)"', kept) if len(word) > 20], "words are made when it is shown"
    words = told(replace(found, verdict=json.loads(kept)))
    assert len(words) == len(found.verdicts) == 3
    assert len(kept) < 0.65 * len(json.dumps(words))
    said = {one["method"]: one for one in words}["wasserstein"]
    assert said["sentence"].endswith("looks, 2 of 3 are needed)")
    assert said["origin"].startswith("from 13 disjoint windows of 30 rows of the reference's own time; provisional: at least 20 are needed")
    assert said["origin"].endswith("The next training keeps it")
    old = {"family": "data", "method": "wasserstein", "sentence": "as it was told then", "origin": "there", "also": []}
    assert told(replace(found, verdict=old)) == [old]


def test_flags_labels_and_constants_are_calibrated_as_they_are_compared() -> None:
    flag = (np.arange(3_000) // 300 % 2).astype(float)  # set for hours, then not
    own = calibrated(NUMBER, flag, size=200)
    assert own.distance is not None
    assert own.distance.method == "G"
    assert not one(NUMBER, flag, [1.0] * 200, own).drifted
    assert one(NUMBER, flag, [1.0] * 200).drifted
    assert calibrated(LABEL, np.where(flag > 0, "on", "off"), size=200).distance == own.distance
    constant = calibrated(NUMBER, np.full(3_000, 5.0), size=200)
    assert (constant.distance, constant.note) == (None, basis.ALIKE)
    assert calibrated(Pin("c", "text", "text", drifting.TEXT_METHOD, 0.6), ["a b"] * 900, size=100).note == basis.TEXTS


def test_the_cost_of_a_long_reference_is_bounded_and_its_whole_time_is_seen() -> None:
    cut = Cut.of(np.arange(100_000), window_rows=200)
    assert len(cut.parts) == 60
    assert (cut.parts[0], cut.parts[-1]) == (slice(0, 200), slice(99_800, 100_000))


def test_drifts_persist_by_the_same_test_in_enough_of_the_last_looks() -> None:
    reference = normal(1_000, seed=0)
    twice, earlier = Persistence(2, 3), list[dict[Test, bool]]()
    said = []
    for shift in (0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0):
        drifts = judged([looked(NUMBER, reference, normal(300, seed=9) + shift)], level=0.01, persistence=twice, earlier=earlier)
        said.append((drifts[0].drifted, persists(drifts[0])))
        earlier.insert(0, alarms(drifts))
    assert said == [(False, False), (True, False), (False, False), (True, True), (False, False), (False, False), (False, False)]
    assert "(so in 2 of its last 3 looks, 2 of 3 are needed)" in told(drifted_at(reference, earlier[3:5], twice))[0]["sentence"]
    (plain,) = judged([looked(NUMBER, reference, normal(300, seed=9))], level=0.01)
    assert persists(plain) is None
    lost, moved = {("c", "data quality", "missing_share"): True}, looked(NUMBER, reference, normal(300, seed=9, shift=1))
    (mixed,) = judged([moved], level=0.01, persistence=Persistence(2, 2), earlier=[lost])
    assert (mixed.drifted, persists(mixed)) == (True, False), "two different tests do not persist together"


def drifted_at(reference: np.ndarray, earlier: Sequence[Mapping[Test, bool]], persistence: Persistence) -> Drift:
    (found,) = judged([looked(NUMBER, reference, normal(300, seed=9) + 1)], level=0.01, persistence=persistence, earlier=earlier)
    return found


def test_windows_of_chance_alarm_at_the_stated_rate() -> None:
    random, wrong, trials = np.random.default_rng(11), 0, 200
    pins = [Pin("a", "numeric", "numeric", "wasserstein", 0.0), Pin("b", "categorical", "categorical", "jensenshannon", 0.0)]
    for _ in range(trials):
        rows = pd.DataFrame({"a": random.lognormal(size=900), "b": random.choice([*"abcdef", None], 900)})
        found = judged([looked(pin, rows[pin.column][:600], rows[pin.column][600:]) for pin in pins], level=0.1)
        wrong += any(drift.drifted for drift in found)
    assert 0.02 < wrong / trials <= 0.1 + 2 * math.sqrt(0.1 * 0.9 / trials)
