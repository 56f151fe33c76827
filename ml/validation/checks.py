"""Validating a delivery: one verdict, with every failing row."""

import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.data.casting import label_text
from ml.data.faults import FAILURE_COLUMNS, no_failures, shown
from ml.validation import quiet
from ml.validation.sentences import raised, sentence
from ml.validation.suites import Suite

log = logging.getLogger(__name__)

ROW = "_row"
"""A column of this name numbers the rows; it is not part of the data."""
_FIRST_LOOK = {"result_format": "BASIC", "partial_unexpected_count": 20}
_EVERY_ROW = {"result_format": "COMPLETE", "partial_unexpected_count": 20, "return_unexpected_index_query": False}
_BULKY = (
    "unexpected_list",
    "unexpected_index_list",
    "unexpected_index_query",
    "partial_unexpected_counts",
    "partial_unexpected_index_list",
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a suite says about one delivery.

    `passed` is False when an expectation of severity critical failed or could not be evaluated. `failures` has columns row (1-based
    data row), column, expectation, value, reason: one line for each failing row of each such expectation. `warnings` is what
    expectations of severity warning or info found: it does not fail the delivery. `result` is the validation result as Great
    Expectations writes it, with at most 20 example values an expectation; empty if nothing could be validated.
    """

    passed: bool
    reasons: list[str]
    failures: pd.DataFrame
    failing_rows: int
    result: dict[str, Any]
    warnings: list[str] = field(default_factory=list)


def validate(frame: pd.DataFrame, *, suite: Suite, batch: str, source: str) -> Verdict:
    """Validates a delivery in its declared types. The frame is not changed.

    All expectations are evaluated once without row lists; only those that fail are evaluated again for their rows.

    Args:
        frame: Rows x columns. Rows are numbered by the column `_row`, else by an index that starts at 1, else from 1 on.
        suite: What is expected.
        batch: The batch's id, for the record.
        source: Where it came from, for the record.
    """
    started = perf_counter()
    numbers, data = _numbered(frame)
    # Great Expectations takes the rows of each column that are not null, for 25 expectations 26 copies of the whole frame when nothing
    # is null: with copy-on-write these cost nothing. It also keeps an expectation from writing into the caller's frame.
    with quiet.silenced(), pd.option_context("mode.copy_on_write", True):
        native = _native(suite)
        with _validator(data) as validator:
            outcome = _evaluate(validator, native, _FIRST_LOOK)
            failed = [index for index, one in outcome.items() if not one.success]
            again = [index for index in failed if suite.expectations[index].get("severity", "critical") == "critical"]
            outcome |= _evaluate(validator, native, _EVERY_ROW, only=again)
        parts, reasons = _explained(data, numbers, suite, {index: outcome[index] for index in again})
        _, warnings = _explained(data, numbers, suite, {index: outcome[index] for index in failed if index not in again})
        result = _record(suite, outcome, batch=batch, source=source, rows=len(data))
    failures = pd.concat(parts, ignore_index=True).sort_values("row", kind="stable", ignore_index=True) if parts else no_failures()
    counts = f"rows={len(data)} expectations={len(outcome)} failed={len(reasons)} warnings={len(warnings)}"
    log.info("validated batch=%s %s seconds=%.1f", batch, counts, perf_counter() - started)
    return Verdict(not reasons, reasons, failures, int(failures["row"].nunique()), result, warnings)


def _explained(
    data: pd.DataFrame, numbers: npt.NDArray[np.int64], suite: Suite, failed: Mapping[int, Any]
) -> tuple[list[pd.DataFrame], list[str]]:
    """The failing rows and the sentence of each failed expectation."""
    parts, reasons = [], []
    for index, outcome in failed.items():
        expectation = suite.expectations[index]
        positions = _positions(outcome)
        part = None
        if positions is not None and len(positions):
            part = _failures(data, numbers, expectation, positions)
            parts.append(part)
        reasons.append(sentence(expectation, outcome, rows=len(data), first=None if part is None else part.iloc[:3]))
    return parts, reasons


def _numbered(frame: pd.DataFrame) -> tuple[npt.NDArray[np.int64], pd.DataFrame]:
    """The number of each row, and the data with positions as its index: Great Expectations then names rows by position."""
    if ROW in frame.columns:
        numbers = frame[ROW].to_numpy(dtype=np.int64)
        data = frame.drop(columns=ROW)
    else:
        numbers = frame.index.to_numpy(dtype=np.int64)
        if len(numbers) and numbers[0] == 0:
            numbers = numbers + 1
        data = frame
    view = data.copy(deep=False)
    view.index = pd.RangeIndex(len(data))
    return numbers, view


@contextmanager
def _validator(data: pd.DataFrame) -> Iterator[Any]:
    """Great Expectations' own validator over the frame, which stays loaded for both looks and not a moment longer."""
    context = quiet.context()
    from great_expectations.validator.v1_validator import Validator

    asset = context.data_sources.add_pandas("delivery").add_dataframe_asset("frame")
    whole = asset.add_batch_definition_whole_dataframe("whole")
    try:
        yield Validator(batch_definition=whole, batch_parameters={"dataframe": data})
    finally:
        context.data_sources.delete("delivery")  # the newest context lives as long as the process, and its sources with it


def _native(suite: Suite) -> list[Any]:
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    return [
        ExpectationConfiguration(
            type=one["type"],
            kwargs={key: value for key, value in one.get("kwargs", {}).items() if key not in {"result_format", "catch_exceptions"}},
            meta=one.get("meta"),
            severity=one.get("severity", "critical"),
            id=str(index),
        )
        for index, one in enumerate(suite.expectations)
    ]


def _evaluate(validator: Any, native: Sequence[Any], result_format: dict[str, Any], only: Sequence[int] | None = None) -> dict[int, Any]:
    """The result of each expectation, by its place in the suite: Great Expectations returns those that raised first."""
    chosen = [native[index] for index in (range(len(native)) if only is None else only)]
    if not chosen:
        return {}
    validator.result_format = result_format
    results = validator._validate_expectation_configs(expectation_configs=chosen)
    return dict(sorted((int(one.expectation_config.id), one) for one in results))


def _positions(outcome: Any) -> npt.NDArray[np.int64] | None:
    """The positions of the failing rows; None if the expectation is about the table or a whole column."""
    found = (outcome.result or {}).get("unexpected_index_list")
    return None if found is None else np.asarray(found, dtype=np.int64)


def _failures(
    data: pd.DataFrame, numbers: npt.NDArray[np.int64], expectation: dict[str, Any], positions: npt.NDArray[np.int64]
) -> pd.DataFrame:
    kwargs = expectation["kwargs"]
    columns = [kwargs[key] for key in ("column", "column_A", "column_B") if key in kwargs] or list(kwargs.get("column_list", ()))
    texts = [_texts(data[column].iloc[positions]) for column in columns]
    if len(columns) == 1:
        values = texts[0].tolist()
    else:
        values = [", ".join(f"{column}={text}" for column, text in zip(columns, row, strict=True)) for row in zip(*texts, strict=True)]
    content = {
        "row": numbers[positions],
        "column": ", ".join(columns),
        "expectation": expectation["type"],
        "value": values,
        "reason": sentence(expectation),
    }
    return pd.DataFrame(content).astype(FAILURE_COLUMNS)


def _texts(values: "pd.Series[Any]") -> "npt.NDArray[np.object_]":
    """The values as bounded text, missing ones as an empty text; each different value is written once."""
    codes, uniques = pd.factorize(values)
    texts = np.array([*(shown(label_text(value)) for value in uniques.tolist()), ""], dtype=object)
    return texts[codes]


def _record(suite: Suite, outcome: dict[int, Any], *, batch: str, source: str, rows: int) -> dict[str, Any]:
    """The result as Great Expectations writes it, without its lists of rows: they stand in the table of failures."""
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult

    successful = sum(bool(one.success) for one in outcome.values())
    whole = ExpectationSuiteValidationResult(
        success=successful == len(outcome),
        results=[],
        suite_name=suite.content["name"],
        statistics={
            "evaluated_expectations": len(outcome),
            "successful_expectations": successful,
            "unsuccessful_expectations": len(outcome) - successful,
            "success_percent": 100 * successful / len(outcome),
        },
        meta={"batch": batch, "source": source, "rows": rows, "suite_hash": suite.hash},
        batch_id=batch,
    )
    record: dict[str, Any] = whole.to_json_dict()  # type: ignore[no-untyped-call]
    record["results"] = list(_slim(outcome))
    return json.loads(json.dumps(record, default=str))  # type: ignore[no-any-return]


def _slim(outcome: dict[int, Any]) -> Iterator[dict[str, Any]]:
    for index, one in outcome.items():
        for key in _BULKY:
            one.result.pop(key, None)
        if "partial_unexpected_list" in one.result:
            one.result["partial_unexpected_list"] = [_json_value(value) for value in one.result["partial_unexpected_list"]]
        content = one.to_json_dict()
        content["expectation_config"].pop("id", None)
        content["expectation_config"]["kwargs"].pop("batch_id", None)
        error = raised(one)
        content["exception_info"] = {"raised_exception": error is not None, "exception_message": error, "exception_traceback": ""}
        content["meta"] = {**content.get("meta", {}), "index": index}
        yield content


def _json_value(value: object) -> object:
    """An example value: numbers stay numbers, everything else is bounded text."""
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, dict):
        return {str(key): _json_value(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(one) for one in value]
    return shown(label_text(value))
