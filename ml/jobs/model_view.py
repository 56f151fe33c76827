"""All that is known of one model, for the page that shows it: from its declaration and the state database alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ml.jobs import overview
from ml.jobs.declared import Declared, declared
from ml.jobs.report import gather
from ml.monitoring.history.facts import History
from ml.settings import Settings
from ml.state import State, alerts, approvals, batches, replays, trainings, watches
from ml.state.overview import Said, begin_of, first_of, recent
from ml.state.records import Alert, Approval, Batch, PlayedReplay, Promotion, Training, Watch

SHOWN_WINDOWS = 300
"""So many windows the charts show at most: with more, hovering and reading get worse, and the history page has them all."""
SHOWN_DECISIONS = 30
"""So many decisions a page shows; older ones are on the next."""
SHOWN_BATCHES = 20
"""So many batches in quarantine a page shows."""
_TRAININGS = 50
PERIODS = {"30d": timedelta(days=30), "90d": timedelta(days=90), "1y": timedelta(days=365), "all": None}
"""Name → how far back; None: from the beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelView:
    """One model.

    Args:
        row: How it stands.
        at: The moment of the look.
        history: What was measured and decided in the period; None where the declaration is broken.
        is_cut: Whether the period has more windows than are shown.
        trainings: The newest trainings, newest first.
        changes: Every change of champion, oldest first.
        decisions: Some of its decisions, newest first, without their evidence,
        older: and how many newer ones were left out, to ask for the next ones; None: there are no older ones.
        quarantined: The newest `SHOWN_BATCHES` batches in quarantine, newest first; `row.quarantined` is how many there are.
        approvals: Questions that wait for a person, oldest first.
        watch: How the champion does beside the former one.
        alerts: What somebody was told of and is not over.
        replay: The newest replay of its history.
    """

    row: overview.ModelRow
    at: datetime
    history: History | None
    is_cut: bool
    trainings: tuple[Training, ...]
    changes: tuple[Promotion, ...]
    decisions: tuple[Said, ...]
    older: int | None
    quarantined: tuple[Batch, ...]
    approvals: tuple[Approval, ...]
    watch: Watch | None
    alerts: tuple[Alert, ...]
    replay: PlayedReplay | None

    @property
    def model(self) -> str:
        """Its name."""
        return self.row.model


def view(settings: Settings, model: str, *, period: str = "90d", skip: int = 0) -> ModelView | None:
    """How the model stands, and what was seen in a period of `PERIODS`; None where none of that name is declared.

    `skip`: so many of the newest decisions are left out.
    """
    found = declared(settings, model)
    if found is None:
        return None
    state, at = State.open(settings).reader, datetime.now(UTC)
    history, is_cut = _history(state, found, after=begin(state, model, period=period, at=at), at=at)
    row = overview.one(settings, found)
    with state.begin() as connection:
        decisions = recent(connection, model, most=SHOWN_DECISIONS + 1, skip=skip)
    return ModelView(
        row=row,
        at=at,
        history=history,
        is_cut=is_cut,
        trainings=tuple(trainings.recent(state, model, limit=_TRAININGS)),
        changes=tuple(trainings.promotion_history(state, model)),
        decisions=tuple(decisions[:SHOWN_DECISIONS]),
        older=skip + SHOWN_DECISIONS if len(decisions) > SHOWN_DECISIONS else None,
        quarantined=tuple(batches.newest(state, model, status="quarantined", limit=SHOWN_BATCHES)),
        approvals=tuple(approvals.waiting(state, model)),
        watch=None if row.champion is None else watches.find(state, row.champion.number),
        alerts=_distinct(alerts.opened(state, model)),
        replay=replays.newest(state, model),
    )


def begin(state: State, model: str, *, period: str, at: datetime) -> datetime:
    """When a period of `PERIODS` begins that ends at a moment; `all` begins before the first window."""
    length = PERIODS.get(period, PERIODS["90d"])
    if length is not None:
        return at - length
    with state.begin() as connection:
        first = first_of(connection, model)
    return (first or at) - timedelta(seconds=1)


def _history(state: State, found: Declared, *, after: datetime, at: datetime) -> tuple[History | None, bool]:
    """What was seen in the period, or in its newest `SHOWN_WINDOWS` windows."""
    if found.spec is None:
        return None, False
    with state.begin() as connection:
        cut = begin_of(connection, found.model, most=SHOWN_WINDOWS)
    is_cut = cut is not None and cut > after
    since = cut if is_cut and cut is not None else after
    return gather(state, found.spec, since=at - since, until=at), is_cut


def _distinct(found: Sequence[Alert]) -> tuple[Alert, ...]:
    """The same condition is told through each channel: once here."""
    return tuple({one.key: one for one in found}.values())
