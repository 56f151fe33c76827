"""Drift between what a model learnt from and a later window, measured where a policy that is played looks at it, and nowhere else."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.errors import PerennialError
from ml.jobs.promised import CONCEPT, Promised
from ml.jobs.replaying.rows import Accepted
from ml.monitoring import drift as drifting
from ml.monitoring import evidently_defaults, looks
from ml.monitoring.alarms.own_windows import NO_TIME, Cut, OwnWindows
from ml.monitoring.drift import Pin
from ml.monitoring.evidently_defaults import Side
from ml.monitoring.profiles import Profile
from ml.spec import ModelSpec, Persistence
from ml.state.records import Drift

log = logging.getLogger(__name__)

T = TypeVar("T")
_REFERENCES, _WINDOWS = 3, 40
_BESIDE = ("target", "prediction", CONCEPT)
"""What shares a live look's level, and is not played."""


class _Newest(OrderedDict[Hashable, Any]):
    """Keeps the newest `most` values."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def of(self, key: Hashable, make: Callable[[], T]) -> T:
        if key not in self:
            self[key] = make()
            if len(self) > self._most:
                self.popitem(last=False)
        self.move_to_end(key)
        found: T = self[key]
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drifts:
    """What the declared statistics say of (model, window), each measured once.

    Args:
        spec: Pins, thresholds, promise.
        accepted: The rows.
        learnt: Positions of the rows that a model learnt from.
        delay: So many windows after the one before which it learnt a model is put into service; no earlier window is one of its own.
        unmeasured: Windows whose drift could not be measured beside some model, as far as was looked: there it counted as not drifted.
    """

    spec: ModelSpec
    accepted: Accepted
    learnt: Callable[[int], npt.NDArray[np.int64]]
    delay: int = 0
    unmeasured: set[int] = field(default_factory=set)
    _references: _Newest = field(default_factory=lambda: _Newest(_REFERENCES))
    _windows: _Newest = field(default_factory=lambda: _Newest(_WINDOWS))
    _measured: dict[tuple[int, int, Persistence], tuple[Drift, ...]] = field(default_factory=dict)
    _default: dict[tuple[int, int], bool] = field(default_factory=dict)

    def measured(self, model: int, window: int, *, counted: Persistence) -> tuple[Drift, ...]:
        """The drift of each feature column; under a promise what is `counted` looks back at the model's windows, and sets the level.

        A window that cannot be measured (no rows) has no drift.
        """
        key = (model, window, counted)
        if key not in self._measured:
            self._measured[key] = self._measure(model, window, counted)
        return self._measured[key]

    def before(self, model: int, window: int, counted: Persistence) -> range:
        """The windows of the model's service before this one that are looked back at, the newest first."""
        return range(window - 1, max(model + self.delay - 1, window - counted.of), -1)

    def by_default(self, model: int, window: int) -> bool:
        """Whether Evidently's default rule calls the window drifted."""
        key = (model, window)
        if key not in self._default:
            rows, learnt = self._rows(window), self.learnt(model)
            reference = self._references.of(("of all", model), lambda: Side(self._columns(learnt), self._profiles(learnt)))
            now = self._windows.of(("of all", window), lambda: Side(self._columns(rows), self._profiles(rows)))
            self._default[key] = len(rows) > 0 and evidently_defaults.has_drifted(self._pins, reference=reference, window=now)
        return self._default[key]

    @property
    def _pins(self) -> list[Pin]:
        return drifting.feature_pins(self.spec)

    def _measure(self, model: int, window: int, counted: Persistence) -> tuple[Drift, ...]:
        if not len(self._rows(window)) or not len(self.learnt(model)):
            return ()
        reference = self._references.of(model, lambda: self._reference(model))
        now: dict[str, Profile] = self._windows.of(window, lambda: self._profiles(self._rows(window)))
        try:
            if self.spec.monitoring.false_alarms is None:
                return tuple(drifting.compare(pin, reference=reference[pin.column][0], window=now[pin.column]) for pin in self._pins)
            found = [
                looks.look(pin, reference=reference[pin.column][0], window=now[pin.column], own=reference[pin.column][1])
                for pin in self._pins
            ]
            return tuple(self._promised(model, window, counted).judged(found)[0])
        except PerennialError as error:  # as where a live window is given up: it asks for nothing
            self.unmeasured.add(window)
            log.warning("drift cannot be measured model=%d window=%d error=%s", model, window, error)
            return ()

    def _promised(self, model: int, window: int, counted: Persistence) -> Promised:
        assert self.spec.monitoring.false_alarms is not None
        return Promised(
            promise=self.spec.monitoring.false_alarms,
            between=self._between,
            persistence=counted,
            earlier=tuple(looks.alarms(self.measured(model, one, counted=counted)) for one in self.before(model, window, counted)),
            beside=_BESIDE,
        )

    @property
    def _between(self) -> timedelta:
        """The usual time between two windows; a day where all arrived at once."""
        gap = int(np.median(np.diff(self.accepted.moments)))
        return timedelta(microseconds=gap / 1000) if gap > 0 else timedelta(days=1)

    def _reference(self, model: int) -> dict[str, tuple[Profile, OwnWindows]]:
        rows = self.learnt(model)
        columns = self._columns(rows)
        size = max(1, int(np.median(np.diff(self.accepted.edges))))
        cut = None
        if self.spec.monitoring.false_alarms is not None:
            if self.spec.time is not None:
                cut = Cut.of(np.arange(len(rows), dtype=np.int64), window_rows=size)  # rows are in order of time here
            elif self.spec.group is not None:
                cut = Cut.of_groups(self.accepted.frame[self.spec.group].iloc[rows], window_rows=size)
        found = {}
        for pin in self._pins:
            whole = drifting.profile_of(pin, columns[pin.column])
            own = NO_TIME if cut is None else looks.own_windows(pin, columns[pin.column], whole, cut)
            found[pin.column] = (whole, own)
        return found

    def _profiles(self, rows: npt.NDArray[np.int64]) -> dict[str, Profile]:
        columns = self._columns(rows)
        return {pin.column: drifting.profile_of(pin, columns[pin.column]) for pin in self._pins}

    def _columns(self, rows: npt.NDArray[np.int64]) -> dict[str, "pd.Series[Any]"]:
        frame = self.accepted.frame
        return {pin.column: frame[pin.column].iloc[rows].reset_index(drop=True) for pin in self._pins}

    def _rows(self, window: int) -> npt.NDArray[np.int64]:
        return np.arange(self.accepted.edges[window], self.accepted.edges[window + 1])
