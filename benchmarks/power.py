"""How often a shift of one of ten columns is an alarm, at 1 % per window, after the floor; beside it what other tests would find.

Normal columns, 10,000 reference rows, all redrawn in each trial; one column moves. "best" is what no test of one column at a tenth of the
level can exceed on normal data (known variance); "KS" decides with Kolmogorov-Smirnov alone; "windows" calibrates by the reference's own
windows, as is done where rows follow each other in time.
"""

import argparse
import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from ml.monitoring import profiles
from ml.monitoring.alarms import cells, twosample, windows
from ml.monitoring.alarms.comparing import Watched, compare
from ml.monitoring.alarms.verdicts import benjamini_hochberg, judge

REFERENCE, COLUMNS, LEVEL, FLOOR, BAR, SEED = 10_000, 10, 0.01, 0.1, 0.8, 20_262
Floats = npt.NDArray[np.float64]
Change = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """`found`: the moved column is an alarm; `others`: any of the nine others is. Shares of the trials."""

    rows: int
    change: str
    trials: int
    found: float
    others: float
    before_floor: float
    ks: float
    calibrated: float | None
    best: float | None
    is_judged: bool


CHANGES: dict[str, Change] = {
    "shift .05": lambda x: x + 0.05,
    "shift .1": lambda x: x + 0.1,
    "shift .15": lambda x: x + 0.15,
    "shift .3": lambda x: x + 0.3,
    "spread x 1.3": lambda x: x * 1.3,
}
JUDGED = {200: "shift .3", 1_000: "shift .15", 10_000: "shift .1"}
CALIBRATED_ROWS = 400
"""Windows of up to so many rows: a reference of 10,000 has at least 20 of them."""


def measured(rows: int, change: str, trials: int) -> Cell:
    random = np.random.default_rng([SEED, rows, *map(ord, change)])
    said = np.array([trial(rows, CHANGES[change], random) for _ in range(trials)], dtype=float)
    means = said.mean(axis=0)
    error = (1 / rows + 1 / REFERENCE) ** 0.5
    far = norm.isf(LEVEL / COLUMNS / 2)
    shift = float(change.split()[1]) / error if change.startswith("shift") else None
    return Cell(
        rows=rows,
        change=change,
        trials=trials,
        found=float(means[0]),
        others=float(means[1]),
        before_floor=float(means[2]),
        ks=float(means[3]),
        calibrated=float(means[4]) if rows <= CALIBRATED_ROWS else None,
        best=None if shift is None else float(norm.sf(far - shift) + norm.cdf(-far - shift)),
        is_judged=JUDGED[rows] == change,
    )


def trial(rows: int, change: Change, random: np.random.Generator) -> tuple[bool, bool, bool, bool, bool]:
    before, now = random.normal(size=(COLUMNS, REFERENCE)), random.normal(size=(COLUMNS, rows))
    now[0] = change(now[0])
    sides = [(profiles.numeric(one), profiles.numeric(two)) for one, two in zip(before, now, strict=True)]
    watched = [Watched(column=f"x{column}", family="data", method="wasserstein", floor=FLOOR) for column in range(COLUMNS)]
    found = [compare(what, reference=one, window=two) for what, (one, two) in zip(watched, sides, strict=True)]
    verdict = judge([one for one in found if one is not None], levels={"data": LEVEL})[0]
    ks = [twosample.kolmogorov_smirnov(cells.of_numbers(*both)) for both in sides]
    calibrated = False
    if rows <= CALIBRATED_ROWS:
        parts = [profiles.numeric(before[0][part]) for part in windows.disjoint(REFERENCE, rows)]
        own = windows.calibrate_numbers("wasserstein", reference=sides[0][0], windows=parts)
        one = compare(watched[0], reference=sides[0][0], window=sides[0][1], calibration=own)
        calibrated = one is not None and one.p_value <= LEVEL / COLUMNS
    columns = verdict.columns
    others = any(one.is_alarm for one in columns[1:])
    return columns[0].is_alarm, others, columns[0].is_significant, bool(benjamini_hochberg(ks, LEVEL)[0]), calibrated


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1_000, help="windows in each judged cell; a third of it in the others")
    trials = parser.parse_args().trials
    print(f"{COLUMNS} columns, one moves; {LEVEL:.0%} per window; reference {REFERENCE:,} rows; floor {FLOOR}")
    print(f"{trials} trials where a bar is, a third of them elsewhere\n")
    print(f"{'rows':>8}{'change':>14}{'alarm':>8}{'tests':>8}{'KS':>8}{'windows':>9}{'best':>8}{'others':>9}")
    found = []
    with ProcessPoolExecutor(2) as pool:
        tasks = [
            pool.submit(measured, rows, change, trials if JUDGED[rows] == change else -(-trials // 3))
            for rows in JUDGED
            for change in CHANGES
        ]
        for task in tasks:
            cell = task.result()
            found.append(cell)
            own, best = (f"{value:.2f}" if value is not None else "–" for value in (cell.calibrated, cell.best))
            said = (f"  bar {BAR}: " + ("held" if cell.found >= BAR else "MISSED")) if cell.is_judged else ""
            print(
                f"{cell.rows:>8}{cell.change:>14}{cell.found:>8.3f}{cell.before_floor:>8.3f}{cell.ks:>8.3f}{own:>9}{best:>8}"
                f"{cell.others:>9.3f}{said}",
                flush=True,
            )
    least = min(cell.found for cell in found if cell.is_judged)
    print(json.dumps({"name": "power", "value": least, "bar": BAR, "holds": least >= BAR, "cells": [asdict(cell) for cell in found]}))


if __name__ == "__main__":
    main()
