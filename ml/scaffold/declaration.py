"""The text of a new `model.yaml`: commented, to be read and corrected by a person."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml

from ml.scaffold import training
from ml.scaffold.kinds import Profile
from ml.scaffold.sample import Sample
from ml.scaffold.target import Task
from ml.spec import Csv

_PLAIN = re.compile(r"[A-Za-z_/][\w./-]*( [\w./-]+)*")
_HEADS = {
    "numeric": "missing values become the median",
    "categorical": "values unseen in training are allowed",
    "text": "free text: TF-IDF of its words and of runs of characters",
    "datetime": "taken apart into year, month, weekday, hour",
    "ignore": "delivered and kept, never shown to the model",
}


@dataclass(frozen=True, slots=True)
class Draft:
    """What a declaration is written from."""

    model: str
    target: str
    task: Task
    time: str | None
    id: str | None
    group: str | None
    columns: Sequence[Profile]
    sample: Sample

    @property
    def features(self) -> list[Profile]:
        """The columns that are neither target, time, id nor group, those that no model sees included."""
        named = {self.target, self.time, self.id, self.group}
        return [column for column in self.columns if column.name not in named]


def scalar(text: str) -> str:
    """The text as YAML reads it back: quoted where it would become something else.

    >>> scalar("age"), scalar("Yes"), scalar("1"), scalar("a: b")
    ('age', '"Yes"', '"1"', '"a: b"')
    """
    if _PLAIN.fullmatch(text) and yaml.safe_load(text) == text:
        return text
    return json.dumps(text, ensure_ascii=False)


def text(draft: Draft) -> str:
    """The whole file."""
    return "\n".join([*_head(draft), *_features(draft), *_data(draft), *_training(draft), *_rules(draft)]) + "\n"


def _head(draft: Draft) -> Iterator[str]:
    yield "# yaml-language-server: $schema=../../docs/model.schema.json"
    yield f"# Inferred from {draft.sample.table.num_rows} rows. Correct what you know better; `perennial check {draft.model}` finds faults."
    yield f"model: {draft.model}"
    yield 'description: ""'
    yield "owner: perennial"
    yield ""
    yield f"task: {draft.task.name} # binary, multiclass or regression"
    yield f"target: {scalar(draft.target)}"
    if draft.task.positive is not None:
        yield f"positive: {json.dumps(draft.task.positive, ensure_ascii=False)} # whose probability is predicted: the rarer one"
    yield ""
    if draft.time is not None:
        yield f"time: {scalar(draft.time)} # splits and windows follow it; times without a zone are UTC"
    else:
        yield "# time: COLUMN # when a row happened: splits and windows then follow time"
    if draft.id is not None:
        yield f"id: {scalar(draft.id)} # joins late labels to predictions"
    else:
        yield "# id: COLUMN # what identifies a row: needed for late labels"
    if draft.group is not None:
        yield f"group: {scalar(draft.group)} # whom a row is about: never on both sides of a split"
    else:
        yield "# group: COLUMN # whom a row is about (customer, machine): never on both sides of a split; then no feature"
    yield "# label_delay: 30d # how old a row must be before its label is final"


def _features(draft: Draft) -> Iterator[str]:
    yield ""
    yield "# Every delivered column stands in one list."
    yield "features:"
    for kind, meaning in _HEADS.items():
        columns = [column for column in draft.features if column.kind == kind]
        if not columns:
            yield f"  {kind}: [] # {meaning}"
            continue
        yield f"  {kind}: # {meaning}"
        for column in columns:
            yield f"    - {scalar(column.name)}" + (f" # {_comment(column.why)}" if column.why else "")


def _comment(why: str) -> str:
    return " ".join(why.split())


def _data(draft: Draft) -> Iterator[str]:
    sample = draft.sample
    yield ""
    yield "data:"
    yield "  source:"
    yield "    kind: files"
    yield "    urls: # each file is one batch"
    yield f"      - {scalar(sample.url)}" + (" # in the project" if sample.url.startswith("./") else "")
    endings = {"csv": (".csv", ".csv.gz"), "jsonl": (".jsonl", ".jsonl.gz"), "parquet": (".parquet",)}[sample.format]
    for ending in endings if sample.kind is None else ("",):
        yield f"      - {json.dumps(f'{draft.model}/*{ending}')} # below <home>/incoming"
    if sample.kind is not None:
        yield f"    format: {sample.kind}"
    yield from _csv(draft)
    yield '  schedule: "@hourly" # how often to look for new files'


def _csv(draft: Draft) -> Iterator[str]:
    csv, default = draft.sample.csv, Csv()
    missing = (*default.missing, *sorted({text for column in draft.columns for text in column.no_value}))
    if draft.sample.format != "csv" or (csv == default and missing == default.missing):
        return
    yield "    csv:"
    yield f"      separator: {json.dumps(csv.separator)}"
    if csv.decimal != default.decimal:
        yield f"      decimal: {json.dumps(csv.decimal)}"
    if csv.encoding != default.encoding:
        yield f"      encoding: {csv.encoding}"
    if missing != default.missing:
        yield f'      missing: {json.dumps(missing, ensure_ascii=False)} # texts that mean "no value"'


def _training(draft: Draft) -> Iterator[str]:
    target = next(column for column in draft.columns if column.name == draft.target)
    used = {column.kind for column in draft.features} - {"ignore"}
    yield ""
    yield from training.lines(training.Size(draft.task.name, draft.sample.table.num_rows, target.distinct, is_text=used == {"text"}))
    yield ""
    yield "evaluation:"
    yield "  slices: [] # columns whose groups of rows are measured each by itself, and may not get worse"
    yield "  sensitive: [] # columns for the fairness table"


def _rules(draft: Draft) -> Iterator[str]:
    metric = {"binary": "roc_auc", "multiclass": "balanced_accuracy", "regression": "mae"}[draft.task.name]
    yield ""
    yield "promotion:"
    yield f"  metric: {metric}"
    yield "  minimum_gain: 0.0 # a changed recipe must be better than the champion by more, in the metric's unit"
    yield "  tolerated_loss: 0.0 # the same recipe on newer rows may not be worse by significantly more"
    yield "  approval: auto # manual: a winner waits for a person in Airflow, or for `perennial promote`"
    yield "  watch: 30d # for so long the former champion is scored beside it, and comes back if it was better; null: never"
    yield ""
    yield "monitoring:"
    yield '  schedule: "@daily"'
    yield "  false_alarms: 1 per 90d # at most so many by chance, all kinds of drift together; null: fixed thresholds"
    yield "  minimum_rows: 200 # with fewer new rows the window waits"
    yield ""
    yield "retraining:"
    yield "  mode: auto # off: decisions are recorded, none starts a training"
    yield "  drift_share: 0.3 # of the feature columns"
    drop = (
        "null # set it in the target's unit"
        if draft.task.name == "regression"
        else "0.05 # in the metric's unit, below its value at promotion"
    )
    yield f"  quality_drop: {drop}"
    yield "  minimum_rows: 500 # labelled rows since the champion's training"
    yield "  cooldown: 1d # between two trainings that decisions ask for"
    yield ""
    yield "replay: # `perennial replay` plays retraining policies over the model's own history"
    yield '  schedule: null # "@monthly": Airflow replays by itself, and suggests a policy'
