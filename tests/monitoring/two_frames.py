"""Drift of two columns or frames, whose profiles are made on the spot."""

from collections.abc import Sequence

import pandas as pd

from ml.monitoring.drift import Pin, compare, profile_of
from ml.state.records import Drift


def drifts_of(pins: Sequence[Pin], *, reference: pd.DataFrame, window: pd.DataFrame) -> list[Drift]:
    return [drift_of(pin, reference=reference[pin.column], window=window[pin.column]) for pin in pins]


def drift_of(pin: Pin, *, reference: pd.Series, window: pd.Series) -> Drift:
    return compare(pin, reference=profile_of(pin, reference), window=profile_of(pin, window))
