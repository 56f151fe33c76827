"""How all models stand at a look: one row a model, from the declarations and the state database."""

from collections.abc import Collection
from dataclasses import dataclass

from ml.jobs.declared import Declared, all_declared
from ml.settings import Settings
from ml.state import State, overview
from ml.state.overview import Judged, Look, Said
from ml.state.records import Promotion

SHOWN_WINDOWS = 20
"""So many windows the sparkline of a model has."""
_LABELS_BACK = 400
"""So many windows back its newest quality is looked for: labels may come long after the rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    """How a model stands.

    Args:
        declared: Its declaration, or what is wrong with it.
        champion: The change that made its champion; None before the first.
        quality: Its metric in the newest window whose labels gave it.
        looks: Its newest windows, oldest first.
        decision: The newest decision.
        standing: How many decisions wait, by their state.
        approvals: How many winners wait for a person's word.
        quarantined: How many batches are in quarantine.
    """

    declared: Declared
    champion: Promotion | None = None
    quality: Judged | None = None
    looks: tuple[Look, ...] = ()
    decision: Said | None = None
    standing: dict[str, int]
    approvals: int = 0
    quarantined: int = 0

    @property
    def model(self) -> str:
        """Its name."""
        return self.declared.model

    @property
    def measured(self) -> tuple[Look, ...]:
        """Its newest windows in which columns were compared, oldest first."""
        return tuple(one for one in self.looks if one.is_measured and one.share is not None)

    @property
    def drift_limit(self) -> float | None:
        """From which share (0-1) of drifted columns on the policy asks for a training; None: never for drift alone."""
        return None if self.declared.spec is None else self.declared.spec.retraining.drift_share

    @property
    def drift(self) -> str:
        """`unknown`, `calm` (no column drifted in the newest window), `some`, or `drifting` (as many as the policy asks for).

        Of the present champion alone: what was seen of an earlier one says nothing of it.
        """
        if not self.measured or self.is_of_other(self.measured[-1]):
            return "unknown"
        newest = self.measured[-1]
        if newest.drifted == 0:
            return "calm"
        return "drifting" if self.drift_limit is not None and (newest.share or 0.0) >= self.drift_limit else "some"

    def is_of_other(self, found: Look | Judged) -> bool:
        """Whether it was seen while another version than the present champion served."""
        return self.champion is not None and found.champion != self.champion.version

    @property
    def waiting(self) -> int:
        """How many things wait for a person: approvals, suggestions, batches in quarantine, a declaration that is broken."""
        return self.approvals + self.standing.get("suggested", 0) + self.quarantined + bool(self.declared.faults)


def models(settings: Settings, *, only: Collection[str] | None = None) -> list[ModelRow]:
    """How each declared model stands, by name; of some, if asked. A dozen queries, however many models and windows there are."""
    found = [one for one in all_declared(settings) if only is None or one.model in only]
    if not found:
        return []
    return _rows(State.open(settings).reader, found)


def one(settings: Settings, declared: Declared) -> ModelRow:
    """How this model stands."""
    return _rows(State.open(settings).reader, [declared])[0]


def _rows(state: State, found: list[Declared]) -> list[ModelRow]:
    names = [one.model for one in found]
    metrics = {one.model: one.spec.metric for one in found if one.spec is not None}
    with state.begin() as connection:
        champions, newest = overview.champions(connection, names), overview.newest(connection, names)
        looks = overview.looks(connection, newest, most=SHOWN_WINDOWS)
        declared = {name: number for name, number in newest.items() if name in metrics}
        judged = overview.judged(connection, metrics, declared, most=SHOWN_WINDOWS)
        unjudged = {name: number for name, number in declared.items() if name not in judged}
        judged |= overview.judged(connection, metrics, unjudged, most=_LABELS_BACK)
        said, standing = overview.said(connection, names), overview.standing(connection, names)
        asked, quarantined = overview.asked(connection, names), overview.quarantined(connection, names)
    return [
        ModelRow(
            declared=one,
            champion=champions.get(one.model),
            quality=judged.get(one.model),
            looks=tuple(looks.get(one.model, ())),
            decision=said.get(one.model),
            standing=standing.get(one.model, {}),
            approvals=asked.get(one.model, 0),
            quarantined=quarantined.get(one.model, 0),
        )
        for one in found
    ]
