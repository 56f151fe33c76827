"""The watch's test: whoever looks as often as he likes is not led astray, and a worse champion is found."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

from ml.training.eprocess import BETS, Wealth, update, worse
from ml.training.evaluation import Predicted, measure
from ml.training.losses import Loss, block_of, differences, loss_of
from tests.training.test_paired import TASKS, of_task, world

LOOKS, WEEK, DISCORDANCE = 20, 336, 0.12


def drawn(mean: float, random: np.random.Generator, rows: int = LOOKS * WEEK) -> np.ndarray:
    """Differences of 0/1 losses of two models that answer 12 % of the rows differently."""
    chance = random.random(rows)
    return np.where(chance < (DISCORDANCE + mean) / 2, 1.0, np.where(chance < DISCORDANCE, -1.0, 0.0))


def look_of_alarm(values: np.ndarray, level: float = 0.05) -> int | None:
    wealth = Wealth()
    for look, week in enumerate(np.array_split(values, LOOKS), start=1):
        wealth = update(wealth, week)
        if worse(wealth, level):
            return look
    return None


def alarms(mean: float, trials: int, seed: int = 0) -> list[int | None]:
    random = np.random.default_rng(seed)
    return [look_of_alarm(drawn(mean, random)) for _ in range(trials)]


def test_wealth_is_the_product_of_the_bets() -> None:
    values = np.array([1.0, -0.5, 0.0, 0.25])
    found = update(Wealth(), values)
    assert found.log_wealth == pytest.approx([np.log(np.prod(1 + bet * values)) for bet in BETS])
    paths = np.array([np.mean([np.prod(1 + bet * values[:end]) for bet in BETS]) for end in range(1, 5)])
    assert found.peak == pytest.approx(np.log(paths.max()))
    assert found.units == 4


def test_the_answer_does_not_depend_on_when_one_looks() -> None:
    values = drawn(0.03, np.random.default_rng(1), 1000)
    at_once, one_by_one = update(Wealth(), values), Wealth()
    for part in np.array_split(values, 37):
        one_by_one = update(one_by_one, part)
    assert one_by_one.log_wealth == pytest.approx(at_once.log_wealth)
    assert one_by_one.peak == pytest.approx(at_once.peak)
    assert update(at_once, []) == at_once


def test_wealth_survives_json() -> None:
    wealth = update(Wealth(), [0.5, -0.25])
    assert Wealth.model_validate_json(wealth.model_dump_json()) == wealth
    with pytest.raises(ValueError, match="one for each"):
        Wealth(log_wealth=(0.0,))


@pytest.mark.parametrize("value", [np.nan, 1.1, -1.1, np.inf])
def test_what_is_no_bounded_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"in \[-1, 1\]"):
        update(Wealth(), [0.0, value])


def test_the_level_is_that_of_the_peak() -> None:
    wealth = Wealth(peak=float(np.log(20)))
    assert worse(wealth, 0.05)
    assert not worse(wealth, 0.0499)


def test_equal_models_are_seldom_rolled_back_and_worse_ones_are_found() -> None:
    """At most 5 % over twenty looks (0.05 and three binomial standard errors); a fixed 5 % test at each look errs four times as often."""
    random = np.random.default_rng(2)
    equal = [drawn(0.0, random) for _ in range(400)]
    ours = np.mean([look_of_alarm(values) is not None for values in equal])
    assert ours < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)
    sums = np.cumsum([np.add.reduceat(values, np.arange(0, len(values), WEEK)) for values in equal], axis=1)
    naive = np.mean((sums / np.sqrt(DISCORDANCE * WEEK * np.arange(1, LOOKS + 1)) > 1.645).any(axis=1))
    assert naive > 0.15
    assert np.median([look or LOOKS + 1 for look in alarms(0.04, 60)]) <= 3
    assert np.median([look or LOOKS + 1 for look in alarms(0.02, 60)]) <= 9


def test_better_models_stay() -> None:
    assert not any(alarms(-0.02, 40))


def test_blocks_follow_the_memory_of_the_differences() -> None:
    random = np.random.default_rng(3)
    noise = random.normal(size=9000)
    assert block_of(noise) == 1
    assert block_of(lfilter([1], [1, -0.5], noise)) in {4, 8}
    assert block_of(lfilter([1], [1, -0.9], noise)) in {32, 64, 128}
    assert block_of(np.zeros(100)) == 1
    assert block_of([]) == 1


def test_blocks_keep_the_promise_under_autocorrelation() -> None:
    """Equal models whose differences have a correlation of .9 from row to row: by rows half of the watches would end in a rollback."""
    random, by_rows, by_blocks = np.random.default_rng(4), 0, 0
    for _ in range(200):
        latent = lfilter([1], [1, -0.9], random.normal(size=LOOKS * WEEK + 200))[200:] * np.sqrt(1 - 0.81)
        values = np.where(latent > 1.555, 1.0, np.where(latent < -1.555, -1.0, 0.0))
        by_rows += look_of_alarm(values) is not None
        by_blocks += look_of_alarm(values.reshape(-1, 48).mean(axis=1)) is not None
    assert by_rows / 200 > 0.25
    assert by_blocks / 200 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


@pytest.mark.parametrize(("task", "metric"), TASKS)
def test_differences_are_bounded_and_positive_where_the_new_champion_is_worse(task: str, metric: str) -> None:
    spec = of_task(task, metric)
    labels, better, poorer = world(task, 3000)
    loss = loss_of(spec, labels, poorer, better)
    values = differences(spec, labels, poorer, better, loss)
    assert np.abs(values).max() <= 1
    assert values.mean() > 0
    assert differences(spec, labels, better, poorer, loss) == pytest.approx(-values)
    assert not differences(spec, labels, better, better, loss).any()
    assert Loss.model_validate_json(loss.model_dump_json()) == loss


def of(labels: np.ndarray, new: Predicted, old: Predicted, task: str, metric: str, name: str | None = None) -> float:
    """How much worse the new one is by the metric itself."""

    def value(said: Predicted) -> float:
        positive = "yes" if task == "binary" else None
        return measure(task, labels=labels, predictions=said.values, probabilities=said.probabilities, positive=positive)[metric]  # type: ignore[arg-type]

    return value(old) - value(new)


def test_means_of_the_differences_are_those_of_the_metric() -> None:
    labels, new, old = world("binary", 40_000)
    spec = of_task("binary", "roc_auc")
    values = differences(spec, labels, new, old, loss_of(spec, labels, new, old))
    assert len(values) == (labels == "yes").sum()
    assert values.mean() == pytest.approx(of(labels, new, old, "binary", "roc_auc"), abs=4 * values.std() / np.sqrt(len(values)))
    spec = of_task("binary", "brier")
    values = differences(spec, labels, new, old, loss_of(spec, labels, new, old))
    assert values.mean() == pytest.approx(-of(labels, new, old, "binary", "brier"))
    labels, new, old = world("multiclass", 3000)
    spec = of_task("multiclass", "balanced_accuracy")
    values = differences(spec, labels, new, old, loss_of(spec, labels, new, old))
    scale = 3 * pd.Series(labels).value_counts(normalize=True).min()
    assert values.mean() / scale == pytest.approx(of(labels, new, old, "multiclass", "balanced_accuracy"))


def test_ranking_uses_every_row_once_and_needs_both_classes() -> None:
    spec, loss = of_task("binary", "roc_auc"), Loss(metric="roc_auc")
    labels = np.array(["no", "yes", "no", "no", "yes"], dtype=object)

    def scored(*chances: float) -> Predicted:
        return Predicted(labels, pd.DataFrame({"yes": chances}))

    values = differences(spec, labels, scored(0.5, 0.5, 0.1, 0.9, 0.8), scored(0.4, 0.5, 0.1, 0.2, 0.8), loss)
    assert values.tolist() == [0.25, 1.0]
    assert len(differences(spec, labels[[0, 2]], Predicted(labels[[0, 2]], None), Predicted(labels[[0, 2]], None), loss)) == 0


def test_a_missing_prediction_is_wholly_wrong() -> None:
    labels = np.array([1.0, 2.0])
    spec, right = of_task("regression", "mae"), Predicted(np.array([1.0, 2.0]), None)
    assert differences(spec, labels, Predicted(np.array([np.nan, 2.5]), None), right, Loss(metric="mae", clip=2.0)).tolist() == [1.0, 0.25]
    labels = np.array(["yes", "no"], dtype=object)
    broken, sure = (pd.DataFrame({"no": no, "yes": yes}) for no, yes in (([np.nan, np.nan], [np.nan, np.nan]), ([0.0, 1.0], [1.0, 0.0])))
    for metric in ("brier", "roc_auc"):
        values = differences(of_task("binary", metric), labels, Predicted(labels, broken), Predicted(labels, sure), Loss(metric=metric))
        assert set(values) == {1.0}


@pytest.mark.parametrize(("metric", "expected"), [("mae", [0.5, 1.0]), ("rmse", [0.25, 1.0]), ("r2", [0.25, 1.0])])
def test_errors_beyond_the_clip_count_as_the_clip(metric: str, expected: list[float]) -> None:
    labels, right = np.zeros(2), Predicted(np.zeros(2), None)
    values = differences(of_task("regression", metric), labels, Predicted(np.array([1.0, 9.0]), None), right, Loss(metric=metric, clip=2.0))
    assert values.tolist() == expected


def test_an_entity_is_one_unit() -> None:
    labels, right = np.zeros(5), Predicted(np.zeros(5), None)
    new, groups = Predicted(np.array([1.0, 0.0, 1.0, 1.0, 0.0]), None), np.array(["a", "b", "a", None, None], dtype=object)
    spec = of_task("regression", "mae", group="who")
    assert differences(spec, labels, new, right, Loss(metric="mae", clip=1.0), groups=groups).tolist() == [1.0, 0.0, 1.0, 0.0]
    in_blocks = differences(spec, labels, new, right, Loss(metric="mae", clip=1.0, block=2), groups=groups)
    assert in_blocks.tolist() == [2 / 3, 1 / 2], "two blocks are coarser than four entities"


def test_a_block_is_one_unit_and_none_is_lost() -> None:
    spec, labels = of_task("regression", "mae", time="at"), np.zeros(7)
    new, right = Predicted(np.arange(7) / 7, None), Predicted(np.zeros(7), None)
    values = differences(spec, labels, new, right, Loss(metric="mae", clip=1.0, block=3))
    assert values == pytest.approx([np.mean([0, 1, 2, 3]) / 7, np.mean([4, 5, 6]) / 7])
    assert (
        len(differences(spec, labels[:2], Predicted(new.values[:2], None), Predicted(right.values[:2], None), Loss(metric="mae", block=3)))
        == 1
    )
    empty: dict[str, Any] = {"labels": [], "new": Predicted(np.array([]), None), "old": Predicted(np.array([]), None)}
    assert len(differences(spec, loss=Loss(metric="mae"), **empty)) == 0


def test_the_weights_of_f1_are_its_slopes() -> None:
    labels, new, old = world("binary", 20_000)
    spec = of_task("binary", "f1")
    values = differences(spec, labels, new, old, loss_of(spec, labels, new, old))
    score = measure("binary", labels=labels, predictions=old.values, positive="yes")["f1"]
    together = ((labels == "yes").sum() + (old.values == "yes").sum()) / len(labels)
    assert values.mean() * (2 - score) / together == pytest.approx(of(labels, new, old, "binary", "f1"), rel=0.1)
