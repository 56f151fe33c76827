"""What the promised rate of false alarms allows one look at a window, and what the champion's earlier looks found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise

from ml.monitoring import looks as looking
from ml.monitoring.alarms import promise
from ml.monitoring.looks import Look, Test
from ml.spec import ModelSpec, Persistence, Rate
from ml.state import State, ledger
from ml.state.records import Drift, Window

CONCEPT = "concept drift"
_LOOKED_BACK = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Promised:
    """A promise, as it stands for one window.

    Args:
        promise: At most so many false alarms in so long a time.
        between: How long a look is from the next.
        persistence: In how many looks a column must alarm to count.
        earlier: What the champion's earlier looks found, the newest first.
        beside: Kinds of drift that alarm at this look and are not of columns.
    """

    promise: Rate
    between: timedelta
    persistence: Persistence
    earlier: tuple[Mapping[Test, bool], ...]
    beside: tuple[str, ...] = ()

    def with_quality(self) -> "Promised":
        """The promise where concept drift is looked at too: it takes its share of the level."""
        return replace(self, beside=(CONCEPT,))

    def judged(self, looks: Sequence[Look]) -> tuple[list[Drift], str]:
        """What the look says of each column, and the sentence that tells how the promise became levels."""
        level = promise.level_of_a_look(self.promise, self.between)
        drifts = looking.judged(looks, level=level, persistence=self.persistence, earlier=self.earlier, beside=self.beside)
        said = promise.sentence(self.promise, self.between, [*looking.families(looks), *self.beside])
        often = self.persistence
        return drifts, said + (
            f" Only what alarms in {often.windows} of its last {often.of} looks counts, and the level is that of counting."
            if often.of > 1
            else ""
        )


def level_beside(drifts: Sequence[Drift]) -> float | None:
    """The level of a kind of drift that shares a look with these; None under fixed thresholds. All kinds have the same."""
    return next((float(verdict["level"]) for one in drifts for verdict in one.verdicts), None)


def of(state: State, window: Window, spec: ModelSpec) -> Promised | None:
    """The promise that a window is judged under; None where the declaration has none."""
    if spec.monitoring.false_alarms is None:
        return None
    needed = spec.retraining.drift_windows
    recent = ledger.recent_windows(state, window.model, limit=_LOOKED_BACK, until=window.number)
    moments = [one.as_of for one in recent]
    before = [one for one in recent if one.number < window.number and one.champion == window.champion and one.measured_at is not None]
    return Promised(
        promise=spec.monitoring.false_alarms,
        between=promise.time_between_looks(spec.monitoring.schedule, seen=[newer - older for newer, older in pairwise(moments)]),
        persistence=needed,
        earlier=tuple(looking.alarms(ledger.measurement(state, one.id)[0]) for one in before[: needed.of - 1]),
    )
