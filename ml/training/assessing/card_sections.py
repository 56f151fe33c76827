"""What stands in a model card, section by section; the templates only decide how it looks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ml.training.assessing.card import CardFacts, Origin
from ml.training.assessing.facts import Interval
from ml.wording import percent

TITLES = {
    "confusion_matrix": "Confusion matrix",
    "roc": "ROC",
    "precision_recall": "Precision and recall",
    "calibration": "Calibration",
    "actual_and_predicted": "Actual and predicted",
    "residuals": "Residuals",
    "importance": "Importance",
}
_UNKNOWN = "–"
_MOST_COLUMNS = 20
_MOST_PARAMS = 40


@dataclass(frozen=True, slots=True)
class Table:
    """A table. `kind`: numbers are kept on one line, of facts the first column names what the second says."""

    header: tuple[str, ...]
    rows: tuple[tuple[str | Origin, ...], ...]
    kind: Literal["numbers", "facts", "words"] = "numbers"
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it, in this order."""

    title: str
    texts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    commands: tuple[str, ...] = ()
    figures: tuple[tuple[str, str], ...] = ()


def sections(facts: CardFacts, pictures: Iterable[str] = ()) -> tuple[Section, ...]:
    """The card's sections; `pictures` names the figures that there are."""
    drawn = {*pictures}
    return (
        _intended(facts),
        _gate(facts),
        _metrics(facts, drawn),
        _slices(facts),
        _fairness(facts),
        _leakage(facts),
        _importance(facts, drawn),
        _data(facts),
        _training(facts),
        _budgets(facts),
        _lineage(facts),
        _again(facts),
    )


def _facts(*rows: tuple[str, object]) -> Table:
    return Table(("what", "value"), tuple((name, _UNKNOWN if value is None else str(value)) for name, value in rows), kind="facts")


def _intended(facts: CardFacts) -> Section:
    what = {"binary": f"the probability that {facts.target} is {facts.positive}", "multiclass": f"the class in {facts.target}"}
    predicts = what.get(facts.task, f"the number in {facts.target}")
    said = facts.description.strip() or "The declaration does not describe an intended use; write one into description: in model.yaml."
    return Section("Intended use", texts=(said, f"It predicts {predicts} ({facts.task}). Ask {facts.owner} before any other use."))


def _gate(facts: CardFacts) -> Section:
    checks = tuple((check.name, check.outcome, check.sentence) for check in facts.gate.checks)
    tables = (Table(("check", "outcome", "why"), checks, kind="words"),) if checks else ()
    return Section("Gate", texts=("It won." if facts.gate.wins else "It did not win.", facts.gate.sentence), tables=tables)


def _metrics(facts: CardFacts, drawn: set[str]) -> Section:
    found = facts.assessment
    header = ("metric", "this version", *([_former(facts)] if facts.champion is not None else []), "baseline")
    rows = tuple(
        (
            _decides(name, found.metric),
            _interval(interval),
            *([_number(facts.champion.get(name))] if facts.champion is not None else []),
            _number(found.baseline.get(name)),
        )
        for name, interval in found.measured.metrics.items()
    )
    of = found.measured
    text = f"On {of.rows:,} test rows that no tuning saw."
    if of.units:
        part = "" if of.drawn_rows == of.rows else f", from {of.drawn_rows:,} rows chosen by chance"
        text += f" In brackets the {percent(of.confidence)} bootstrap interval: {of.resamples:,} resamples of {of.drawn}{part}."
    tables = (Table(header, rows),) if rows else ()
    return Section("Metrics", texts=(text,), tables=(*tables, *_compared(facts)), figures=_figures(drawn - {"importance"}))


def _compared(facts: CardFacts) -> tuple[Table, ...]:
    both = facts.compared
    if both is None:
        return ()
    rows = tuple(
        (_decides(name, facts.assessment.metric), *(_number(one.get(name)) for one in (both.challenger, both.champion, both.baseline)))
        for name in both.challenger
    )
    caption = f"Compared on {both.rows:,} of these rows, from which neither version had learnt:"
    return (Table(("metric", "this version", _former(facts), "baseline"), rows, caption=caption),)


def _former(facts: CardFacts) -> str:
    return "former champion" if facts.champion_version is None else f"champion, version {facts.champion_version}"


def _decides(name: str, metric: str) -> str:
    return f"{name} (decides)" if name == metric else name


def _slices(facts: CardFacts) -> Section:
    found = facts.assessment.slices
    if not found:
        return Section("Slices", texts=("The declaration names no slices (evaluation.slices).",))
    names = _first(facts.assessment.metric, [facts.assessment.metric, *(name for one in found for name in (one.metrics or {}))])
    rows = tuple((one.column, one.value, f"{one.rows:,}", *_of_slice(one.metrics, names)) for one in found)
    text = "" if all(one.metrics is not None for one in found) else "Slices with too few rows are not tested: nothing is known of them."
    return Section("Slices", texts=(text,) if text else (), tables=(Table(("column", "value", "rows", *names), rows),))


def _of_slice(metrics: dict[str, Interval] | None, names: Sequence[str]) -> tuple[str, ...]:
    """The deciding metric with its interval, the others without: six intervals beside each other are not readable."""
    if metrics is None:
        return ("not tested", *(_UNKNOWN for _ in names[1:]))
    found = [metrics.get(name) for name in names]
    return (_interval(found[0]), *(_UNKNOWN if one is None else _number(one.value) for one in found[1:]))


def _fairness(facts: CardFacts) -> Section:
    if not facts.assessment.fairness:
        return Section("Fairness", texts=("Not measured: no sensitive columns (evaluation.sensitive), or not a classifier.",))
    tables, texts = [], []
    for one in facts.assessment.fairness:
        parity, odds = _number(one.demographic_parity_difference), _number(one.equalised_odds_difference)
        said = f"demographic parity difference {parity}, equalised odds difference {odds}."
        texts.append(f"{one.column}, selected means {one.outcome}: {said} {one.note}".strip())
        rows = tuple(
            (rates.value, f"{rates.rows:,}", *map(_number, (rates.selection_rate, rates.true_positive_rate, rates.false_positive_rate)))
            for rates in one.groups
        )
        tables.append(Table((one.column, "rows", "selection rate", "true positive rate", "false positive rate"), rows))
    return Section("Fairness", texts=tuple(texts), tables=tuple(tables))


def _leakage(facts: CardFacts) -> Section:
    found = tuple(one.sentence for one in facts.assessment.suspicions)
    return Section("Leakage", texts=() if found else ("Nothing looks like leakage.",), warnings=found)


def _importance(facts: CardFacts, drawn: set[str]) -> Section:
    found = facts.assessment.importance
    if not found.columns:
        return Section("Importance", texts=(found.note or "Not measured.",))
    text = f"By how much {found.metric} gets worse when a column is shuffled ({found.rows:,} test rows, {found.repeats} repeats)."
    if len(found.columns) > _MOST_COLUMNS:
        text += f" The {_MOST_COLUMNS} most important of {len(found.columns)} columns."
    rows = tuple((one.column, _number(one.mean), _number(one.deviation)) for one in found.columns[:_MOST_COLUMNS])
    table = Table(("column", "mean", "standard deviation"), rows)
    return Section("Importance", texts=(text,), tables=(table,), figures=_figures(drawn & {"importance"}))


def _data(facts: CardFacts) -> Section:
    data = facts.data
    span = None if data.oldest is None or data.newest is None else f"{data.oldest.isoformat()} to {data.newest.isoformat()}"
    features = ((f"{kind} features", ", ".join(columns)) for kind, columns in data.features.items() if columns)
    labels = () if data.labels_version is None else (("late labels, version", data.labels_version),)
    return Section(
        "Data",
        tables=(
            _facts(
                ("dataset version", data.dataset_version),
                *labels,
                ("labelled rows", f"{data.rows:,}"),
                ("developed on", f"{data.development_rows:,} rows"),
                ("tested on", f"{data.test_rows:,} rows"),
                ("batches", f"{data.batches:,}"),
                ("time", span),
                *features,
            ),
        ),
    )


def _training(facts: CardFacts) -> Section:
    made = facts.training
    params = tuple((name, str(value)) for name, value in list(made.params.items())[:_MOST_PARAMS])
    more = () if len(made.params) <= _MOST_PARAMS else (f"{len(made.params) - _MOST_PARAMS} more parameters stand in the MLflow run.",)
    optional = (("calibration", made.calibration), ("threshold", None if made.threshold is None else _number(made.threshold)))
    table = _facts(
        ("candidate", f"{made.candidate} ({made.class_path})"),
        ("seed", made.seed),
        ("folds", made.folds),
        ("trials", made.trials),
        *((name, value) for name, value in optional if value is not None),
        ("took", None if made.seconds is None else f"{made.seconds:,.0f} s"),
        ("code commit", made.commit),
        ("lock file", made.lock),
        ("declaration", made.spec_hash),
    )
    return Section("Training", texts=more, tables=(table, *([Table(("parameter", "value"), params, kind="facts")] if params else [])))


def _budgets(facts: CardFacts) -> Section:
    took = facts.assessment.latency
    size = None if facts.size_mb is None else f"{facts.size_mb:,.2f} MB"
    if took is None:
        return Section("Latency and size", tables=(_facts(("size on disk", size)),))
    table = _facts(
        ("one row alone, in the calmest moment", f"{took.single_ms:.1f} ms"),
        ("one row alone, 95 of 100 within", f"{took.single_p95_ms:.1f} ms"),
        (f"each of {took.batch_rows:,} rows together", f"{took.batch_us_per_row:.1f} µs"),
        ("size on disk", size),
    )
    return Section("Latency and size", texts=("Measured on the machine that trained.",), tables=(table,))


def _lineage(facts: CardFacts) -> Section:
    rows = tuple((origin.name, origin) for origin in facts.origins)
    return Section("Lineage", tables=(Table(("what", "value"), rows, kind="facts"),) if rows else ())


def _again(facts: CardFacts) -> Section:
    texts = (
        "The first command trains again from the recorded data, declaration, seed and commit and compares the metrics; "
        "the second makes the champion before this one serve again.",
    )
    commands = (f"perennial reproduce {facts.model} {facts.version}", f"perennial rollback {facts.model}")
    return Section("Reproduce and roll back", texts=texts, commands=commands)


def _figures(drawn: Iterable[str]) -> tuple[tuple[str, str], ...]:
    names = {*drawn}
    return tuple((name, title) for name, title in TITLES.items() if name in names)


def _first(name: str, names: Sequence[str]) -> list[str]:
    """The names once each, this one first."""
    return sorted(dict.fromkeys(names), key=lambda other: other != name)


def _interval(interval: Interval | None) -> str:
    if interval is None:
        return _UNKNOWN
    if interval.low is None or interval.high is None:
        return _number(interval.value)
    return f"{_number(interval.value)} ({_number(interval.low)} to {_number(interval.high)})"


def _number(value: float | None) -> str:
    if value is None:
        return _UNKNOWN
    return f"{value:.4f}" if abs(value) < 10 else f"{value:,.2f}" if abs(value) < 10_000 else f"{value:,.0f}"
