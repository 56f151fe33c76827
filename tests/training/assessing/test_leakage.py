"""Leakage is warned of by name, number and cure; honest columns are left alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml.spec import ModelSpec
from ml.training.assessing import copies, leakage
from ml.training.assessing.facts import ColumnImportance, Importance, Suspicion
from ml.training.assessing.importance import permutation
from ml.training.evaluation import measure, predict
from ml.training.pipeline import assemble, columns_step, model_step
from tests.conftest import DATA
from tests.training.assessing.frames import parts, shop

RNG = np.random.default_rng(0)


def with_column(values: Any, kind: str = "numeric", **changes: Any) -> tuple[ModelSpec, pd.DataFrame]:
    frame = parts(600)[0].assign(extra=values)
    features = {"numeric": ["age", "spent"], "categorical": ["city"]}
    return shop(features={**features, kind: [*features.get(kind, []), "extra"]}, **changes), frame


def found(spec: ModelSpec, frame: pd.DataFrame) -> list[tuple[str, str | None]]:
    return [(one.kind, one.column) for one in leakage.of_columns(spec, frame)]


def bought(flips: int = 0) -> pd.Series:
    target = parts(600)[0]["bought"].copy()
    target.iloc[:flips] = target.iloc[:flips].map({"yes": "no", "no": "yes"})
    return target


def test_honest_columns_are_not_suspected() -> None:
    spec, frame = with_column(RNG.normal(size=600))
    assert found(spec, frame) == []


def test_a_column_that_is_the_target_is_named_with_its_cure() -> None:
    spec, frame = with_column(bought(), "categorical")
    (one,) = leakage.of_columns(spec, frame)
    assert (one.kind, one.column, one.value) == ("equal_to_target", "extra", 1.0)
    assert one.sentence == (
        "Column 'extra' has the value of the target 'bought' in 100 % of 600 rows: it is the answer, which nobody knows when a prediction "
        "is asked for. Move it to features.ignore and train again."
    )


def test_a_column_that_is_nearly_the_target_is_too() -> None:
    assert found(*with_column(bought(flips=6), "categorical")) == [("equal_to_target", "extra")]
    assert found(*with_column(bought(flips=30), "categorical")) == []


def test_a_number_that_is_the_target_of_a_regression_is_found() -> None:
    paid = parts(600)[0]["paid"]
    regression: dict[str, Any] = {"task": "regression", "target": "paid", "positive": None}
    assert found(*with_column(paid, **regression)) == [("equal_to_target", "extra")]
    assert found(*with_column(paid * 1.2 + 3, **regression)) == [("predicts_alone", "extra")]
    assert found(*with_column(paid + RNG.normal(0, 20, 600), **regression)) == []


@pytest.mark.parametrize("kind", ["numeric", "categorical"])
def test_a_column_that_tells_the_target_in_other_words_is_found(kind: str) -> None:
    codes = bought().map({"yes": 3, "no": 8})
    spec, frame = with_column(codes if kind == "numeric" else codes.astype(str), kind)
    (one,) = leakage.of_columns(spec, frame)
    assert (one.kind, one.column) == ("predicts_alone", "extra")
    assert one.value > leakage.ALONE_SCORE
    assert "alone predicts 'bought' with a ROC AUC of" in one.sentence


def test_a_moment_that_tells_the_target_is_found() -> None:
    hours = np.where(bought() == "yes", 3, 15)
    spec, frame = with_column(pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(hours, unit="h"), "datetime")
    assert found(spec, frame) == [("predicts_alone", "extra")]


def test_a_column_that_tells_each_of_several_classes_is_found() -> None:
    spec, frame = with_column(parts(600)[0]["mood"].map({"bad": 1, "fair": 2, "good": 3}), task="multiclass", target="mood", positive=None)
    assert found(spec, frame) == [("predicts_alone", "extra")]


def told(texts: list[str], labels: Any) -> tuple[Suspicion, ...]:
    spec = shop(task="multiclass", target="label", positive=None, id=None, features={"text": ["extra"]})
    return leakage.of_columns(spec, pd.DataFrame({"extra": texts, "label": labels}))


def test_a_text_into_which_the_label_was_written_is_found_and_one_that_only_is_about_it_is_not() -> None:
    random = np.random.default_rng(5)
    labels = random.choice(["late_parcel", "refund", "other"], 300)
    written = [" ".join(random.choice(["my", "box", "came", "paid", "why"], 8)) for _ in labels]
    (one,) = told([f"{text}. Ticket closed as {label}" for text, label in zip(written, labels, strict=True)], labels)
    assert (one.kind, one.column, one.value) == ("predicts_alone", "extra", 1.0)
    assert "Single words of column 'extra' tell 'label' with a ROC AUC of 1.000, such as" in one.sentence
    assert "take them out of the texts" in one.sentence
    hints = {"late_parcel": "came", "refund": "paid", "other": "why"}
    about = [
        f"{text} {hints[label] if chance < 0.9 else 'hm'}" for text, label, chance in zip(written, labels, random.random(300), strict=True)
    ]
    assert told(about, labels) == ()
    assert told(written, labels) == ()
    assert told(["", *written[:9]], labels[:10]) == (), "ten texts are too few"


def test_a_text_that_only_is_the_label_or_one_of_a_few_sentences_is_found() -> None:
    labels = bought()
    assert [one.kind for one in told(list(labels), labels)] == ["equal_to_target"]
    said = labels.map({"yes": "Thanks for buying!", "no": "See you again."})
    assert [one.kind for one in told(list(said), labels)] == ["predicts_alone"]


def test_queries_are_not_told_by_single_words() -> None:
    frame = pd.read_csv(needs("banking77/train.csv"))
    assert told(list(frame["text"]), frame["category"]) == ()


def test_labels_that_never_come_twice_are_like_an_id() -> None:
    spec, frame = with_column([f"k{number}" for number in range(600)], "categorical")
    (one,) = leakage.of_columns(spec, frame)
    assert (one.kind, one.column) == ("like_an_id", "extra")
    assert "has 100 % different values in 600 rows, as an id has" in one.sentence


def test_numbers_that_count_the_rows_are_like_an_id_and_measurements_are_not() -> None:
    assert found(*with_column(RNG.permutation(600) + 10_000)) == [("like_an_id", "extra")]
    assert found(*with_column(RNG.choice(10_000_000, 600, replace=False))) == []
    assert found(*with_column(RNG.normal(size=600))) == []
    assert found(*with_column(np.arange(600) // 2)) == []


def test_empty_and_constant_columns_are_passed_over() -> None:
    assert found(*with_column([None] * 600, "categorical")) == []
    assert found(*with_column([np.nan] * 600)) == []
    assert found(*with_column([1.0] * 600)) == []
    spec, frame = with_column([1.0] * 600)
    assert found(spec, frame.iloc[:0]) == []


def importance(first: float, second: float, more: int = 2) -> Importance:
    means = [first, second, *[0.0] * (more - 1)]
    columns = tuple(ColumnImportance(column=f"c{place}", mean=mean, deviation=0.0) for place, mean in enumerate(means))
    return Importance(metric="roc_auc", rows=100, repeats=5, columns=columns)


@pytest.mark.parametrize(
    ("first", "second", "suspected"),
    [(0.16, 0.05, True), (0.159, 0.05, False), (0.16, 0.06, False), (0.3, 0.1, True), (0.3, -0.1, True)],
)
def test_one_column_carries_the_skill_from_a_share_and_a_distance_on(first: float, second: float, suspected: bool) -> None:
    one = leakage.carries_the_skill(shop(), importance(first, second), {"roc_auc": 0.9}, {"roc_auc": 0.5})
    assert (one is not None) is suspected


def test_what_carries_the_skill_is_said_with_its_numbers() -> None:
    one = leakage.carries_the_skill(shop(), importance(0.24, 0.03), {"roc_auc": 0.9}, {"roc_auc": 0.5})
    assert one is not None
    assert one.sentence == (
        "Column 'c0' carries 60 % of the model's skill: shuffling it costs 0.240 of roc_auc, the next column ('c1') 0.030. If its value is "
        "known only together with the outcome, move it to features.ignore and train again."
    )


def test_a_model_of_two_columns_or_without_skill_has_no_carrier() -> None:
    assert leakage.carries_the_skill(shop(), importance(0.3, 0.0, more=1), {"roc_auc": 0.9}, {"roc_auc": 0.5}) is None
    assert leakage.carries_the_skill(shop(), importance(0.3, 0.0), {"roc_auc": 0.5}, {"roc_auc": 0.5}) is None
    assert leakage.carries_the_skill(shop(), importance(0.3, 0.0), {}, {"roc_auc": 0.5}) is None


def test_the_same_rows_on_both_sides_are_warned_of() -> None:
    development, test = parts(600)
    assert copies.same_rows(shop(), development=development, test=test) is None
    test.iloc[:70] = development.iloc[:70]
    one = copies.same_rows(shop(), development=development, test=test)
    assert one is not None
    assert (one.kind, one.value) == ("same_rows", pytest.approx(70 / 600))
    assert one.sentence.startswith("12 % of 600 test rows have the same features and target as a row of the development part, ")
    assert "Declare as group:" in one.sentence


@pytest.mark.parametrize(("copied", "suspected"), [(60, False), (61, True)])
def test_copies_are_a_matter_of_their_share(copied: int, suspected: bool) -> None:
    development, test = parts(600)
    test.iloc[:copied] = development.iloc[:copied]
    assert (copies.same_rows(shop(), development=development, test=test) is not None) is suspected


def test_a_copy_with_another_answer_is_none() -> None:
    development, test = parts(600)
    test.iloc[:300] = development.iloc[:300]
    test.loc[:299, "bought"] = test.loc[:299, "bought"].map({"yes": "no", "no": "yes"})
    assert copies.same_rows(shop(), development=development, test=test) is None


@pytest.mark.parametrize("columns", [["city", "mood"], ["mood"], ["city"]])
def test_coarse_columns_that_meet_again_by_chance_are_no_copies(columns: list[str]) -> None:
    spec = shop(features={"categorical": columns})
    development, test = parts(600)
    found = copies.copies(spec, development=development, test=test)
    assert (found.share, found.rows) == (1.0, 600)
    assert copies.same_rows(spec, development=development, test=test) is None


def test_missing_values_are_alike_in_copies() -> None:
    development, test = parts(600)
    development["age"] = test["age"] = np.nan
    test.iloc[:200] = development.iloc[:200]
    assert copies.copies(shop(), development=development, test=test).share == pytest.approx(200 / 600)


def needs(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"needs the data set {name}")
    return path


def declared(frame: pd.DataFrame, target: str, **changes: Any) -> ModelSpec:
    numeric = [name for name in frame.select_dtypes("number") if name != target]
    rest = [name for name in frame if name not in {*numeric, target}]
    return shop(target=target, id=None, features={"numeric": numeric, "categorical": rest}, **changes)


def halves(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    drawn = np.random.default_rng(0).random(len(frame)) < 0.2
    return frame[~drawn].reset_index(drop=True), frame[drawn].reset_index(drop=True)


def looked_at(spec: ModelSpec, frame: pd.DataFrame) -> tuple[Suspicion, ...]:
    """What is suspected of a small boosted model on a random split."""
    import xgboost

    development, test = halves(frame)
    estimator = xgboost.XGBClassifier(n_estimators=40, max_depth=4, learning_rate=0.2, n_jobs=1)
    pipeline = assemble(columns_step(spec, estimator), model_step(spec, estimator)).fit(development, development[spec.target])
    said = predict(pipeline, test, task="binary")
    metrics = measure(
        "binary", labels=test[spec.target], predictions=said.values, probabilities=said.probabilities, positive=str(spec.positive)
    )
    kept: dict[str, Any] = {"importance": permutation(spec, pipeline, test.head(2000)), "metrics": metrics, "baseline": {"roc_auc": 0.5}}
    return leakage.look(spec, development=development, test=test, **kept)


def test_the_duration_of_a_call_is_suspected_of_telling_how_it_ended() -> None:
    frame = pd.read_csv(needs("bank_marketing/bank-additional-full.csv.gz"), sep=";").iloc[::2]
    (one,) = looked_at(declared(frame, "y"), frame)
    assert (one.kind, one.column) == ("carries_the_skill", "duration")


def test_churn_is_predicted_from_honest_columns() -> None:
    frame = pd.read_csv(needs("telco_churn/Telco-Customer-Churn.csv")).drop(columns="customerID")
    frame["TotalCharges"] = pd.to_numeric(frame["TotalCharges"], errors="coerce")
    assert looked_at(declared(frame, "Churn", positive="Yes"), frame) == ()


def test_a_customers_number_among_the_features_is_suspected() -> None:
    frame = pd.read_csv(needs("telco_churn/Telco-Customer-Churn.csv"))
    assert ("like_an_id", "customerID") in found(declared(frame, "Churn", positive="Yes"), frame)


def test_default_is_predicted_from_honest_columns_and_a_row_number() -> None:
    frame = pd.read_csv(needs("give_me_some_credit/cs-training.csv.gz")).iloc[::4]
    frame = frame.rename(columns={frame.columns[0]: "number"}).astype({"SeriousDlqin2yrs": str})
    spec = declared(frame.drop(columns="number"), "SeriousDlqin2yrs", positive="1")
    assert looked_at(spec, frame) == ()


def test_resumes_that_stand_on_both_sides_are_warned_of() -> None:
    frame = pd.read_csv(needs("resume_962/UpdatedResumeDataSet.csv.gz"))
    spec = shop(task="multiclass", target="Category", positive=None, id=None, features={"text": ["Resume"]})
    development, test = halves(frame)
    (one,) = leakage.look(spec, development=development, test=test)
    assert one.kind == "same_rows"
    assert one.value > 0.9
    texts = frame["Resume"].drop_duplicates().sample(33, random_state=0)
    apart = frame["Resume"].isin(texts)
    assert leakage.look(spec, development=frame[~apart], test=frame[apart]) == ()
