"""The champion's shadow in a window: its own recipe, fitted on what was labelled before, asked about the rows that it is judged on.

Retrospective: the newest labelled rows are held against a model of everything that was labelled before them, which sees a change sooner
than one that was fitted when these rows came and whose labels were awaited since. No row that is judged is ever learnt from: neither the
window's own, nor earlier ones whose labels became known only now.

Nothing is searched and nothing registered. A shadow costs a fit, so what is known of it is kept at once, in the state database: a step
that was killed and runs again finds it there. One that was killed in the fit tries once more, then gives up: a fit that takes more memory
than there is must not end the monitoring.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from ml.errors import CandidateError, ModelOwnerError, NoData, PerennialError
from ml.jobs import judged as judging
from ml.jobs import labels_seen, usual_quality
from ml.jobs import said as saying
from ml.jobs.deadline import within
from ml.jobs.estimating import Subject
from ml.monitoring import concept
from ml.monitoring.shadowed import Shadow
from ml.policy import worse_by
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.spec.types import duration_text
from ml.state import State, estimates, ledger
from ml.state.records import Window
from ml.training import dataset, paired
from ml.training.evaluation import Predicted
from ml.training.influence import Undefined
from ml.training.results import GateVerdict, verdict_of

log = logging.getLogger(__name__)

LONGEST = timedelta(hours=1)
"""A fit may take `training.timeout`, but no more than this: half of what the task that measures may take."""
MOST_FITS = 2
_LOOKED_BACK = 1000
_SAID_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the champion is judged on in a window.

    Attributes:
        judged: The labelled rows, as `ml.jobs.judged.judge` has them.
        said: What the champion says of these.
        units: Which of them are not independent of each other.
        late: The keys of those that were accepted before the window.
        ask: What another model says of all rows that were looked at; `judged` is indexed by their positions.
    """

    judged: pd.DataFrame
    said: Predicted
    units: paired.Units
    late: pd.MultiIndex
    ask: Callable[[Any], Predicted]


def of_window(state: State, window_id: str) -> Shadow | None:
    """The window's shadow, as far as it is known; None where there is none."""
    kept = estimates.detail(state, window_id, estimates.SHADOW)
    return None if kept is None else Shadow(**kept)


def known(state: State, model: str, *, until: int) -> list[tuple[Window, Shadow]]:
    """The shadows of a model in the windows with numbers up to `until`, newest first."""
    return [(window, Shadow(**kept)) for window, kept in estimates.shadows(state, model, until=until, limit=_LOOKED_BACK)]


def measure(settings: Settings, state: State, subject: Subject, asked: Asked, *, learnt: ModelSpec) -> Shadow | None:
    """The window's shadow, made and kept if this is a window for one and it is not there yet.

    None where none is due: in windows that had too few labels to be judged, and in all but the first of every `shadow_windows` others.

    Args:
        settings: Where the tables are.
        state: The state database.
        subject: The window and its champion.
        asked: The rows.
        learnt: The declaration of the champion's training.
    """
    spec, window = subject.spec, subject.window
    found = of_window(state, window.id)
    if found is not None and found.is_over:
        return found
    every, metric, least = spec.retraining.shadow_windows, spec.metric, spec.monitoring.minimum_rows
    value = judging.metrics(spec, asked.judged["label"], asked.said).get(metric)
    if every is None or value is None or len(asked.judged) < least:
        return None
    since = subject.trained.as_of
    before = ledger.judged(state, window.model, champion=window.champion, metric=metric, after=since, until=window.number - 1)
    count = sum(one.rows >= least for _, one in before)
    if count % every:
        return None
    fits = 0 if found is None else found.fits
    empty = Shadow(metric=metric, judged_before=count, rows=len(asked.judged), learnt_rows=0, champion=value, fits=fits)
    made = _made(settings, state, subject, asked, empty, learnt)
    estimates.keep_shadow(state, window.id, made.to_json())
    log.info("shadow made window=%s fits=%d %s=%s champion=%.5f why=%r", window.id, made.fits, metric, made.value, value, made.why)
    return made


def _made(settings: Settings, state: State, subject: Subject, asked: Asked, empty: Shadow, learnt: ModelSpec) -> Shadow:
    verdict = verdict_of(subject.trained)
    if verdict is None:
        return replace(empty, why=f"what version {subject.trained.version} was made with is not known")
    if empty.fits >= MOST_FITS:
        return replace(empty, why=f"its fit was begun {empty.fits} times and came to no end, as after a kill for want of memory")
    recipe = learnt.model_copy(update={name: getattr(subject.spec, name) for name in ("id", "time", "label_delay")})
    try:
        rows = _rows(settings, recipe, subject.window, asked.late)
        if _are_the_champions(settings, learnt, subject, rows):
            why = "nothing else was labelled before, so the champion is its own shadow"
            return replace(empty, value=empty.champion, worse_by=0.0, standard_error=0.0, why=why)
        dataset.check(rows, recipe, subject.window.as_of)
    except (FileNotFoundError, NoData, ModelOwnerError) as error:
        return replace(empty, why=_said(error))
    begun = replace(empty, learnt_rows=len(rows), fits=empty.fits + 1)
    estimates.keep_shadow(state, subject.window.id, replace(begun, is_over=False, why="it is being fitted").to_json())
    try:
        return _compared(subject.spec, asked, begun, _fitted(recipe, verdict, rows, asked.ask))
    except CandidateError as error:
        return replace(begun, why=_said(error))


def _rows(settings: Settings, recipe: ModelSpec, window: Window, late: pd.MultiIndex) -> pd.DataFrame:
    """What was labelled before: the newest `history_rows` accepted before the window, with the labels that it knows, but what it judges."""
    return dataset.labelled(
        settings,
        recipe,
        version=window.start_version,
        as_of=window.as_of,
        columns=recipe.features.used,
        without=late,
        **labels_seen.version_of(window),
    )


def _are_the_champions(settings: Settings, learnt: ModelSpec, subject: Subject, rows: pd.DataFrame) -> bool:
    """Whether the champion was fitted on these rows with these labels, so that a fit would only make it again."""
    trained = subject.trained
    if len(rows) == 0:
        return False
    version, labels = trained.dataset_version, trained.labels_version
    own = dataset.labelled(settings, learnt, version=version, as_of=trained.as_of, labels_version=labels, columns=())
    if len(own) != len(rows) or not dataset.row_keys(own).equals(dataset.row_keys(rows)):
        return False
    return bool(np.array_equal(own[learnt.target].to_numpy(), rows[learnt.target].to_numpy()))


def _fitted(recipe: ModelSpec, verdict: GateVerdict, rows: pd.DataFrame, ask: Callable[[Any], Predicted]) -> Predicted:
    """What the champion's recipe says once it is fitted on these rows, with its calibration and threshold.

    Raises:
        CandidateError: It cannot be fitted, takes too long, or fails on the rows that it is asked about.
    """
    from ml.training import making
    from ml.training.finishing import Finishing

    def act() -> Predicted:
        model = making.refitted(recipe, verdict.candidate, verdict.params, rows, Finishing.model_validate(verdict.finishing))
        try:
            return ask(model)
        except (PerennialError, OSError):
            raise
        except (Exception, SystemExit) as error:  # a foreign class may raise anything on rows that it does not know
            raise CandidateError(f"it fails on the window's rows: {type(error).__name__}: {error}") from error

    limit = min(recipe.training.timeout, LONGEST)
    return within(limit, f"its fit was ended: it took longer than {duration_text(limit)}", act)


def _compared(spec: ModelSpec, asked: Asked, begun: Shadow, said: Predicted) -> Shadow:
    """The shadow with its metric, and how far chance may carry the difference: the wider error where units are of two kinds."""
    labels = asked.judged["label"]
    mine = saying.taken(said, asked.judged.index.to_numpy())
    value = judging.metrics(spec, labels, mine).get(begun.metric)
    if value is None:
        return replace(begun, why=f"{begun.metric} is not defined on what it says of the rows")
    worse = worse_by(begun.metric, begun.champion, than=value)
    try:
        sides = [usual_quality.observed(begun.metric, spec, labels.to_numpy(), one, asked.units) for one in (asked.said, mine)]
    except Undefined:
        return replace(begun, value=value, worse_by=worse)
    tests = [concept.regret(begun.metric, champion, shadow) for champion, shadow in zip(*sides, strict=True)]
    widest = max(tests, key=lambda one: (bool(one.obstacle), usual_quality.by_chance(one) or 0.0))
    return replace(begun, value=value, worse_by=worse, standard_error=widest.standard_error, p=widest.p)


def _said(error: Exception) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    said = text if isinstance(error, PerennialError) else f"rows that it would learn from are gone ({text}); bring the table's files back"
    return said if len(said) <= _SAID_CHARACTERS else said[: _SAID_CHARACTERS - 1] + "…"
