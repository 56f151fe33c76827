"""ADWIN and KSWIN of river on columns of numbers. Runs under an interpreter that has river, so it imports nothing of Perennial.

Reads requests on its input: a line of JSON (`detector`, `parameters`, `rows`, `columns`, `is_first_enough`), then rows x columns float64,
row by row. Answers each with a line: the rows of the alarms, as a JSON list. An alarm of any column resets the detectors of all of them.
"""

import json
import random
import sys

import numpy as np
from scipy.stats import ks_2samp

CHUNK = 1_000
_LEAST_DISTANCE = 0.1  # river's: smaller distances are no drift, whatever their p-value
_DRAWS = {}


def adwin(values, parameters):
    """The first alarm of any column, or None."""
    from river.drift import ADWIN

    detectors = [ADWIN(**parameters) for _ in range(values.shape[1])]
    for start in range(0, len(values), CHUNK):
        part, first = values[start : start + CHUNK], CHUNK
        for column, detector in enumerate(detectors):
            for row, value in enumerate(part[:first, column].tolist()):
                detector.update(value)
                if detector.drift_detected:
                    first = row
                    break
        if first < CHUNK:
            return start + first
    return None


def kswin(values, parameters):
    """The first alarm of any column, or None: river's decisions, draw by draw, but of many rows at once.

    river draws from its window with a generator that starts anew with each detector, so the draws are the same for all of them; with
    samples of one size the exact p-value depends on the distance alone.
    """
    from river.drift import KSWIN

    made = KSWIN(**parameters)
    size, recent = made.window_size, made.stat_size
    least = _least(recent, made.alpha)
    draws = _drawn(made.seed, size, recent, len(values))
    for start in range(0, max(0, len(values) - size + 1), CHUNK):
        places = np.arange(start, min(start + CHUNK, len(values) - size + 1))
        first = None
        for column in values.T:
            if first is not None:
                places = places[:first]
            before = column[places[:, None] + draws[places]]
            now = column[places[:, None] + np.arange(size - recent, size)]
            far = np.flatnonzero(_distances(before, now) >= least)
            first = int(far[0]) if len(far) else first
            if first == 0:
                break
        if first is not None:
            return start + first + size - 1
    return None


def _distances(before, now):
    """The Kolmogorov-Smirnov distances of many pairs of samples of one size, in rows of a sample."""
    if ((before == 0) | (before == 1)).all() and ((now == 0) | (now == 1)).all():
        return np.abs(before.sum(axis=1) - now.sum(axis=1))
    both = np.concatenate((before, now), axis=1)
    order = np.argsort(both, axis=1, kind="stable")
    apart = np.abs(np.cumsum(np.where(order < before.shape[1], 1, -1), axis=1))
    ordered = np.take_along_axis(both, order, axis=1)
    apart[:, :-1][ordered[:, 1:] == ordered[:, :-1]] = 0
    return apart.max(axis=1)


def _least(size, alpha):
    """The least distance, in rows of a sample, that is an alarm; more than there can be where none is."""
    rows = np.arange(size)
    for far in range(1, size + 1):
        if far / size > _LEAST_DISTANCE and ks_2samp(rows, rows + far - 0.5, method="auto").pvalue <= alpha:
            return far
    return size + 1


def _drawn(seed, size, recent, rows):
    key = seed, size, recent
    if key not in _DRAWS or len(_DRAWS[key]) < rows:
        generator, places = random.Random(seed), range(size - recent)
        _DRAWS[key] = np.array([generator.sample(places, recent) for _ in range(rows)])
    return _DRAWS[key]


def kswin_itself(values, parameters):
    """As `kswin`, by river's own class: slow, to check by."""
    from river.drift import KSWIN

    detectors = [KSWIN(**parameters) for _ in range(values.shape[1])]
    for row, numbers in enumerate(values.tolist()):
        for detector, value in zip(detectors, numbers, strict=True):
            detector.update(value)
        if any(detector.drift_detected for detector in detectors):
            return row
    return None


def alarms(values, detector, parameters, is_first_enough):
    first = {"ADWIN": adwin, "KSWIN": kswin, "KSWIN itself": kswin_itself}[detector]
    found = []
    while (row := first(values[found[-1] + 1 if found else 0 :], parameters)) is not None:
        found.append(row + (found[-1] + 1 if found else 0))
        if is_first_enough:
            break
    return found


def main():
    source = sys.stdin.buffer
    while line := source.readline():
        asked = json.loads(line)
        rows, columns = asked.pop("rows"), asked.pop("columns")
        values = np.frombuffer(source.read(8 * rows * columns)).reshape(rows, columns)
        print(json.dumps(alarms(values, **asked)), flush=True)


if __name__ == "__main__":
    main()
