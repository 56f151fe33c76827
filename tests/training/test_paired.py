"""The paired test: the textbook's tests where rows are exchangeable, and the stated size where they are not."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.signal import lfilter

from ml.spec import METRICS, ModelSpec
from ml.training.evaluation import Predicted, gain, measure
from ml.training.paired import PairedTest, Units, compare, units
from tests.training.worlds import spec_of

TASKS = [(task, metric) for task, metrics in METRICS.items() for metric in metrics]


def of_task(task: str, metric: str | None = None, **changes: Any) -> ModelSpec:
    positive = {"positive": "yes"} if task == "binary" else {"positive": None}
    return spec_of(task=task, promotion={"metric": metric}, **positive, **changes)


def world(task: str, rows: int, seed: int = 0) -> tuple[np.ndarray, Predicted, Predicted]:
    """Labels, a challenger and a champion that err in different rows."""
    random = np.random.default_rng(seed)
    if task == "regression":
        labels = random.normal(size=rows)
        return (
            labels,
            Predicted(labels + random.normal(size=rows) * 0.5, None),
            Predicted(labels * 0.8 + random.normal(size=rows) * 0.6, None),
        )
    names = ["no", "yes"] if task == "binary" else ["a", "b", "c"]
    codes = random.choice(len(names), rows, p=[0.7, 0.3] if task == "binary" else [0.5, 0.3, 0.2])

    def said(strength: float) -> Predicted:
        scores = random.normal(size=(rows, len(names)))
        scores[np.arange(rows), codes] += strength
        table = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        return Predicted(np.array(names, dtype=object)[table.argmax(axis=1)], pd.DataFrame(table.round(2), columns=names))

    return np.array(names, dtype=object)[codes], said(1.2), said(1.0)


def measured(spec: ModelSpec, labels: np.ndarray, said: Predicted, keep: Any = slice(None)) -> float:
    table = None if said.probabilities is None else said.probabilities.iloc[keep]
    found = measure(spec.task, labels=labels[keep], predictions=said.values[keep], probabilities=table, positive=spec.positive)
    return found[spec.metric]


def known(test: PairedTest) -> tuple[float, float]:
    assert test.gain is not None
    assert test.standard_error is not None
    return test.gain, test.standard_error


def of_differences(values: np.ndarray, of: Units) -> PairedTest:
    """The test of given differences a row: mean absolute errors, where the champion's are 10 and the challenger's are less by these."""
    rows = len(values)
    return compare(of_task("regression", "mae"), np.zeros(rows), Predicted(10 - values, None), Predicted(np.full(rows, 10.0), None), of)


@pytest.mark.parametrize(("task", "metric"), TASKS)
def test_the_gain_is_that_of_the_metrics(task: str, metric: str) -> None:
    spec = of_task(task, metric)
    labels, mine, theirs = world(task, 300)
    expected = gain(metric, challenger=measured(spec, labels, mine), champion=measured(spec, labels, theirs))
    assert known(compare(spec, labels, mine, theirs, Units(300)))[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("task", "metric"), TASKS)
def test_the_standard_error_is_that_of_the_jackknife(task: str, metric: str) -> None:
    spec, rows = of_task(task, metric), 200
    labels, mine, theirs = world(task, rows)
    without = []
    for row in range(rows):
        keep = np.delete(np.arange(rows), row)
        without.append(measured(spec, labels, mine, keep) - measured(spec, labels, theirs, keep))
    jackknife = np.sqrt((rows - 1) / rows * np.square(np.array(without) - np.mean(without)).sum())
    assert known(compare(spec, labels, mine, theirs, Units(rows)))[1] == pytest.approx(jackknife, rel=0.03)


def test_the_area_under_the_curve_has_the_error_of_delong() -> None:
    labels, mine, theirs = world("binary", 120)
    positive = labels == "yes"

    def components(said: Predicted) -> tuple[np.ndarray, np.ndarray]:
        assert said.probabilities is not None
        chance = said.probabilities["yes"].to_numpy()
        wins = np.array([[float(x > y) + 0.5 * (x == y) for y in chance[~positive]] for x in chance[positive]])
        return wins.mean(axis=1), wins.mean(axis=0)

    (mine_of_yes, mine_of_no), (theirs_of_yes, theirs_of_no) = components(mine), components(theirs)
    of_yes, of_no = np.cov(mine_of_yes, theirs_of_yes), np.cov(mine_of_no, theirs_of_no)
    covariance = of_yes / positive.sum() + of_no / (~positive).sum()
    expected = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    found = known(compare(of_task("binary", "roc_auc"), labels, mine, theirs, Units(120)))
    assert found == pytest.approx((mine_of_yes.mean() - theirs_of_yes.mean(), expected), rel=1e-10)


def test_means_of_rows_have_the_paired_t_test() -> None:
    labels, mine, theirs = world("regression", 200)
    test = compare(of_task("regression", "mae"), labels, mine, theirs, Units(200))
    expected = stats.ttest_rel(np.abs(theirs.values - labels), np.abs(mine.values - labels), alternative="greater")
    assert test.p_better() == pytest.approx(expected.pvalue)
    assert test.p_worse() == pytest.approx(1 - expected.pvalue)
    low, high = expected.confidence_interval(0.95)[0], stats.ttest_rel(np.abs(theirs.values - labels), np.abs(mine.values - labels))
    assert test.interval(0.9) is not None
    assert test.interval(0.9)[0] == pytest.approx(low)  # type: ignore[index]
    assert test.interval(0.95) == pytest.approx(tuple(high.confidence_interval(0.95)))


def test_hits_have_the_error_of_mcnemar() -> None:
    labels, mine, theirs = world("binary", 2000)
    ours, other = mine.values == labels, theirs.values == labels
    only_mine, only_theirs = int((ours & ~other).sum()), int((~ours & other).sum())
    test = compare(of_task("binary", "accuracy"), labels, mine, theirs, Units(2000))
    mcnemar = stats.norm.sf((only_mine - only_theirs) / np.sqrt(only_mine + only_theirs))
    assert test.p_better() == pytest.approx(mcnemar, rel=0.05)


def test_entities_count_once() -> None:
    values = np.array([1.0, 2.0, 3.0, -1.0, 0.5, 2.5, 4.0, 0.0])
    names = pd.DataFrame({"who": ["a", "a", "b", "c", "c", "c", "d", "b"]})
    test = of_differences(values, units(names, of_task("regression", "mae", group="who")))
    centred = values - values.mean()
    sums = [centred[[0, 1]].sum(), centred[[2, 7]].sum(), centred[[3, 4, 5]].sum(), centred[6]]
    expected = np.sqrt(4 / 3 * np.square(sums).sum()) / 8
    assert (test.units, test.dependence) == (4, "entities")
    assert test.standard_error == pytest.approx(expected)
    assert test.degrees_of_freedom == pytest.approx(8**2 / (4 + 4 + 9 + 1) - 1)


def test_rows_of_a_time_stay_in_one_block_and_blocks_follow_time() -> None:
    random = np.random.default_rng(0)
    days = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(np.sort(random.integers(0, 300, 4000)), unit="D")
    shuffled = random.permutation(4000)
    frame = pd.DataFrame({"at": days[shuffled]})
    blocks = units(frame, of_task("regression", time="at")).blocks
    assert blocks is not None
    sizes = np.bincount(blocks)
    assert len(sizes) == 20
    assert sizes.min() > 150
    assert sizes.max() < 250
    table = pd.DataFrame({"block": blocks, "at": frame["at"]})
    assert (table.groupby("at").block.nunique() == 1).all()
    assert table.sort_values("at").block.is_monotonic_increasing


@pytest.mark.parametrize(("rows", "blocks"), [(10, 4), (319, 4), (400, 5), (1599, 19), (1600, 20), (50_000, 20)])
def test_few_rows_make_few_blocks(rows: int, blocks: int) -> None:
    frame = pd.DataFrame({"at": pd.date_range("2026-01-01", periods=rows, freq="min", tz="UTC")})
    found = units(frame, of_task("regression", time="at")).blocks
    assert found is not None
    assert len(set(found)) == blocks


def test_rows_without_time_come_first_and_rows_without_group_stand_alone() -> None:
    frame = pd.DataFrame(
        {"at": pd.to_datetime([None, "2026-01-02", None, "2026-01-01", "2026-01-03", None, None, None]), "who": list("aab") + [None] * 5}
    )
    found = units(frame, of_task("regression", time="at", group="who"))
    assert found.blocks is not None
    assert found.entities is not None
    assert found.blocks.tolist() == [0, 3, 0, 2, 3, 1, 1, 2]
    assert len(set(found.entities)) == 7
    assert found.take(np.array([0, 1])).rows == 2


def test_of_blocks_and_entities_the_less_certain_decides() -> None:
    random = np.random.default_rng(1)
    rows, who = 2000, random.integers(0, 50, 2000)
    frame = pd.DataFrame({"at": pd.date_range("2026-01-01", periods=rows, freq="h", tz="UTC"), "who": who})
    spec = of_task("regression", "mae", time="at", group="who")
    by_entity = random.normal(size=50)[who]
    by_time = np.repeat(random.normal(size=40), 50)
    assert of_differences(by_entity, units(frame, spec)).dependence == "entities"
    assert of_differences(by_time, units(frame, spec)).dependence == "blocks"


def test_identical_predictions_have_no_error_and_are_neither_better_nor_worse() -> None:
    for task, metric in TASKS:
        labels, mine, _ = world(task, 100)
        test = compare(of_task(task, metric), labels, mine, mine, Units(100))
        assert (test.gain, test.standard_error, test.obstacle) == (0.0, 0.0, None)
        assert (test.p_better(), test.p_worse(), test.p_worse(0.01)) == (1.0, 1.0, 1.0)
        assert test.p_better(-0.01) < 1e-9


def test_units_that_all_say_the_same_are_as_sure_as_the_sign_test() -> None:
    test = of_differences(np.full(4, 0.5), Units(4))
    assert test.p_better() == 0.5**4
    assert test.p_worse() == 1.0


def no_probabilities(said: Predicted) -> Predicted:
    return Predicted(said.values, None)


@pytest.mark.parametrize(
    ("metric", "change", "words"),
    [
        ("roc_auc", "one class", "all 50 rows are of one class"),
        ("roc_auc", "none", "there are no probabilities"),
        ("log_loss", "none", "there are no probabilities"),
        ("brier", "nan", "a probability is no number in 1 of 50 rows"),
        ("roc_auc", "nan", "a probability is no number in 1 of 50 rows"),
    ],
)
def test_what_is_not_defined_says_why(metric: str, change: str, words: str) -> None:
    labels, mine, theirs = world("binary", 50)
    if change == "one class":
        labels = np.full(50, "no", dtype=object)
    if change == "none":
        mine = no_probabilities(mine)
    if change == "nan":
        assert theirs.probabilities is not None
        theirs.probabilities.iloc[3, 1] = np.nan
    test = compare(of_task("binary", metric), labels, mine, theirs, Units(50))
    assert test.obstacle is not None
    assert words in test.obstacle
    assert (test.gain, test.standard_error) == (None, None)
    assert (test.p_better(), test.p_worse(), test.interval(0.9), test.detectable(0.05)) == (1.0, 1.0, None, None)


def test_a_regression_that_predicts_no_number_says_so() -> None:
    labels, mine, theirs = world("regression", 20)
    mine.values[:2] = np.nan
    assert "in 2 of 20 rows (challenger)" in str(compare(of_task("regression"), labels, mine, theirs, Units(20)).obstacle)
    equal = compare(of_task("regression", "r2"), np.ones(20), theirs, theirs, Units(20))
    assert "all 20 labels are equal" in str(equal.obstacle)


def test_one_entity_cannot_tell_a_gain_from_chance() -> None:
    frame = pd.DataFrame({"who": ["a"] * 10})
    test = of_differences(np.arange(10.0), units(frame, of_task("regression", "mae", group="who")))
    assert (test.gain, test.standard_error, test.units) == (4.5, None, 1)
    assert "all rows are of one entity" in str(test.obstacle)
    assert (test.p_better(), test.p_worse(), test.interval(0.9), test.detectable(0.05)) == (1.0, 1.0, None, None)


def test_rows_of_one_time_have_no_order() -> None:
    frame = pd.DataFrame({"at": pd.to_datetime(["2026-01-01"] * 10)})
    test = of_differences(np.arange(10.0), units(frame, of_task("regression", "mae", time="at")))
    assert (test.units, test.dependence) == (10, "rows")


def test_no_rows_define_nothing() -> None:
    empty = pd.DataFrame({"at": pd.to_datetime([]), "who": []})
    spec = of_task("regression", "mae", time="at", group="who")
    found = compare(spec, [], Predicted(np.array([]), None), Predicted(np.array([]), None), units(empty, spec))
    assert (found.gain, found.units) == (None, 0)
    assert "there is no row" in str(found.obstacle)


def test_a_class_of_one_row_makes_nothing_certain() -> None:
    labels = np.array(["yes"] + ["no"] * 99, dtype=object)
    mine, theirs = (
        pd.DataFrame({"no": 1 - chance, "yes": chance}) for chance in (np.r_[0.9, np.zeros(99)], np.r_[0.0, np.linspace(0.1, 0.2, 99)])
    )
    test = compare(of_task("binary", "roc_auc"), labels, Predicted(labels, mine), Predicted(labels, theirs), Units(100))
    assert test.gain == 1.0
    assert test.p_better() > 0.1


def test_a_rare_class_limits_what_is_known() -> None:
    """Welch's degrees of freedom: those of the two means within classes whose difference balanced accuracy is."""
    random = np.random.default_rng(6)
    labels = np.array(["yes"] * 6 + ["no"] * 294, dtype=object)
    said = [Predicted(np.where(random.random(300) < 0.7, labels, "no").astype(object), None) for _ in range(2)]
    test = compare(of_task("binary", "balanced_accuracy"), labels, said[0], said[1], Units(300))
    gained = (said[0].values == labels).astype(float) - (said[1].values == labels)
    parts = [np.var(gained[part], ddof=1) / np.sum(part) for part in (labels == "yes", labels == "no")]
    assert test.standard_error == pytest.approx(np.sqrt(sum(parts)) / 2)
    assert test.degrees_of_freedom == pytest.approx(sum(parts) ** 2 / (parts[0] ** 2 / 5 + parts[1] ** 2 / 293))


def test_a_detectable_gain_is_found_in_four_of_five_trials() -> None:
    random = np.random.default_rng(3)
    first = of_differences(random.normal(size=400), Units(400))
    smallest = first.detectable(0.05)
    assert smallest == pytest.approx((stats.norm.ppf(0.95) + stats.norm.ppf(0.8)) / 20, rel=0.1)
    found = [of_differences(random.normal(smallest, size=400), Units(400)).p_better() < 0.05 for _ in range(400)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.1)


def rejections(differences: np.ndarray, of: Units, margin: float = 0.0) -> float:
    return float(np.mean([of_differences(row, of).p_better(margin) < 0.05 for row in differences]))


@pytest.mark.parametrize(("correlation", "rows"), [(0.0, 300), (0.5, 600), (0.9, 2000)])
def test_the_size_holds_under_autocorrelation(correlation: float, rows: int) -> None:
    noise = np.random.default_rng(4).normal(size=(600, rows + 200))
    differences = lfilter([1], [1, -correlation], noise, axis=1)[:, 200:] + 0.25
    frame = pd.DataFrame({"at": pd.date_range("2026-01-01", periods=rows, freq="h", tz="UTC")})
    of = units(frame, of_task("regression", time="at"))
    limit = 0.06 + 3 * np.sqrt(0.05 * 0.95 / 600)
    assert rejections(differences, of, margin=0.25) < limit
    if correlation:
        assert rejections(differences, Units(rows), margin=0.25) > limit


def test_the_size_holds_for_entities_of_unequal_size() -> None:
    random = np.random.default_rng(5)
    who = np.repeat(np.arange(60), np.maximum(1, random.lognormal(2, 0.7, 60)).astype(int))
    differences = random.normal(size=(600, 60))[:, who] + random.normal(size=(600, len(who)))
    of = units(pd.DataFrame({"who": who}), of_task("regression", group="who"))
    assert rejections(differences, of) < 0.06 + 3 * np.sqrt(0.05 * 0.95 / 600)
    assert rejections(differences, Units(len(who))) > 0.15


@pytest.mark.parametrize("metric", ["roc_auc", "f1", "balanced_accuracy"])
def test_the_size_holds_for_metrics_that_are_no_means(metric: str) -> None:
    spec, rejected = of_task("binary", metric), []
    for seed in range(400):
        random = np.random.default_rng(seed)
        positive = random.random(300) < 0.15
        labels = np.where(positive, "yes", "no").astype(object)

        def said(random: np.random.Generator = random, positive: np.ndarray = positive) -> Predicted:
            chance = 1 / (1 + np.exp(-(random.normal(size=300) + 1.5 * positive - 1)))
            return Predicted(np.where(chance > 0.5, "yes", "no").astype(object), pd.DataFrame({"no": 1 - chance, "yes": chance}))

        rejected.append(compare(spec, labels, said(), said(), Units(300)).p_better() < 0.05)
    assert np.mean(rejected) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)
    assert np.mean(rejected) > 0.01
