import gzip
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from ml import specfile
from ml.data import deliveries
from ml.errors import CallError
from ml.jobs.new import NewModel, new
from ml.settings import Settings
from ml.spec import Files, ModelSpec, Rate
from ml.validation import suites
from tests.conftest import DATA


def people(rows: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    return pd.DataFrame(
        {
            "person_id": [f"P-{number:05d}" for number in range(rows)],
            "asked_at": pd.date_range("2024-01-01", periods=rows, freq="h").strftime("%Y-%m-%d %H:%M:%S"),
            "age": rng.integers(18, 90, rows),
            "income": rng.normal(3000, 500, rows).round(2),
            "zip": [f"0{number:04d}" for number in rng.integers(0, 40, rows)],
            "city": rng.choice(["Oslo", "Rome", "Bonn"], rows),
            "remark": [" ".join(rng.choice(["likes", "his", "old", "boat", "very", "much", "indeed"], 6)) for _ in range(rows)],
            "country": "NO",
            "token": [f"t{number}x" for number in rng.permutation(rows)],
            "left": rng.choice(["Yes", "No"], rows, p=[0.2, 0.8]),
        }
    )


def made(settings: Settings, file: Path, *, target: str = "left", **options: str) -> tuple[NewModel, ModelSpec]:
    result = new(settings, name="people", source=str(file), target=target, **options)
    return result, specfile.load(settings, "people")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    people().to_csv(path, index=False)
    return path


def source_of(spec: ModelSpec) -> Files:
    assert isinstance(spec.data.source, Files)
    return spec.data.source


def test_three_files_are_written_and_have_no_fault(settings: Settings, file: Path) -> None:
    result, spec = made(settings, file)
    assert sorted(str(path.relative_to(settings.project)) for path in result.files) == [
        "dags/people/dag.py",
        "dags/people/model.yaml",
        "expectations/people.json",
    ]
    assert suites.inspect(settings, "people") == []
    assert (spec.task, spec.target, spec.positive, spec.id) == ("binary", "left", "Yes", "person_id")


def test_columns_become_what_they_are(settings: Settings, file: Path) -> None:
    _, spec = made(settings, file, time="asked_at")
    assert spec.time == "asked_at"
    assert spec.features.numeric == ("age", "income")
    assert spec.features.categorical == ("zip", "city")
    assert spec.features.text == ("remark",)
    assert spec.features.datetime == ()
    assert spec.features.ignore == ("country", "token")
    assert set(spec.columns) == set(people().columns)


def test_the_declaration_is_commented_and_names_its_schema(settings: Settings, file: Path) -> None:
    made(settings, file)
    text = (settings.dags / "people" / "model.yaml").read_text()
    assert text.splitlines()[0] == "# yaml-language-server: $schema=../../docs/model.schema.json"
    assert 'positive: "Yes"' in text
    assert "- country # always 'NO'" in text
    assert yaml.safe_load(text)["model"] == "people"
    assert all(len(line) <= 140 for line in text.splitlines())


def test_a_rate_of_false_alarms_is_promised(settings: Settings, file: Path) -> None:
    _, spec = made(settings, file)
    assert spec.monitoring.false_alarms == Rate(count=1, period=timedelta(days=90))


def test_airflow_would_look_at_the_dag_file(settings: Settings, file: Path) -> None:
    made(settings, file)
    text = (settings.dags / "people" / "dag.py").read_text()
    assert "dag" in text.lower()
    assert "airflow" in text.lower()
    compile(text, "dag.py", "exec")
    assert text.rstrip().endswith("build(__file__)")


def test_the_file_itself_and_a_folder_for_later_ones_are_the_source(settings: Settings, file: Path) -> None:
    _, spec = made(settings, file)
    assert source_of(spec).urls == (str(file), "people/*.csv", "people/*.csv.gz")


def test_a_file_in_the_project_is_named_relative_to_it_and_found_from_there(settings: Settings) -> None:
    (settings.project / "data").mkdir()
    people().to_csv(settings.project / "data" / "people.csv", index=False)
    _, spec = made(settings, settings.project / "data" / "people.csv")
    assert source_of(spec).urls[0] == "./data/people.csv"
    assert deliveries.find(settings, spec, seen={}) == [str(settings.project / "data" / "people.csv")]
    assert not (settings.incoming / "data").exists()


def test_what_was_inferred_is_told(settings: Settings, file: Path) -> None:
    result, spec = made(settings, file, time="asked_at")
    assert (result.task, result.target, result.positive, result.time, result.id) == ("binary", "left", "Yes", "asked_at", "person_id")
    assert result.features == {"numeric": ["age", "income"], "categorical": ["zip", "city"], "text": ["remark"]}
    assert result.ignored == {"country": "always 'NO'", "token": "300 different values in 300 rows"}
    assert result.rows == 300
    assert result.expectations == len(json.loads(suites.suite_path(settings, "people").read_text())["expectations"])
    assert set(spec.features.ignore) == result.ignored.keys()


def test_nothing_that_exists_is_overwritten(settings: Settings, file: Path) -> None:
    made(settings, file)
    before = {path: path.read_bytes() for path in settings.project.rglob("*") if path.is_file()}
    with pytest.raises(CallError, match=r"model\.yaml.*exist already"):
        made(settings, file)
    assert {path: path.read_bytes() for path in settings.project.rglob("*") if path.is_file()} == before


def test_a_leftover_suite_alone_stops_it_too(settings: Settings, file: Path) -> None:
    suites.suite_path(settings, "people").write_text("{}")
    with pytest.raises(CallError, match=r"people\.json exists already"):
        made(settings, file)
    assert not (settings.dags / "people").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target": "lef"}, "did you mean 'left'"),
        ({"target": "LEFT"}, "did you mean 'left'"),
        ({"target": "left", "time": "asked"}, "did you mean 'asked_at'"),
        ({"target": "left", "id": "nothing_like_it"}, "it has 'person_id'"),
        ({"target": "left", "time": "left"}, "must be different"),
        ({"target": "left", "group": "citi"}, "--group.*did you mean 'city'"),
        ({"target": "left", "group": "left"}, "--group: 'left' is the target already"),
        ({"target": "left", "id": "token", "group": "token"}, "--group: 'token' is the id already"),
        ({"target": "country"}, "nothing to predict"),
        ({"target": "token"}, "several rows of each class"),
        ({"target": "left", "time": "city"}, "not dates or times"),
    ],
)
def test_a_column_that_cannot_be_used_is_a_wrong_call(settings: Settings, file: Path, options: dict[str, str], said: str) -> None:
    with pytest.raises(CallError, match=said):
        made(settings, file, **options)
    assert not list(settings.project.rglob("*.yaml"))


@pytest.mark.parametrize(
    ("name", "said"), [("My Model", "my_model"), ("1a", "starting with a letter"), ("../x", "cannot be"), ("", "cannot be")]
)
def test_a_name_that_is_no_model_name_is_a_wrong_call(settings: Settings, file: Path, name: str, said: str) -> None:
    with pytest.raises(CallError, match=said):
        new(settings, name=name, source=str(file), target="left")


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "is empty"), (b"a,b\n", "no rows"), (b"\x1f\x8b\x08broken", "damaged"), (b"a,a\n1,2\n3,4\n", "stand twice")],
)
def test_a_file_that_cannot_be_read_is_a_wrong_call(settings: Settings, tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "broken.csv"
    path.write_bytes(content)
    with pytest.raises(CallError, match=said):
        new(settings, name="people", source=str(path), target="a")
    with pytest.raises(CallError, match="does not exist"):
        new(settings, name="people", source=str(tmp_path / "gone.csv"), target="a")


@pytest.mark.parametrize(
    ("separator", "decimal", "encoding"), [(";", ",", "utf-8"), ("\t", ".", "utf-8"), ("|", ".", "cp1252"), (";", ".", "utf-8")]
)
def test_the_way_a_csv_is_written_is_found_out(settings: Settings, tmp_path: Path, separator: str, decimal: str, encoding: str) -> None:
    path = tmp_path / "people.csv.gz"
    frame = people().assign(city="Zürich")
    frame.loc[::3, "city"] = "Genève, VD"
    with gzip.open(path, "wt", encoding=encoding, newline="") as stream:
        frame.to_csv(stream, index=False, sep=separator, decimal=decimal)
    _, spec = made(settings, path)
    csv = source_of(spec).csv
    assert (csv.separator, csv.decimal, csv.encoding) == (separator, decimal, encoding)
    assert spec.features.numeric == ("age", "income")
    allowed = [
        one
        for one in suites.load(settings, "people").expectations
        if one["kwargs"].get("column") == "city" and "value_set" in one["kwargs"]
    ]
    assert allowed[0]["kwargs"]["value_set"] == ["Genève, VD", "Zürich"]


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_typed_files_are_read_as_they_are(settings: Settings, tmp_path: Path, form: str) -> None:
    path = tmp_path / f"people.{form}"
    frame = people().assign(left=lambda frame: frame["left"] == "Yes", asked_at=lambda frame: pd.to_datetime(frame["asked_at"]))
    if form == "parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.assign(asked_at=frame["asked_at"].astype(str)).to_json(path, orient="records", lines=True)
    _, spec = made(settings, path, time="asked_at")
    assert (spec.task, spec.positive) == ("binary", "True")
    assert source_of(spec).urls[1] == f"people/*.{form}"


def test_blank_and_marked_gaps_in_numbers_do_not_make_them_labels(settings: Settings, tmp_path: Path) -> None:
    frame = people()
    frame["age"] = frame["age"].astype(str)
    frame.loc[5, "age"] = " "
    frame["income"] = frame["income"].astype(str)
    frame.loc[7, "income"] = "?"
    path = tmp_path / "people.csv"
    frame.to_csv(path, index=False)
    _, spec = made(settings, path)
    assert spec.features.numeric == ("age", "income")
    assert "?" in source_of(spec).csv.missing


def test_the_task_follows_the_target(settings: Settings, file: Path) -> None:
    _, spec = made(settings, file, target="income")
    assert (spec.task, spec.positive, spec.promotion.metric) == ("regression", None, "mae")
    assert [candidate.class_ for candidate in spec.training.candidates] == [
        "sklearn.linear_model.Ridge",
        "sklearn.ensemble.RandomForestRegressor",
        "xgboost.XGBRegressor",
    ]


@pytest.mark.parametrize(("copies", "folds", "trials", "has_blend"), [(1, 5, 6, True), (101, 3, 4, True), (201, 1, 4, False)])
def test_the_effort_suits_the_rows(settings: Settings, tmp_path: Path, copies: int, folds: int, trials: int, has_blend: bool) -> None:
    path = tmp_path / "people.parquet"
    frame = people()[["age", "income", "city", "left"]]
    pd.concat([frame] * copies).to_parquet(path, index=False)
    _, spec = made(settings, path)
    training = spec.training
    assert (training.folds, training.trials, bool(training.ensembles)) == (folds, trials, has_blend)
    assert ("max_samples" in spec.candidate("random_forest").params) == (copies > 1)


def test_free_text_alone_asks_for_linear_models(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    people()[["remark", "left", "zip"]].to_csv(path, index=False)
    _, spec = made(settings, path, target="left")
    assert "random_forest" in [one.name for one in spec.training.candidates]
    (settings.dags / "people" / "model.yaml").unlink()
    (settings.dags / "people" / "dag.py").unlink()
    suites.suite_path(settings, "people").unlink()
    people()[["remark", "left"]].to_csv(path, index=False)
    _, spec = made(settings, path, target="left")
    assert [one.class_.split(".")[1] for one in spec.training.candidates] == ["svm", "linear_model", "naive_bayes"]
    assert spec.training.ensembles == ()


def test_a_group_is_no_feature_and_leaves_free_text_alone(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    people()[["remark", "left", "zip"]].to_csv(path, index=False)
    result, spec = made(settings, path, target="left", group="zip")
    assert (spec.group, spec.features.used, result.group, result.features) == ("zip", ("remark",), "zip", {"text": ["remark"]})
    assert [one.class_.split(".")[1] for one in spec.training.candidates] == ["svm", "linear_model", "naive_bayes"]
    suite = json.loads(suites.suite_path(settings, "people").read_text())["expectations"]
    assert [one["type"] for one in suite if one["kwargs"].get("column") == "zip"] == ["expect_column_values_to_not_be_null"]


def test_many_classes_get_models_that_do_not_slow_down_with_them() -> None:
    from ml.scaffold.training import Size, lines

    content = yaml.safe_load("\n".join(lines(Size("multiclass", 10_000, 77, is_text=True))))["training"]
    assert [one["name"] for one in content["candidates"]] == ["linear_svm", "linear_sgd", "naive_bayes"]
    assert content["candidates"][1]["search"]["alpha"]["low"] == 1e-6
    table = yaml.safe_load("\n".join(lines(Size("multiclass", 10_000, 77, is_text=False))))["training"]
    assert table["candidates"][2]["params"]["n_estimators"] == 100


def test_what_a_new_model_must_show_stands_in_the_declaration(settings: Settings, file: Path) -> None:
    made(settings, file)
    content = yaml.safe_load((settings.dags / "people" / "model.yaml").read_text())
    assert {"minimum_gain", "tolerated_loss", "approval", "watch"} <= {*content["promotion"]}
    assert content["evaluation"] == {"slices": [], "sensitive": []}
    assert {"balance", "calibration", "threshold", "folds"} <= {*content["training"]}


def test_three_classes_are_multiclass(settings: Settings, file: Path) -> None:
    _, spec = made(settings, file, target="city")
    assert (spec.task, spec.positive) == ("multiclass", None)


def test_a_column_that_gives_the_target_away_is_noted_and_kept(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    people().assign(leaving_form=lambda frame: frame["left"].map({"Yes": "sent", "No": "none"})).to_csv(path, index=False)
    result, spec = made(settings, path)
    assert [note for note in result.notes if "'leaving_form'" in note and "features.ignore" in note]
    assert not [note for note in result.notes if "'city'" in note]
    assert "leaving_form" in spec.features.categorical


def test_no_column_gives_away_a_target_of_which_nearly_all_rows_are_of_one_class(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    people(400).assign(left=["Yes", "Yes", *["No"] * 398]).to_csv(path, index=False)
    result, _ = made(settings, path)
    assert not [note for note in result.notes if "alone gives" in note]


def test_odd_column_names_survive(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    names = {"age": "age: in years #1", "income": "yes", "city": "- 'a' \"b\" {c}", "zip": "1"}
    people().rename(columns=names).to_csv(path, index=False)
    _, spec = made(settings, path)
    assert set(names.values()) <= set(spec.columns)


def test_the_first_of_several_files_is_enough(settings: Settings, tmp_path: Path) -> None:
    for month in ("01", "02"):
        people().to_csv(tmp_path / f"p-{month}.csv", index=False)
    result = new(settings, name="people", source=str(tmp_path / "p-*.csv"), target="left")
    assert any("2 files match" in note and "p-01.csv" in note for note in result.notes)
    assert source_of(specfile.load(settings, "people")).urls[0] == str(tmp_path / "p-*.csv")


def test_airflow_mlflow_and_evidently_are_not_loaded_for_it(settings: Settings, file: Path) -> None:
    code = (
        "import sys; from ml.settings import Settings; from ml.jobs.new import new;"
        f"new(Settings.from_env(), name='people', source={str(file)!r}, target='left');"
        "print([name for name in ('airflow', 'mlflow', 'evidently', 'great_expectations') if name in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2]).stdout
    assert output.strip() == "[]"


@pytest.mark.parametrize(
    ("file_name", "target", "options", "expected"),
    [
        ("telco_churn/Telco-Customer-Churn.csv", "Churn", {}, {"task": "binary", "positive": "Yes", "id": "customerID"}),
        ("give_me_some_credit/cs-training.csv.gz", "SeriousDlqin2yrs", {}, {"task": "binary", "positive": "1", "id": None}),
        ("bank_marketing/bank-additional-full.csv.gz", "y", {}, {"task": "binary", "positive": "yes", "id": None}),
        (
            "nyc_green_taxi_2020/green_tripdata_2020-04.csv.gz",
            "total_amount",
            {"time": "lpep_pickup_datetime"},
            {"task": "regression", "positive": None, "time": "lpep_pickup_datetime"},
        ),
    ],
)
def test_real_sets_are_understood(
    settings: Settings, file_name: str, target: str, options: dict[str, str], expected: dict[str, object]
) -> None:
    if not (DATA / file_name).is_file():
        pytest.skip(f"the data set {file_name.split('/', maxsplit=1)[0]} is not on this machine")
    _, spec = made(settings, DATA / file_name, target=target, **options)
    assert {key: getattr(spec, key) for key in expected} == expected
    assert suites.inspect(settings, "people") == []
    content = json.loads(suites.suite_path(settings, "people").read_text())
    assert all(one["meta"]["notes"] for one in content["expectations"])
    if target == "Churn":
        assert "TotalCharges" in spec.features.numeric


def test_a_file_without_a_header_is_a_wrong_call(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "bare.csv"
    file.write_text("563.8,12.5,2\n550.7,10.8,1\n530.1,11.1,2\n")
    with pytest.raises(CallError, match="is a row of numbers"):
        new(settings, name="bare", source=str(file), target="2")
    assert not (settings.dags / "bare").exists()


def test_columns_that_are_numbered_are_a_header(settings: Settings, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    file = tmp_path / "numbered.csv"
    pd.DataFrame({str(place): rng.normal(size=50) for place in range(4)}).to_csv(file, index=False)
    assert new(settings, name="numbered", source=str(file), target="3").model == "numbered"


def test_a_time_alone_is_no_feature(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "series.csv"
    pd.DataFrame({"at": pd.date_range("2024-01-01", periods=50).astype(str), "value": np.arange(50) / 3}).to_csv(file, index=False)
    with pytest.raises(CallError, match="beside the time 'at': derive some from it"):
        new(settings, name="series", source=str(file), target="value", time="at")


def test_the_folder_for_the_first_delivery_is_made_and_names_with_spaces_are_quoted(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "odd.csv"
    days = pd.date_range("2024-01-01", periods=60).strftime("%Y-%m-%d")
    pd.DataFrame({"odd date": days, "x": np.arange(60) / 7, "y": ["a", "b"] * 30}).to_csv(file, index=False)
    notes = new(settings, name="odd", source=str(file), target="y").notes
    assert any("`--time 'odd date'` makes splits" in note for note in notes), notes
    assert (settings.incoming / "odd").is_dir()
