"""ADWIN and KSWIN of river on the same streams, channels and models as Perennial: a process of the peers' own environment answers."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from benchmarks.detection_champion import Champion, watched
from benchmarks.detection_ours import LEVEL
from benchmarks.detection_streams import Floats, Plan, Stream

CHANNELS = ("inputs", "predictions", "labels")
_CLOCK = 32
"""ADWIN looks every so many rows; KSWIN looks at every row."""


@dataclass(frozen=True, slots=True)
class Detector:
    """`parameters`: from how a stream is watched, and the number of columns that share the detector's error."""

    name: str
    kind: str
    parameters: Callable[[Plan, int], dict[str, Any]]


DETECTORS = (
    Detector("ADWIN", "ADWIN", lambda _, columns: {"delta": 0.002 / columns}),
    Detector("ADWIN, promise", "ADWIN", lambda plan, columns: {"delta": LEVEL * _CLOCK / plan.window / columns}),
    Detector("KSWIN", "KSWIN", lambda _, columns: {"alpha": 0.005 / columns, "seed": 0}),
    Detector("KSWIN, promise", "KSWIN", lambda plan, columns: {"alpha": LEVEL / plan.window / columns, "seed": 0}),
)
"""By default their own level, divided by the columns. "promise": the level of a window is divided by its looks too (Bonferroni)."""


class River:
    """A running peer.

    Raises:
        RuntimeError: Its interpreter has no river.
    """

    def __init__(self, python: Path) -> None:
        script = Path(__file__).with_name("river_peer.py")
        self._process = subprocess.Popen([str(python), str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            self.alarms(np.zeros((1, 1)), "ADWIN", {}, is_first_enough=True)
        except (BrokenPipeError, json.JSONDecodeError) as error:
            self._process.kill()
            raise RuntimeError(f"{python} does not run {script.name}: is river installed there?") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None, "it was opened with one"
        self._process.stdin.close()
        self._process.wait(timeout=60)

    def alarms(self, values: Floats, kind: str, parameters: dict[str, Any], *, is_first_enough: bool) -> list[int]:
        """The rows at which any column (rows x columns) alarms; each time all detectors are made anew."""
        source, answer = self._process.stdin, self._process.stdout
        assert source is not None, "it was opened with one"
        assert answer is not None, "it was opened with one"
        rows, columns = values.shape
        asked = {"detector": kind, "parameters": parameters, "rows": rows, "columns": columns, "is_first_enough": is_first_enough}
        source.write(json.dumps(asked).encode() + b"\n" + np.ascontiguousarray(values).tobytes())
        source.flush()
        found: list[int] = json.loads(answer.readline())
        return found

    def check_kswin(self, rows: int = 1_500) -> int:
        """How many alarms KSWIN gave on the same rows by its own class, and looked at many rows at a time.

        Raises:
            RuntimeError: They are not the same.
        """
        random = np.random.default_rng(0)
        values = np.column_stack((random.normal(size=rows), random.normal(size=rows).round(1), random.random(rows) < 0.2)).astype(float)
        values[rows // 2 :, 0] += 1
        asked = {"alpha": 0.005, "seed": 0}
        quick, own = (self.alarms(values, kind, asked, is_first_enough=False) for kind in ("KSWIN", "KSWIN itself"))
        if quick != own:
            raise RuntimeError(f"KSWIN of many rows at a time alarms at {quick}, river's own class at {own}")
        return len(own)

    def on(self, stream: Stream, channel: str, detector: Detector) -> list[int]:
        """The detector's alarms on one of `CHANNELS`. Models and their probabilities or errors are those that Perennial watches."""
        if channel == "inputs":
            values = scaled(stream.features, sum(stream.plan.reference(is_first=True)))
            return self.alarms(values, detector.kind, detector.parameters(stream.plan, values.shape[1]), is_first_enough=False)

        def first_alarm(champion: Champion) -> int | None:
            values = champion.said if channel == "predictions" else 1 - champion.right
            parameters = detector.parameters(stream.plan, 1)
            found = self.alarms(values[:, None], detector.kind, parameters, is_first_enough=True)
            return champion.held + found[0] if found else None

        return watched(stream, first_alarm)


def scaled(features: Floats, rows: int) -> Floats:
    """Columns as shares of the way from the 1st to the 99th percentile of the first rows, cut there; missing ones as the median.

    ADWIN's bound is for values from 0 to 1. A column that was constant is only moved to 0.
    """
    first = features[:rows]
    low, middle, high = np.nanquantile(first, [0.01, 0.5, 0.99], axis=0)
    filled = np.where(np.isnan(features), middle, features)
    varies = high > low
    found: Floats = np.where(varies, (np.clip(filled, low, high) - low) / np.where(varies, high - low, 1), filled - low)
    return found
