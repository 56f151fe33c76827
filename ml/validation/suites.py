"""Expectation suites: `expectations/<model>.json`, in the JSON that Great Expectations writes itself."""

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml import specfile
from ml.errors import PerennialError, SuiteError
from ml.settings import Settings
from ml.validation import quiet

SEVERITIES = ("critical", "warning", "info")
_SUITE_KEYS = {"name", "id", "expectations", "suite_parameters", "meta", "notes"}
_EXPECTATION_KEYS = {"type", "kwargs", "meta", "severity", "id", "notes", "description", "expectation_context", "rendered_content"}
_NEEDS_DATABASE = (
    "unexpected_rows_expectation",
    "expect_query_results_to_match_comparison",
    "expect_table_row_count_to_equal_other_table",
    "expect_column_values_to_match_like_pattern",
    "expect_column_values_to_match_like_pattern_list",
    "expect_column_values_to_not_match_like_pattern",
    "expect_column_values_to_not_match_like_pattern_list",
)


@dataclass(frozen=True, slots=True)
class Suite:
    """A model's suite without faults. `content` is the JSON as it was read; do not change it."""

    model: str
    content: Mapping[str, Any]

    @property
    def hash(self) -> str:
        """Sixteen hex digits of the SHA-256 of the canonical JSON: names exactly these expectations."""
        canonical = json.dumps(self.content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    @property
    def expectations(self) -> list[dict[str, Any]]:
        """The expectations, in the order of the file."""
        return list(self.content["expectations"])


def suite_path(settings: Settings, model: str) -> Path:
    """Where the suite of a model is declared."""
    return settings.expectations / f"{model}.json"


def load(settings: Settings, model: str) -> Suite:
    """The suite of a model; `SuiteError` lists every fault with its place and cure."""
    content, faults = _read(settings, model)
    if content is None or faults:
        raise SuiteError("\n".join(f"expectations/{model}.json: {fault}" for fault in faults))
    return Suite(model, content)


def inspect(settings: Settings, model: str) -> list[str]:
    """Every fault of a model's suite, as `place: problem. Cure`; an empty list if there is none."""
    return _read(settings, model)[1]


def dump(content: Mapping[str, Any]) -> str:
    """The text of a suite's file."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _read(settings: Settings, model: str) -> tuple[dict[str, Any] | None, list[str]]:
    path = suite_path(settings, model)
    if not path.is_file():
        return None, ["is missing. Write it as Great Expectations does, or let `perennial new` infer one; `{}` is not a suite"]
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_constant)
    except (OSError, UnicodeDecodeError) as error:
        return None, [f"cannot be read: {error}. Make it a readable UTF-8 file"]
    except json.JSONDecodeError as error:
        return None, [f"line {error.lineno}, column {error.colno}: not valid JSON: {error.msg}. Check the commas and quotes near it"]
    except ValueError as error:
        return None, [f"{error}. Write a number, or null"]
    if not isinstance(content, dict):
        return None, ["does not hold a JSON object. Start with name and expectations"]
    return content, list(_faults(content, _columns(settings, model)))


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not a number in JSON")


def _columns(settings: Settings, model: str) -> tuple[str, ...] | None:
    """The declared columns; None if the declaration itself has faults, which are told elsewhere."""
    try:
        return specfile.load(settings, model).columns
    except PerennialError:
        return None


def _faults(content: Mapping[str, Any], columns: tuple[str, ...] | None) -> Iterator[str]:
    for key in content:
        if key not in _SUITE_KEYS:
            yield f"{key}: is not a key of a suite. Check its spelling{_near(key, _SUITE_KEYS)}, or take it out"
    if not isinstance(content.get("name"), str) or not content["name"]:
        yield "name: is missing. Name the suite, for instance after its model"
    expectations = content.get("expectations")
    if not isinstance(expectations, list) or not expectations:
        yield "expectations: is missing or empty, so every delivery would pass. Write at least one expectation"
        return
    for index, expectation in enumerate(expectations):
        if isinstance(expectation, dict):
            yield from (f"expectations[{index}]{fault}" for fault in _expectation_faults(expectation, columns))
        else:
            yield f"expectations[{index}]: is not an object. Write type and kwargs"


def _expectation_faults(expectation: Mapping[str, Any], columns: tuple[str, ...] | None) -> Iterator[str]:
    for key in expectation:
        if key not in _EXPECTATION_KEYS:
            yield f".{key}: is not a key of an expectation. Check its spelling{_near(key, _EXPECTATION_KEYS)}, or take it out"
    severity = expectation.get("severity", "critical")
    if severity not in SEVERITIES:
        yield f".severity: {severity!r} is not known. Write one of {', '.join(SEVERITIES)}"
    kind, kwargs = expectation.get("type"), expectation.get("kwargs", {})
    if not isinstance(kind, str):
        yield ".type: is missing. Name the expectation, such as expect_column_values_to_not_be_null"
        return
    if not isinstance(kwargs, dict):
        yield ".kwargs: is not an object. Write the expectation's arguments as keys and values"
        return
    yield from _type_faults(kind, kwargs)
    if columns is not None:
        yield from _column_faults(kind, kwargs, columns)


def _type_faults(kind: str, kwargs: Mapping[str, Any]) -> Iterator[str]:
    quiet.load()
    from great_expectations.exceptions.exceptions import ExpectationNotFoundError
    from great_expectations.expectations.registry import get_expectation_impl, list_registered_expectation_implementations

    try:
        implementation = get_expectation_impl(kind)
    except ExpectationNotFoundError:
        known = list_registered_expectation_implementations()
        yield f".type: Great Expectations knows no {kind!r}. Check its spelling{_near(kind, known)}"
        return
    if kind in _NEEDS_DATABASE:
        yield f".type: {kind} works on databases only, and deliveries are validated in memory. Take it out"
        return
    if any(isinstance(value, dict) and "$PARAMETER" in value for value in kwargs.values()):
        yield ".kwargs: a suite parameter ($PARAMETER) stands here, and nobody gives it a value. Write the value itself"
        return
    from great_expectations.compatibility import pydantic

    try:
        with quiet.silenced():
            implementation(**kwargs)
    except pydantic.ValidationError as error:
        known = sorted(set(implementation.__fields__) - {"id", "meta", "notes", "rendered_content", "windows"})
        for detail in error.errors():
            yield _kwarg_fault(detail, known)
    except (TypeError, ValueError) as error:
        yield f".kwargs: {_sentence(error)}. Correct the arguments"


def _kwarg_fault(detail: Mapping[str, Any], known: list[str]) -> str:
    loc = [str(part) for part in detail["loc"] if part != "__root__"]
    key = ".".join([".kwargs", *loc])
    if detail["type"] == "value_error.missing":
        return f"{key}: is missing. Add it"
    if detail["type"] == "value_error.extra":
        return f"{key}: is no argument of this expectation. Check its spelling{_near(loc[-1], known)}, or take it out"
    return f"{key}: {_sentence(detail['msg'])}. Correct the value"


def _column_faults(kind: str, kwargs: Mapping[str, Any], columns: tuple[str, ...]) -> Iterator[str]:
    named: list[tuple[str, Any]] = [(key, kwargs[key]) for key in ("column", "column_A", "column_B") if key in kwargs]
    for key in ("column_list", "column_set"):
        named += [(f"{key}[{index}]", column) for index, column in enumerate(kwargs.get(key) or ())]
    for key, column in named:
        if column not in columns:
            yield f".kwargs.{key}: model.yaml declares no column {column!r}. Check its spelling{_near(str(column), columns)}"
    if kind == "expect_table_columns_to_match_set" and kwargs.get("exact_match") in (None, True):
        absent = [column for column in columns if column not in (kwargs.get("column_set") or ())]
        if absent:
            yield f".kwargs.column_set: lacks {absent[0]!r}, which model.yaml declares, so no delivery would pass. Add it"


def _near(word: str, known: Any) -> str:
    matches = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {matches[0]!r}?)" if matches else ""


def _sentence(error: object) -> str:
    """One bounded line without a full stop inside: the first one ends the problem and starts the cure."""
    text = " ".join(str(error).split()).rstrip(".").replace(". ", "; ")
    return text if len(text) <= 300 else text[:299] + "…"
