"""Perennial's alarms on a stream, by its own functions: windows of fixed rows, one promised rate, a reference made anew after each alarm.

Kinds of drift: data (inputs), prediction (probabilities against those of the held rows), target and concept (both need labels), and
shadow: concept drift by a model that learnt from the rows just before the window. Kinds that watch together share the promise.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import timedelta

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from benchmarks.detection_champion import Champion, said_by, watched
from benchmarks.detection_streams import Floats, Stream
from ml.monitoring import concept, profiles
from ml.monitoring.alarms import promise
from ml.monitoring.alarms.comparing import Comparison, Profile, Watched, compare
from ml.monitoring.alarms.own_windows import Cut
from ml.monitoring.alarms.verdicts import judge
from ml.monitoring.alarms.windows import Calibration
from ml.monitoring.concept import Fresh, Observed
from ml.spec.amounts import Rate

PROMISE, DAILY, FLOOR = Rate(1, period=timedelta(days=90)), timedelta(days=1), 0.1
LEVEL = promise.level_of_a_look(PROMISE, DAILY)
LABELS = ("target", "concept")
ALL = ("data", "prediction", *LABELS)


def alarms(stream: Stream, kinds: Sequence[str]) -> list[int]:
    """The last row of each window that is an alarm of one of the kinds of drift."""
    levels, fresh = promise.split(LEVEL, kinds), []

    def first_alarm(champion: Champion) -> int | None:
        if "concept" in kinds:
            fresh.append(_fresh(champion))
        columns = [column for kind in kinds if kind not in {"concept", "shadow"} for column in _columns(champion, kind)]
        drifts = {kind: level for kind, level in levels.items() if kind not in {"concept", "shadow"}}
        for window in champion.windows:
            found = [one for column in columns if (one := column.compared(window)) is not None]
            if (
                any(family.is_alarm for family in judge(found, levels=drifts))
                or ("concept" in kinds and _is_worse(champion, window, fresh, levels["concept"]))
                or ("shadow" in kinds and _is_beaten(champion, window, levels["shadow"]))
            ):
                return int(window.stop) - 1
        return None

    return watched(stream, first_alarm)


class _Column:
    """One column of a champion's reference, and of the windows after it."""

    def __init__(self, kind: str, name: str, values: Floats, *, champion: Champion, start: int) -> None:
        self.watched = Watched(column=name, family=kind, method="jensenshannon" if kind == "target" else "wasserstein", floor=FLOOR)
        self.values, self.start = values, start
        rows = values[: champion.end - start]
        self.reference = self.profile(rows)
        self.calibration = self._calibrated(rows, champion.stream.plan.window) if champion.stream.plan.is_ordered else None

    def profile(self, rows: Floats) -> Profile:
        if self.watched.family == "target":
            return profiles.labels(pd.Series(rows.astype(int).astype(str)))
        return profiles.numeric(rows)

    def _calibrated(self, rows: Floats, size: int) -> Calibration | None:
        cut, column = Cut.of(np.arange(len(rows), dtype=np.int64), window_rows=size), pd.Series(rows)
        made = cut.calibrated(column, self.reference, method="wasserstein", profile=lambda part: self.profile(part.to_numpy()))
        return made.distance

    def compared(self, window: slice) -> Comparison | None:
        """How a window of the stream compares; None where a side has no value."""
        now = self.profile(self.values[window.start - self.start : window.stop - self.start])
        return compare(self.watched, reference=self.reference, window=now, calibration=self.calibration)


def _columns(champion: Champion, kind: str) -> Iterator[_Column]:
    stream = champion.stream
    if kind == "data":
        for number, name in enumerate(stream.columns):
            yield _Column(kind, name, stream.features[champion.start :, number], champion=champion, start=champion.start)
    elif kind == "prediction":
        yield _Column(kind, kind, champion.said, champion=champion, start=champion.held)
    else:
        yield _Column(kind, kind, stream.labels[champion.start :].astype(float), champion=champion, start=champion.start)


def _fresh(champion: Champion) -> Fresh:
    """The champion's accuracy on the held rows: Wilson's interval, or from sums over blocks where rows follow each other."""
    right = champion.right[: champion.end - champion.held]
    value, block = float(right.mean()), champion.stream.plan.block
    if champion.stream.plan.is_ordered:
        means = right[: len(right) // block * block].reshape(-1, block).mean(axis=1)
        half = 1.96 * float(means.std(ddof=1)) / math.sqrt(len(means))
        return Fresh(value=value, low=value - half, high=value + half)
    interval = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
    return Fresh(value=value, low=float(interval.low), high=float(interval.high))


def _observed(right: Floats, block: int) -> Observed:
    units = None if block == 1 else np.arange(len(right), dtype=np.intp) // block
    return Observed(value=float(right.mean()), influence=right - right.mean(), units=units)


def _is_worse(champion: Champion, window: slice, fresh: Sequence[Fresh], level: float) -> bool:
    right, usual = champion.right[champion.since_held(window)], concept.usual(fresh)
    now = _observed(right, champion.stream.plan.block)
    return concept.against_fresh("accuracy", now, usual, level=level).drifted


def _is_beaten(champion: Champion, window: slice, level: float) -> bool:
    """A shadow learns from as many rows as champions do, the newest before the window."""
    stream = champion.stream
    said = said_by(stream, slice(window.start - stream.plan.learn, window.start), window)
    shadow = ((said > 0.5) == stream.labels[window]).astype(float)
    sides = [_observed(right, stream.plan.block) for right in (champion.right[champion.since_held(window)], shadow)]
    return concept.regret("accuracy", *sides, level=level).drifted
