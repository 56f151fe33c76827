import json
from pathlib import Path

import pytest

from ml.errors import SuiteError
from ml.settings import Settings
from ml.validation import suites

SPEC = """
model: loans
task: binary
target: paid
positive: "1"
features:
  numeric: [age, income]
data:
  source: { kind: files, urls: ["loans/*.csv"] }
training:
  candidates: [{ name: a, class: sklearn.linear_model.LogisticRegression }]
"""
GOOD = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "age"}, "meta": {"notes": "why"}, "severity": "critical"}


def declare(settings: Settings, content: object, *, spec: str = SPEC) -> Path:
    (settings.dags / "loans").mkdir(exist_ok=True)
    (settings.dags / "loans" / "model.yaml").write_text(spec)
    path = suites.suite_path(settings, "loans")
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def with_one(expectation: dict[str, object]) -> dict[str, object]:
    return {"name": "loans", "expectations": [expectation], "meta": {}}


def test_a_suite_that_great_expectations_wrote_loads(settings: Settings) -> None:
    from ml.validation import quiet

    gx = quiet.load()
    suite = gx.ExpectationSuite(
        name="loans",
        expectations=[
            gx.expectations.ExpectColumnValuesToBeBetween(column="age", min_value=0, max_value=120, severity="warning"),
            gx.expectations.ExpectTableRowCountToBeBetween(min_value=1),
        ],
    )
    declare(settings, json.dumps(suite.to_json_dict()))
    assert suites.inspect(settings, "loans") == []
    assert [one["type"] for one in suites.load(settings, "loans").expectations] == [
        "expect_column_values_to_be_between",
        "expect_table_row_count_to_be_between",
    ]


def test_the_hash_follows_the_content_and_not_its_layout(settings: Settings) -> None:
    path = declare(settings, with_one(GOOD))
    before = suites.load(settings, "loans").hash
    path.write_text(json.dumps(dict(reversed(with_one(GOOD).items())), indent=8))
    assert suites.load(settings, "loans").hash == before
    declare(settings, with_one({**GOOD, "severity": "warning"}))
    assert suites.load(settings, "loans").hash != before
    assert len(before) == 16


@pytest.mark.parametrize(
    ("expectation", "said"),
    [
        ({**GOOD, "type": "expect_column_values_to_be_nul"}, ["type", "did you mean 'expect_column_values_to_be_null'"]),
        ({**GOOD, "kwargs": {"column": "agee"}}, ["kwargs.column", "'agee'", "did you mean 'age'"]),
        ({**GOOD, "kwargs": {"colum": "age"}}, ["kwargs.column: is missing", "colum"]),
        ({**GOOD, "kwargs": {"column": "age", "mostly": 2}}, ["kwargs.mostly"]),
        ({**GOOD, "kwargs": {"column": "age", "mostly": {"$PARAMETER": "x"}}}, ["$PARAMETER"]),
        ({**GOOD, "kwargs": []}, ["kwargs: is not an object"]),
        ({**GOOD, "severity": "fatal"}, ["severity", "critical, warning, info"]),
        ({**GOOD, "kwarg": {}}, ["kwarg: is not a key", "did you mean 'kwargs'"]),
        ({"kwargs": {}}, ["type: is missing"]),
        ({**GOOD, "type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": "SELECT 1"}}, ["databases only"]),
        ({"type": "expect_table_columns_to_match_set", "kwargs": {"column_set": ["age", "income"]}}, ["lacks 'paid'"]),
        ({"type": "expect_compound_columns_to_be_unique", "kwargs": {"column_list": ["age", "x"]}}, ["column_list[1]", "'x'"]),
    ],
)
def test_a_fault_names_the_place_and_the_cure(settings: Settings, expectation: dict[str, object], said: list[str]) -> None:
    declare(settings, with_one(expectation))
    text = "\n".join(suites.inspect(settings, "loans"))
    assert "expectations[0]" in text
    for words in said:
        assert words in text
    with pytest.raises(SuiteError, match=r"expectations/loans\.json: expectations\[0\]"):
        suites.load(settings, "loans")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "line 1"),
        ('{"name": "loans", "expectations": [}', "not valid JSON"),
        ("[]", "JSON object"),
        ({"name": "loans", "expectations": []}, "every delivery would pass"),
        ({"expectations": [GOOD]}, "name: is missing"),
        ({"name": "loans", "expectation": [GOOD]}, "did you mean 'expectations'"),
        ('{"name": "loans", "expectations": [{"type": "expect_table_row_count_to_equal", "kwargs": {"value": NaN}}]}', "NaN"),
        (b"\xff\xfe".decode("latin-1"), "JSON"),
    ],
)
def test_a_file_that_is_no_suite_is_one_clear_fault(settings: Settings, content: object, said: str) -> None:
    declare(settings, content)
    assert said in "\n".join(suites.inspect(settings, "loans"))


def test_every_fault_is_told_at_once(settings: Settings) -> None:
    declare(settings, {"name": "", "expectations": [{**GOOD, "severity": "x"}, {**GOOD, "kwargs": {"column": "x"}}, 3]})
    faults = suites.inspect(settings, "loans")
    assert len(faults) == 4
    assert all(". " in fault for fault in faults), "each has a problem and a cure"


def test_a_missing_suite_is_a_fault_with_a_cure(settings: Settings) -> None:
    declare(settings, with_one(GOOD)).unlink()
    assert "perennial new" in suites.inspect(settings, "loans")[0]
    with pytest.raises(SuiteError):
        suites.load(settings, "loans")


def test_a_broken_declaration_does_not_hide_the_faults_of_the_suite(settings: Settings) -> None:
    declare(settings, with_one({**GOOD, "type": "expect_nothing"}), spec="model: [")
    assert "expect_nothing" in suites.inspect(settings, "loans")[0]
