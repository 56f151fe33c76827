"""A model folder and an expectation suite, inferred from data."""

import difflib
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from ml import specfile
from ml.errors import CallError
from ml.settings import Settings
from ml.spec import Files, ModelSpec, Name

if TYPE_CHECKING:
    import pandas as pd

    from ml.scaffold.kinds import Profile
    from ml.scaffold.sample import Sample

_DAG = '''"""The Airflow DAGs of {model}."""

from perennial_airflow.builder import build

build(__file__)
'''


class NewModel(BaseModel):
    """The files that were written, what was inferred from how many rows, and what was noticed on the way.

    `features`: kind → the columns that the model sees; `ignored`: column → why it does not; `expectations`: how many the suite has.
    """

    model: str
    files: list[Path]
    notes: list[str]
    rows: int
    task: str
    target: str
    positive: str | None
    time: str | None
    id: str | None
    group: str | None
    features: dict[str, list[str]]
    ignored: dict[str, str]
    expectations: int


def new(
    settings: Settings,
    *,
    name: str,
    source: str,
    target: str,
    time: str | None = None,
    id: str | None = None,  # noqa: A002 - the command's own word
    group: str | None = None,
) -> NewModel:
    """Writes `dags/<name>/model.yaml`, `dags/<name>/dag.py` and `expectations/<name>.json`; never over a file that exists.

    The folder that deliveries are looked for in is made too, where it lies below `incoming`.

    Args:
        settings: Gives the project's folders.
        name: The model's name.
        source: A file, or an fsspec URL or pattern, whose rows are taken to be good.
        target: The column to predict.
        time: The column that says when a row happened.
        id: The column that identifies a row; default: a unique column that is named like one.
        group: The column that says whom a row is about; it is no feature then.

    Raises:
        CallError: The name, the file or a column cannot be used; nothing was written.
    """
    paths = _paths(settings, name)
    from ml.scaffold import declaration, sample
    from ml.scaffold import target as targets
    from ml.validation import suites
    from ml.validation.inference import infer_suite

    taken = sample.take(source)
    columns = _profiles(taken, {"target": target, "time": time, "id": id, "group": group})
    found = {column.name: column for column in columns}
    named = id or next((column.name for column in columns if column.is_id and column.name not in {target, time, group}), None)
    task = targets.task_of(found[target], taken.table.column(target), rows=taken.table.num_rows)
    taken = replace(taken, url=_portable(settings, taken.url))
    draft = declaration.Draft(name, target, task, time, named, group, columns, taken)
    text = declaration.text(draft)
    spec = _checked(text)
    frame, notes = _cast(taken, spec)
    notes = [*taken.notes, *task.notes, *notes, *targets.close_to_target(frame, spec), *_remarks(spec)]
    inferred = infer_suite(frame, spec)
    suite = suites.dump(inferred)
    for path, content in zip(paths, (suite, text, _DAG.format(model=name)), strict=True):
        _write(path, content)
    _make_incoming(settings, specfile.load(settings, name))
    return NewModel(
        model=name,
        files=[paths[1], paths[2], paths[0]],
        notes=notes,
        rows=taken.table.num_rows,
        expectations=len(inferred["expectations"]),
        **_inferred(spec, columns),
    )


def _portable(settings: Settings, url: str) -> str:
    """A path within the project as relative to it: the declaration stands there too, on every machine."""
    path = Path(url)
    return url if "://" in url or not path.is_relative_to(settings.project) else f"./{path.relative_to(settings.project).as_posix()}"


def _inferred(spec: ModelSpec, columns: "list[Profile]") -> "dict[str, Any]":
    why = {column.name: column.why for column in columns}
    kinds = ("numeric", "categorical", "text", "datetime")
    return {
        "task": spec.task,
        "target": spec.target,
        "positive": None if spec.positive is None else str(spec.positive),
        "time": spec.time,
        "id": spec.id,
        "group": spec.group,
        "features": {kind: list(getattr(spec.features, kind)) for kind in kinds if getattr(spec.features, kind)},
        "ignored": {name: why.get(name, "") for name in spec.features.ignore},
    }


def _paths(settings: Settings, name: str) -> tuple[Path, Path, Path]:
    """Suite, declaration, DAG file: Airflow sees the last one, so it is written when the others are there."""
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        suggestion = re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_")
        raise CallError(
            f"{name!r} cannot be a model's name: write lower-case letters, digits and _, starting with a letter"
            + (f", such as {suggestion}" if re.fullmatch(r"[a-z][a-z0-9_]{0,62}", suggestion) else "")
        ) from error
    folder = settings.dags / name
    paths = (settings.expectations / f"{name}.json", folder / specfile.FILE_NAME, folder / "dag.py")
    existing = [str(path) for path in paths if path.exists()]
    if existing:
        raise CallError(f"{', '.join(existing)} exist{'s' if len(existing) == 1 else ''} already; choose another name, or remove it first")
    return paths


def _profiles(sample: "Sample", named: dict[str, str | None]) -> "list[Profile]":
    """The columns. `named`: option → the column that it names; "target" names one."""
    from ml.scaffold.kinds import data_like, is_number, profile

    names = list(sample.table.column_names)
    if data_like(names) and any(not name.isdigit() for name in names if is_number(name)):
        raise CallError(
            f"the first line of {sample.url} is a row of numbers ({', '.join(names[:3])}, …), not the names of columns; add a header"
        )
    for option, column in named.items():
        if column is None or column in names:
            continue
        matches = difflib.get_close_matches(column, names, n=3) or [one for one in names if one.lower() == column.lower()]
        near = f"did you mean {' or '.join(map(repr, matches))}?" if matches else f"it has {', '.join(map(repr, names[:30]))}"
        header = ". Its first line looks like data, not like a header; add one" if data_like(names) else ""
        raise CallError(f"--{option}: {sample.url} has no column {column!r}; {near}{header}")
    chosen: dict[str, str] = {}
    for option, column in named.items():
        if column is not None and (other := chosen.setdefault(column, option)) != option:
            raise CallError(f"--{option}: {column!r} is the {other} already; target, time, id and group must be different columns")
    columns = [profile(column, sample.table.column(column), decimal=sample.csv.decimal) for column in names]
    if not any(column.kind != "ignore" and column.name not in chosen for column in columns):
        time = named["time"]
        beside = f" beside the time {time!r}: derive some from it, such as the hour, where the file is made" if time is not None else ""
        raise CallError(f"{sample.url} has no column that could be a feature of {named['target']!r}{beside}")
    return columns


def _checked(text: str) -> ModelSpec:
    try:
        return ModelSpec.model_validate(yaml.safe_load(text))
    except (ValidationError, yaml.YAMLError) as error:
        raise CallError(f"no declaration can be written for these columns: {error}") from error


def _cast(sample: "Sample", spec: ModelSpec) -> "tuple[pd.DataFrame, list[str]]":
    """The rows in the declared types, as ingest would see them."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from ml.data.casting import cast, column_kinds

    table = sample.table
    missing = spec.data.source.csv.missing if isinstance(spec.data.source, Files) else ()
    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            column = table.column(place)
            blank = pc.is_in(pc.utf8_trim_whitespace(column), pa.array(missing, pa.string()))
            table = table.set_column(place, field, pc.if_else(blank, pa.scalar(None, pa.string()), column))
    rows = np.arange(1, table.num_rows + 1, dtype=np.int64)
    converted = cast(table, kinds=column_kinds(spec), rows=rows, decimal=sample.csv.decimal)
    if spec.time is not None and converted.frame[spec.time].isna().mean() > 0.5:
        raise CallError(f"--time: most values of {spec.time!r} are not dates or times")
    return converted.frame, converted.reasons


def _remarks(spec: ModelSpec) -> list[str]:
    notes = []
    if spec.time is None and spec.features.datetime:
        option = f"--time {shlex.quote(spec.features.datetime[0])}"
        notes.append(f"{spec.features.datetime[0]!r} holds times: `{option}` makes splits and windows follow it")
    if spec.id is None:
        notes.append("no column identifies a row; without `id`, late labels cannot be joined to predictions")
    return notes


def _make_incoming(settings: Settings, spec: ModelSpec) -> None:
    """The folders of the declared patterns that stand below `incoming`: so there is a place to put the first file."""
    urls = spec.data.source.urls if isinstance(spec.data.source, Files) else ()
    for url in urls:
        folder = url.rpartition("/")[0]
        if "://" not in url and not url.startswith(("/", "./")) and not any(sign in folder for sign in "*?[$"):
            (settings.incoming / folder).mkdir(parents=True, exist_ok=True)


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(content)
    except FileExistsError as error:
        raise CallError(f"{path} exists already; choose another name, or remove it first") from error
