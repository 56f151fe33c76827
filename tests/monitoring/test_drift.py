"""Drift values against Evidently's own report, by column name, and the columns that Evidently cannot measure."""

import warnings
from typing import Literal

import numpy as np
import pandas as pd
import pytest

from ml.errors import ModelOwnerError
from ml.monitoring import distances, load_evidently
from ml.monitoring import drift as drifting
from ml.monitoring.drift import Pin, feature_pins
from ml.spec import ModelSpec
from tests.conftest import DATA
from tests.monitoring.two_frames import drift_of, drifts_of


def spec(numeric: str = "wasserstein", categorical: str = "jensenshannon") -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "model": "m",
            "task": "binary",
            "target": "y",
            "positive": "1",
            "features": {
                "numeric": ["normal", "skewed", "few", "holes", "shifted"],
                "categorical": ["label", "unseen", "gaps"],
                "text": ["words"],
                "datetime": ["day"],
            },
            "data": {"source": {"kind": "files", "urls": ["x"]}},
            "training": {"candidates": [{"name": "a", "class": "a.B"}]},
            "monitoring": {
                "drift": {"numeric": numeric, "numeric_threshold": 0.12, "categorical": categorical, "categorical_threshold": 0.15}
            },
        }
    )


def frame(count: int, *, seed: int, shift: float) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    holes = rng.normal(0, 1, count)
    holes[rng.random(count) < 0.3] = np.nan
    words = ["late", "paid", "fine", "call", "letter", *(["lawyer", "court"] if shift else ["thanks", "ok"])]
    return pd.DataFrame(
        {
            "normal": rng.normal(0, 1, count),
            "skewed": rng.lognormal(10, 2, count),
            "few": rng.choice([0.0, 1.0, 2.0], count),
            "holes": holes,
            "shifted": rng.normal(shift, 1, count),
            "label": rng.choice(["a", "b", "c"], count, p=[0.5, 0.3, 0.2]),
            "unseen": rng.choice(["a", "z" if shift else "b"], count),
            "gaps": pd.Series(rng.choice(["a", "b", ""], count)).replace("", None),
            "words": [" ".join(rng.choice(words, 4)) for _ in range(count)],
            "day": pd.Timestamp("2026-01-01", tz="UTC"),
        }
    )


REFERENCE, WINDOW = frame(1500, seed=1, shift=0.0), frame(700, seed=2, shift=0.5)


@pytest.mark.parametrize(("numeric", "categorical"), [("wasserstein", "jensenshannon"), ("psi", "psi"), ("jensenshannon", "jensenshannon")])
def test_the_values_are_those_of_evidentlys_report_column_by_column(numeric: str, categorical: str) -> None:
    load_evidently()
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    declared = spec(numeric, categorical)
    features = declared.features
    definition = DataDefinition(
        numerical_columns=list(features.numeric), categorical_columns=list(features.categorical), text_columns=list(features.text)
    )
    preset = DataDriftPreset(
        columns=[*features.numeric, *features.categorical, *features.text],
        num_method=numeric,
        cat_method=categorical,
        text_method=drifting.TEXT_METHOD,
        num_threshold=0.12,
        cat_threshold=0.15,
        text_threshold=drifting.TEXT_THRESHOLD,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        datasets = [Dataset.from_pandas(side, data_definition=definition) for side in (WINDOW, REFERENCE)]
        metrics = Report([preset]).run(datasets[0], datasets[1]).dict()["metrics"]
    theirs = {one["config"]["column"]: float(one["value"]) for one in metrics if "column" in one["config"]}

    ours = drifts_of(feature_pins(declared), reference=REFERENCE, window=WINDOW)

    assert {one.column: one.value for one in ours} == pytest.approx(theirs, abs=1e-12, rel=1e-12)
    assert sum(one.drifted for one in ours) == metrics[0]["value"]["count"]
    found = {one.column: one.drifted for one in ours}
    assert found["shifted"]
    assert found["unseen"]
    assert found["words"]
    assert not found["normal"]
    assert "day" not in found


def test_total_variation_is_the_distance_itself_and_not_a_p_value() -> None:
    reference, window = pd.Series(["a"] * 50 + ["b"] * 50), pd.Series(["a"] * 80 + ["c"] * 20)
    found = drift_of(Pin("c", "categorical", "categorical", "TVD", 0.1), reference=reference, window=window)
    assert found.value == pytest.approx(0.5)
    assert found.drifted


@pytest.mark.parametrize(("threshold", "drifted"), [(0.2499, True), (0.25, True), (0.2501, False)])
def test_a_column_has_drifted_from_its_threshold_on(threshold: float, drifted: bool) -> None:
    reference = pd.Series(["a"] * 100)
    window = pd.Series(["a"] * 75 + ["b"] * 25)
    found = drift_of(Pin("c", "categorical", "categorical", "TVD", threshold), reference=reference, window=window)
    assert found.value == 0.25
    assert found.drifted is drifted


def pin(kind: Literal["numeric", "categorical", "text"] = "numeric") -> Pin:
    return Pin("c", kind, kind, {"numeric": "wasserstein", "categorical": "jensenshannon", "text": drifting.TEXT_METHOD}[kind], 0.1)


@pytest.mark.parametrize("kind", ["numeric", "categorical", "text"])
def test_a_column_without_values_on_one_side_is_compared_by_its_share_of_missing_values(
    kind: Literal["numeric", "categorical", "text"],
) -> None:
    full = pd.Series([1.0, 2.0, 3.0, 4.0]) if kind == "numeric" else pd.Series(["a b", "c d", "e f", "g h"], dtype=object)
    empty = pd.Series([np.nan] * 4) if kind == "numeric" else pd.Series([None] * 4, dtype=object)
    for reference, window, value in ((full, empty, 1.0), (empty, full, 1.0), (empty, empty, 0.0)):
        found = drift_of(pin(kind), reference=reference, window=window)
        assert (found.method, found.value, found.drifted) == ("missing_share", value, value > 0)


@pytest.mark.parametrize(("known", "drifted"), [(9, False), (10, True), (11, True)])
def test_a_column_that_was_almost_always_empty_has_not_vanished(known: int, drifted: bool) -> None:
    reference = pd.Series([1.0] * known + [np.nan] * (100 - known))
    found = drift_of(pin(), reference=reference, window=pd.Series([np.nan] * 50))
    assert found.drifted is drifted


@pytest.mark.parametrize("kind", ["numeric", "categorical"])
@pytest.mark.parametrize(("before", "now", "drifted"), [
    (0, 9, False), (0, 10, True), (0, 11, True), (0, 90, True),
    (10, 19, False), (10, 20, True), (10, 21, True), (20, 10, True), (50, 50, False),
])  # fmt: skip
def test_missing_values_are_compared_also_where_the_others_have_kept_their_distribution(
    kind: Literal["numeric", "categorical"], before: int, now: int, drifted: bool
) -> None:
    kept = 5.0 if kind == "numeric" else "a"
    reference, window = (
        pd.Series([None] * lost + [kept] * (100 - lost), dtype=float if kind == "numeric" else object) for lost in (before, now)
    )
    found = drift_of(pin(kind), reference=reference, window=window)
    assert found.drifted is drifted
    if drifted:
        assert (found.method, found.value, found.threshold) == ("missing_share", abs(before - now) / 100, 0.1)
    else:
        assert (found.method, found.value) == ("jensenshannon", 0), "a constant is compared as a label"


def test_a_distance_that_has_drifted_is_shown_before_missing_values() -> None:
    reference, window = pd.Series([1.0, 2.0, 3.0] * 50), pd.Series([8.0, 9.0] * 25 + [np.nan] * 50)
    assert drift_of(pin(), reference=reference, window=window).method == "wasserstein"


def test_labels_that_come_late_are_no_drift_of_the_target() -> None:
    target = Pin("y", "target", "categorical", "jensenshannon", 0.1)
    found = drift_of(target, reference=pd.Series(["a", "b"] * 50), window=pd.Series(["a", "b"] * 5 + [None] * 90))
    assert (found.method, found.drifted) == ("jensenshannon", False)


def test_infinities_count_as_missing() -> None:
    found = drift_of(pin(), reference=pd.Series([1.0, 2.0, np.inf]), window=pd.Series([np.inf, -np.inf]))
    assert (found.method, found.drifted) == ("missing_share", True)


def test_a_constant_reference_has_a_finite_distance() -> None:
    constant = pd.Series([5.0] * 100)
    assert drift_of(pin(), reference=constant, window=constant).value == 0
    assert drift_of(pin(), reference=constant, window=constant + 1).drifted


@pytest.mark.parametrize("method", ["wasserstein", "psi", "jensenshannon"])
def test_numbers_near_the_end_of_floats_are_measured_too(method: str) -> None:
    rng = np.random.default_rng(0)
    reference, window = pd.Series(rng.normal(0, 1, 500)), pd.Series(rng.normal(1, 1, 500))
    chosen = Pin("c", "numeric", "numeric", method, 0.1)
    plain = drift_of(chosen, reference=reference, window=window)
    large = drift_of(chosen, reference=reference * 1e306, window=window * 1e306)
    assert large.value == pytest.approx(plain.value)
    assert large.drifted


def test_a_statistic_that_is_no_number_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(distances.NUMERIC, "wasserstein", lambda reference, window: float("nan"))
    with pytest.raises(ModelOwnerError, match="the wasserstein of column 'c' is nan"):
        drift_of(pin(), reference=pd.Series([1.0, 2.0, 3.0]), window=pd.Series([2.0]))


def test_texts_without_a_telling_word_are_compared_as_labels() -> None:
    same = pd.Series(["the"] * 50)
    assert drift_of(pin("text"), reference=same, window=same).value == 0
    found = drift_of(pin("text"), reference=same, window=pd.Series(["of"] * 50))
    assert (found.method, found.drifted) == ("jensenshannon", True)


@pytest.mark.parametrize("texts", [["good day"], [f"{number} a" for number in range(10)] + [f"a {number}" for number in range(10)]])
def test_texts_that_are_all_different_are_never_compared_as_labels(texts: list[str]) -> None:
    found = drift_of(pin("text"), reference=pd.Series(texts[::2]), window=pd.Series([f"b {text}" for text in texts[1::2] or texts]))
    assert (found.method, found.drifted) == (drifting.TEXT_METHOD, False)


def test_texts_that_no_classifier_tells_apart_are_alike_however_hard_it_tried() -> None:
    rng = np.random.default_rng(0)
    words = [f"word{number}" for number in range(2000)]
    known = [" ".join(rng.choice(words, 8)) for _ in range(2000)]
    texts = pd.Series(rng.choice(known, 6000))  # the same texts on both sides: the classifier ends without converging, and says so
    found = drift_of(pin("text"), reference=texts[:3000], window=texts[3000:])
    assert found.method == drifting.TEXT_METHOD
    assert found.value == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(("file", "column"), [("banking77/train.csv", "text"), ("resume_962/UpdatedResumeDataSet.csv.gz", "Resume")])
def test_shuffled_halves_of_real_texts_are_alike(file: str, column: str) -> None:
    if not (DATA / file).is_file():
        pytest.skip(f"the data set {file} is not on this machine")
    texts = pd.read_csv(DATA / file)[column].sample(frac=1, random_state=0).head(2000)
    found = drift_of(pin("text"), reference=texts[::2], window=texts[1::2])
    assert (found.method, found.drifted) == (drifting.TEXT_METHOD, False)
    assert found.value == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(("before", "now", "drifted"), [(0, 1, False), (1, 3, False), (1, 30, True), (0, 100, True)])
def test_a_flag_is_compared_as_a_label(before: int, now: int, drifted: bool) -> None:
    reference, window = (pd.Series([1.0] * ones + [0.0] * (100 - ones)) for ones in (before, now))
    found = drift_of(pin(), reference=reference, window=window)
    assert (found.method, found.kind, found.drifted) == ("jensenshannon", "numeric", drifted)
    as_text = drift_of(pin("categorical"), reference=reference.astype(str), window=window.astype(str))
    assert found.value == pytest.approx(as_text.value)


def test_a_flag_takes_the_declared_statistic_of_labels_and_new_numbers_are_one_label() -> None:
    chosen = drifting.target_pin(spec(categorical="TVD").model_copy(update={"task": "regression"}))
    found = drift_of(chosen, reference=pd.Series([0.0, 1.0] * 50), window=pd.Series([0.0] * 50 + list(np.arange(2.0, 52.0))))
    assert (found.method, found.value, found.threshold) == ("TVD", 0.5, 0.15)
