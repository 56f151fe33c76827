"""The watch over a new champion: the one that it replaced is scored beside it, and comes back if the new one is shown to be worse.

A look counts the rows whose labels have become known since the last one. It may be killed anywhere and run again, and two looks at the
same time count no row twice: the state database takes a look's numbers and its cursor in one statement, if nobody looked meanwhile.
"""

import logging
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from ml import specfile
from ml.errors import ConcurrentChange, PerennialError, UnknownVersion
from ml.jobs import champion as champions_job
from ml.jobs import watched
from ml.jobs.watched import WatchResult
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, ledger, specs, trainings, watches
from ml.state.records import Decision, Promotion, Watch
from ml.wording import counted

if TYPE_CHECKING:
    import pandas as pd

    from ml.jobs.shadow import Both, Cursor, Side
    from ml.training.losses import Loss

__all__ = ["WatchResult", "watch"]

log = logging.getLogger(__name__)

_BY = "watch"
_ATTEMPTS = 5
_WRONG = 1.0
"""The loss of a prediction that is no number."""


def watch(settings: Settings, model: str, *, since: datetime | None = None) -> WatchResult | None:
    """One look at the champion beside the one that it replaced; None where none is watched.

    Args:
        settings: Where the stores are.
        model: The model.
        since: Another try of a look that began then: what an earlier try rolled back is told again.
    """
    specfile.spec_path(settings, model)
    state = State.open(settings)
    champions_job.heal_missed(settings, model)
    history = trainings.promotion_history(state, model)
    _end_former(state, history)
    if not history:
        return None
    newest = history[-1]
    if since is not None and newest.key.startswith(f"{_BY}-") and newest.at >= since:
        return watched.result(state, watches.of_model(state, model)[int(newest.key.removeprefix(f"{_BY}-"))])
    begun = _begun(settings, state, newest)
    if begun is None or begun.state != "watching":
        return None if begun is None else watched.result(state, begun)
    return _looked(settings, state, begun)


def _begun(settings: Settings, state: State, change: Promotion) -> Watch | None:
    """The watch of a promotion that replaced a champion, if its frozen declaration wants one; begun where it was not."""
    if (known := watches.find(state, change.number)) is not None:
        return known
    if change.kind != "promote" or change.previous is None:
        return None
    new, former = (trainings.of_version(state, change.model, version) for version in (change.version, change.previous))
    if new is None:
        return None
    spec = specs.recall(state, new.spec_hash)
    if spec.promotion.watch is None:
        return None

    from ml.data.labels import NO_LABELS
    from ml.data.table import AcceptedTable
    from ml.jobs import shadow

    then = shadow.at(AcceptedTable.of(settings, change.model, spec), change.at)
    made = [one for one in (new, former) if one is not None]
    learnt = max(one.dataset_version for one in made)
    return watches.begin(
        state,
        Watch(
            promotion=change.number,
            model=change.model,
            version=change.version,
            former=change.previous,
            # A label is final so much later: a row of the watch's last day is judged as well.
            until=change.at + spec.promotion.watch + (spec.label_delay or timedelta(0)),
            after_version=learnt,
            # What either was fitted on was known, whatever two machines' clocks say of the order.
            known_version=max(then.dataset_version, learnt),
            known_labels=max(then.labels_version, *(NO_LABELS if one.labels_version is None else one.labels_version for one in made)),
            looks=0,
            dataset_version=then.dataset_version,
            labels_version=then.labels_version,
            as_of=change.at,
            measure=None,
            wealth=None,
            rows=0,
            loss=0.0,
            former_loss=0.0,
            gain=None,
            state="watching",
            reason=None,
            updated_at=datetime.now(UTC),
        ),
    )


def _looked(settings: Settings, state: State, found: Watch) -> WatchResult:
    from ml.training import eprocess

    spec = watched.spec_of(state, found)
    for _ in range(_ATTEMPTS):
        if found.state != "watching":
            return watched.result(state, found)
        # What an earlier look found before it was killed.
        if eprocess.worse(watched.wealth(found), spec.promotion.rollback_level):
            return watched.result(state, _rolled_back(settings, state, spec, found))
        now = datetime.now(UTC)
        counted = _counted(settings, state, spec, found, now)
        if counted is not None:
            rows = counted.rows - found.rows
            if counted.state == "watching" and eprocess.worse(watched.wealth(counted), spec.promotion.rollback_level):
                counted = _rolled_back(settings, state, spec, counted)
            elif counted.state == "watching" and now >= counted.until:
                counted = _ended(state, counted, "kept", watched.kept(counted, spec))
            return watched.result(state, counted).model_copy(update={"fresh_rows": rows})
        again = watches.find(state, found.promotion)
        assert again is not None, "a watch is never deleted while its model is watched"
        found = again
    raise ConcurrentChange(f"the watch of {found.model} was changed by others {_ATTEMPTS} times in a row; run it again")


def _counted(settings: Settings, state: State, spec: ModelSpec, found: Watch, now: datetime) -> Watch | None:
    """The watch with the rows that are known now; ended where one side cannot score them. None: another look was faster."""
    from ml.data.table import AcceptedTable
    from ml.jobs import shadow
    from ml.training.losses import Loss

    table = AcceptedTable.of(settings, found.model, spec)
    cursor = shadow.present(table, now)
    rows = shadow.counted(table, spec, found, cursor)
    fresh = int(rows[shadow.FRESH].sum())
    if not fresh:
        return found
    rows = rows.tail(fresh + shadow.MOST_EARLIER_ROWS).reset_index(drop=True)
    try:
        new, former = _sides(settings, state, found)
        loss = Loss.model_validate(found.measure) if found.measure is not None else shadow.loss_of(settings, new=new, former=former)
        both = shadow.scored(settings, rows, new=new, former=former, version=cursor.dataset_version)
    except PerennialError as error:
        if error.retryable:
            raise
        return _ended(state, found, "ended", f"the watch ended after {counted(found.rows, 'row')}: {error}")
    # The test bets on whole blocks: parts of one, a look each, would count what is alike as if it were not.
    return found if fresh < loss.block else _advanced(state, spec, found, cursor, rows=rows, both=both, loss=loss)


def _advanced(
    state: State, spec: ModelSpec, found: Watch, cursor: "Cursor", *, rows: "pd.DataFrame", both: "Both", loss: "Loss"
) -> Watch | None:
    """Counts the fresh rows, which come last; the others are for the realised gain."""
    import numpy as np

    from ml.jobs import shadow
    from ml.training import eprocess, losses, realised

    labels = rows[shadow.LABEL].to_numpy()
    last = np.flatnonzero(rows[shadow.FRESH])
    newest = both.take(last)
    groups = rows[shadow.GROUP].to_numpy()[last] if shadow.GROUP in rows else None
    bets = losses.differences(spec, labels[last], newest.new, newest.former, loss, groups=groups)
    mine, theirs = (
        float(np.nan_to_num(one, nan=_WRONG).sum()) for one in realised.row_losses(spec.task, labels[last], newest.new, newest.former)
    )
    total = found.rows + len(last)
    gain = realised.realised(
        spec,
        labels=labels,
        new=both.new,
        old=both.former,
        rows=total,
        loss=(found.loss + mine) / total,
        former_loss=(found.former_loss + theirs) / total,
    )
    log.info("watch counted model=%s version=%d former=%d rows=%d", found.model, found.version, found.former, len(last))
    return watches.advance(
        state,
        found,
        dataset_version=cursor.dataset_version,
        labels_version=cursor.labels_version,
        as_of=cursor.as_of,
        measure=loss.model_dump(mode="json"),
        wealth=eprocess.update(watched.wealth(found), bets).model_dump(mode="json"),
        rows=len(last),
        loss=mine,
        former_loss=theirs,
        gain=gain.model_dump(mode="json"),
    )


def _sides(settings: Settings, state: State, found: Watch) -> tuple["Side", "Side"]:
    """Both champions, loaded; an error that stays says which one cannot be used and why."""
    from ml.jobs.shadow import Side
    from ml.training import champions

    sides = []
    for version in (found.version, found.former):
        made_by = trainings.of_version(state, found.model, version)
        if made_by is None:
            raise UnknownVersion(f"no training that the state database knows made version {version}")
        one = champions.Champion(version, made_by, specs.recall(state, made_by.spec_hash))
        sides.append(Side(one, champions.load(settings, one)))
    new, former = (side.champion.spec for side in sides)
    if champions.question(new) != champions.question(former):
        raise UnknownVersion(f"version {found.former} predicts {former.target!r} ({former.task}), not {new.target!r} ({new.task})")
    return sides[0], sides[1]


def _rolled_back(settings: Settings, state: State, spec: ModelSpec, found: Watch) -> Watch:
    """Makes the former champion champion again, unless somebody has changed the champion meanwhile."""
    from ml.registry import models

    try:
        models.check_version(settings, found.model, found.former)
    except UnknownVersion as error:
        reason = f"{watched.worse(found, spec)}, but it cannot come back: {error}"
        log.error("champion is worse and stays model=%s version=%d reason=%r", found.model, found.version, reason)
        return _ended(state, found, "ended", reason)
    crowned = trainings.crown(
        state,
        model=found.model,
        version=found.former,
        kind="rollback",
        at=datetime.now(UTC),
        by=_BY,
        reason=watched.worse(found, spec),
        key=f"{_BY}-{found.promotion}",
        evidence={"watch": watched.result(state, found).model_dump(mode="json")},
        after=found.promotion,
    )
    if crowned is None:
        _end_former(state, trainings.promotion_history(state, found.model))
        ended = watches.find(state, found.promotion)
        assert ended is not None, "it was just read"
        return ended
    log.warning("champion rolled back model=%s version=%d former=%d reason=%r", found.model, found.version, found.former, crowned.reason)
    _recorded(state, found, crowned)
    ended = _ended(state, found, "rolled_back", crowned.reason)
    champions_job.heal_aliases(settings, found.model)
    return ended


def _recorded(state: State, found: Watch, change: Promotion) -> None:
    """Writes the rollback into the ledger as a closed decision. Idempotent; before the watch is ended, so that a kill loses nothing."""
    ledger.decide(
        state,
        Decision(
            id=f"rollback-{found.model}-{change.number}",
            model=found.model,
            window=None,
            retrain=False,
            reasons=[change.reason],
            evidence=change.evidence or {},
            report_url=None,
            state="done",
            decided_at=change.at,
            kind="rollback",
            policy=_BY,
            outcome={"champion": found.former, "rolled_back": found.version, "promotion": change.number},
        ),
    )


def _end_former(state: State, history: list[Promotion]) -> None:
    """Ends the watches of changes that another change came after."""
    if not history:
        return
    found = watches.of_model(state, history[-1].model)
    for change, after in pairwise(history):
        if change.number in found and found[change.number].state == "watching":
            if after.key == f"{_BY}-{change.number}":
                _recorded(state, found[change.number], after)
                _ended(state, found[change.number], "rolled_back", after.reason)
            else:
                text = f"version {after.version} was made champion by {after.by} ({after.kind}) before the watch was over"
                _ended(state, found[change.number], "ended", text)


def _ended(state: State, found: Watch, how: str, reason: str) -> Watch:
    ended = watches.end(state, found.promotion, how=how, reason=reason, at=datetime.now(UTC))
    log.info("watch ended model=%s version=%d state=%s rows=%d", found.model, found.version, ended.state, ended.rows)
    return ended
