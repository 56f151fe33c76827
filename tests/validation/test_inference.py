from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml import specfile
from ml.data.casting import cast, column_kinds
from ml.data.reading import read
from ml.jobs.new import new
from ml.settings import Settings
from ml.spec import Files, ModelSpec
from ml.validation import checks, inference
from ml.validation.inference import infer_suite
from ml.validation.suites import Suite
from tests.conftest import DATA

ROWS = 2000
SPEC = ModelSpec.model_validate(
    {
        "model": "loans",
        "task": "binary",
        "target": "paid",
        "positive": "1",
        "id": "key",
        "time": "at",
        "features": {
            "numeric": ["age", "debt", "late"],
            "categorical": ["region"],
            "text": ["remark"],
            "datetime": ["due"],
            "ignore": ["branch"],
        },
        "data": {"source": {"kind": "files", "urls": ["x/*.csv"]}},
        "training": {"candidates": [{"name": "a", "class": "sklearn.linear_model.LogisticRegression"}]},
    }
)


def loans(seed: int = 1, rows: int = ROWS) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    times = pd.date_range("2024-01-01", periods=rows, freq="h", tz="UTC").astype("datetime64[us, UTC]")
    frame = pd.DataFrame(
        {
            "key": [f"{seed}-{number}" for number in range(rows)],
            "at": times,
            "age": rng.integers(18, 80, rows).astype(float),
            "debt": rng.lognormal(0, 2.5, rows),
            "late": rng.binomial(1, 0.05, rows) * rng.integers(1, 20, rows).astype(float),
            "region": rng.choice(["north", "south", "east"], rows).astype(object),
            "remark": ["pays on the first of each month"] * rows,
            "due": times,
            "branch": ["B1"] * rows,
            "paid": rng.choice(["0", "1"], rows).astype(object),
        }
    )
    frame.loc[rng.random(rows) < 0.1, "debt"] = np.nan
    return frame


def judged(frame: pd.DataFrame, suite: Suite) -> checks.Verdict:
    return checks.validate(frame.reset_index(drop=True), suite=suite, batch="b", source="s")


@pytest.fixture(scope="module")
def suite() -> Suite:
    return Suite("loans", infer_suite(loans(), SPEC))


def test_each_expectation_says_why(suite: Suite) -> None:
    assert all(len(one["meta"]["notes"]) > 20 for one in suite.expectations)
    assert 15 <= len(suite.expectations) <= 30


def test_great_expectations_reads_it_and_writes_the_same(suite: Suite) -> None:
    from ml.validation import quiet

    gx = quiet.load()
    native = gx.ExpectationSuite(name="loans", expectations=suite.expectations)
    written = native.to_json_dict()["expectations"]
    assert [(one["type"], one["kwargs"], one["severity"]) for one in written] == [
        (one["type"], one["kwargs"], one["severity"]) for one in suite.expectations
    ]


@pytest.mark.parametrize(
    ("values", "rows", "kind"), [((0, 1), 40, "set"), ((0, 1), 39, "range"), ((0, 1, 2), 400, "range"), ((0, 0.5), 400, "range")]
)
def test_a_number_with_two_whole_values_is_held_to_these(values: tuple[float, ...], rows: int, kind: str) -> None:
    frame = loans(rows=rows).assign(late=np.resize(values, rows).astype(float))
    mine = [one for one in infer_suite(frame, SPEC)["expectations"] if one["kwargs"].get("column") == "late"]
    (found,) = [one for one in mine if one["type"].endswith(("_in_set", "_values_to_be_between"))]
    assert found["type"] == {"set": "expect_column_values_to_be_in_set", "range": "expect_column_values_to_be_between"}[kind]
    assert found["kwargs"].get("value_set") == ([0, 1] if kind == "set" else None)


def test_flags_of_other_values_are_damage_and_a_new_value_now_and_then_is_not() -> None:
    rows = 400
    flags = np.resize([0.0, 1.0], rows)
    suite = Suite("loans", infer_suite(loans(rows=rows).assign(late=flags), SPEC))
    assert any("'late'" in reason for reason in judged(loans(rows=rows).assign(late=5 * flags), suite).reasons)
    assert judged(loans(rows=rows).assign(late=np.where(np.arange(rows) < 20, 2.0, flags)), suite).passed


@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.parametrize("rows", [20, 200, 4000])
def test_a_like_delivery_passes_whatever_its_size(suite: Suite, seed: int, rows: int) -> None:
    verdict = judged(loans(seed, rows), suite)
    assert verdict.reasons == []


def test_slow_change_is_for_monitoring_and_not_for_quarantine(suite: Suite) -> None:
    frame = loans(4)
    frame["age"] += 8
    frame["debt"] *= 2
    frame.loc[::25, "region"] = "west"
    assert judged(frame, suite).reasons == []


def damaged(kind: str) -> pd.DataFrame:
    frame = loans(5)
    if kind == "a wrong unit in a short tail":
        frame["age"] *= 100
    elif kind == "a wrong unit in a long tail":
        frame["debt"] *= 100
    elif kind == "a wrong unit in a column of zeros":
        frame["late"] *= 100
    elif kind == "gaps where there were none":
        frame.loc[::5, "age"] = np.nan
    elif kind == "more gaps":
        frame.loc[::2, "debt"] = np.nan
    elif kind == "swapped columns":
        frame[["region", "remark"]] = frame[["remark", "region"]].to_numpy()
    elif kind == "garbled labels":
        frame["region"] = frame["region"].str.upper()
    elif kind == "an unknown class":
        frame.loc[0, "paid"] = "maybe"
    elif kind == "an id twice":
        frame.loc[1, "key"] = frame.loc[0, "key"]
    elif kind == "a row without time":
        frame.loc[0, "at"] = pd.NaT
    elif kind == "negative ages":
        frame.loc[::20, "age"] *= -1
    elif kind == "another column":
        frame["surprise"] = 1.0
    return frame


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        ("a wrong unit in a short tail", "'age'"),
        ("a wrong unit in a long tail", "'debt'"),
        ("a wrong unit in a column of zeros", "'late'"),
        ("gaps where there were none", "'age'"),
        ("more gaps", "'debt'"),
        ("swapped columns", "'region'"),
        ("garbled labels", "'region'"),
        ("an unknown class", "'paid'"),
        ("an id twice", "'key'"),
        ("a row without time", "'at'"),
        ("negative ages", "'age'"),
        ("another column", "'surprise'"),
    ],
)
def test_damage_is_caught_and_named(suite: Suite, kind: str, column: str) -> None:
    verdict = judged(damaged(kind), suite)
    assert not verdict.passed
    assert any(column in reason for reason in verdict.reasons)


def test_late_labels_are_a_warning_where_an_id_joins_them(suite: Suite) -> None:
    verdict = judged(loans(6).assign(paid=None), suite)
    assert verdict.passed
    assert any("'paid'" in warning for warning in verdict.warnings)
    without_id = SPEC.model_copy(update={"id": None, "features": SPEC.features.model_copy(update={"ignore": ("branch", "key")})})
    strict = Suite("loans", infer_suite(loans(), without_id))
    assert not judged(loans(6).assign(paid=None), strict).passed


def test_values_that_come_and_go_with_time_are_only_warned_about() -> None:
    frame = loans()
    frame["region"] = np.repeat(["jan", "feb", "mar", "apr"], ROWS // 4)
    verdict = judged(loans(7).assign(region="may"), Suite("loans", infer_suite(frame, SPEC)))
    assert verdict.passed
    assert any("'region'" in warning for warning in verdict.warnings)


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_a_handful_of_rows_gives_a_suite_that_they_pass(rows: int) -> None:
    assert judged(loans(8, rows), Suite("loans", infer_suite(loans(8, rows), SPEC))).reasons == []


def test_columns_of_only_missing_values_are_borne() -> None:
    frame = loans().assign(debt=np.nan, remark=None, due=pd.NaT, region=None)
    assert judged(frame, Suite("loans", infer_suite(frame, SPEC))).reasons == []


def real(settings: Settings, file: str, target: str, **options: str) -> tuple[ModelSpec, pd.DataFrame]:
    path = DATA / file
    if not path.is_file():
        pytest.skip(f"the data set {path.parent.name} is not on this machine")
    if not (settings.dags / "real").exists():
        new(settings, name="real", source=str(path), target=target, **options)
    spec = specfile.load(settings, "real")
    return spec, delivered(path, spec)


def delivered(path: Path, spec: ModelSpec) -> pd.DataFrame:
    assert isinstance(spec.data.source, Files)
    read_as = read(path, name=path.name, csv=spec.data.source.csv)
    names = [name or f"Unnamed: {place}" for place, name in enumerate(read_as.table.column_names)]
    return cast(read_as.table.rename_columns(names), kinds=column_kinds(spec), rows=read_as.rows).frame


REAL = [
    ("telco_churn/Telco-Customer-Churn.csv", "Churn", 2, ["tenure", "MonthlyCharges", "TotalCharges"]),
    ("give_me_some_credit/cs-training.csv.gz", "SeriousDlqin2yrs", 3, ["RevolvingUtilizationOfUnsecuredLines", "age", "DebtRatio"]),
    ("bank_marketing/bank-additional-full.csv.gz", "y", 2, ["age", "duration", "euribor3m", "campaign"]),
]


@pytest.mark.parametrize(("file", "target", "parts", "columns"), REAL)
def test_the_first_part_of_a_real_set_accepts_the_others_and_no_wrong_unit(
    settings: Settings, file: str, target: str, parts: int, columns: list[str]
) -> None:
    spec, frame = real(settings, file, target)
    pieces = [frame.iloc[rows] for rows in np.array_split(np.arange(len(frame)), parts)]
    suite = Suite("real", infer_suite(pieces[0], spec))
    for piece in pieces:
        assert judged(piece, suite).reasons == []
    for column in columns:
        verdict = judged(pieces[-1].assign(**{column: pieces[-1][column] * 100}), suite)
        assert {f"column '{column}'"} == {reason.split(":")[0] for reason in verdict.reasons}
    holes = pieces[-1].copy()
    holes.iloc[::5, holes.columns.get_loc(columns[0])] = np.nan
    assert any(columns[0] in reason and "missing" in reason for reason in judged(holes, suite).reasons)


def test_march_of_the_taxis_accepts_the_pandemic_and_no_wrong_unit(settings: Settings) -> None:
    spec, march = real(settings, "nyc_green_taxi_2020/green_tripdata_2020-03.csv.gz", "total_amount", time="lpep_pickup_datetime")
    suite = Suite("real", infer_suite(march, spec))
    for month in ("04", "12"):
        later = delivered(DATA / f"nyc_green_taxi_2020/green_tripdata_2020-{month}.csv.gz", spec)
        assert judged(later, suite).reasons == []
    for column in ("trip_distance", "fare_amount", "tip_amount"):
        verdict = judged(later.assign(**{column: later[column] * 100}), suite)
        assert any(f"'{column}'" in reason for reason in verdict.reasons)


@pytest.mark.parametrize("step", [0.5, -0.5])
def test_a_column_that_moves_on_with_the_rows_is_only_warned_about(step: float) -> None:
    spec = ModelSpec.model_validate(SPEC.model_dump(by_alias=True) | {"time": None, "features": {"numeric": ["meter", "age"]}})
    rng = np.random.default_rng(3)
    meter = 1e5 + step * np.arange(8000) + rng.normal(0, 20, 8000)
    frame = pd.DataFrame({"key": [f"k{i}" for i in range(8000)], "meter": meter, "age": rng.normal(40, 9, 8000), "paid": ["0", "1"] * 4000})
    suite = Suite("loans", infer_suite(frame.iloc[:2000], spec))
    assert judged(frame.iloc[6000:].reset_index(drop=True), suite).passed
    severities = {(one["kwargs"].get("column"), one["type"]): one["severity"] for one in suite.expectations}
    assert severities["meter", "expect_column_values_to_be_between"] == "warning"
    assert severities["age", "expect_column_values_to_be_between"] == "critical"


@pytest.mark.parametrize("first", [9007199254740993, -9007199254740993, 1_700_000_000])
def test_large_numbers_with_a_small_spread_lie_within_their_own_bounds(first: int) -> None:
    rng = np.random.default_rng(0)
    numbers = (first + 7 * rng.permutation(500)).astype(float)
    suite = infer_suite(loans(rows=500).assign(debt=numbers), SPEC)
    bounds = [one for one in suite["expectations"] if one["kwargs"].get("column") == "debt" and "min_value" in one["kwargs"]]
    assert {one["type"] for one in bounds} == {"expect_column_values_to_be_between", "expect_column_median_to_be_between"}
    for one in bounds:
        assert one["kwargs"]["min_value"] <= numbers.min()
        assert one["kwargs"]["max_value"] >= numbers.max()
    values = next(one["kwargs"] for one in bounds if "values" in one["type"])
    assert values["max_value"] - numbers.max() < 2 * 7 * 500, "the bound still says something"


@pytest.mark.parametrize(("value", "low", "high"), [(1234.56, 1234.0, 1235.0), (-1234.56, -1235.0, -1234.0), (0.0, 0.0, 0.0)])
def test_bounds_are_rounded_outward(value: float, low: float, high: float) -> None:
    assert (inference._floor(value, spread=1e4), inference._ceil(value, spread=1e4)) == (low, high)
