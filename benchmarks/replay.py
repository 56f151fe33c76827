"""What a replay's recommendation costs on windows that had no say in it: `python -m benchmarks.replay`.

- Each window has one model (XGBoost, 100 trees of depth 4, or logistic regression) that learnt from the 8 windows before it; all are
  scored on all later windows, in error rate. A cost of 1 is one whole window in which everything is wrong.
- Policies are chosen on the first 40 % of the windows and judged on the rest. The first champion of the judged part is fresh and free.
- The bar is for shadows that cost nothing and labels that come at once: the recommended policy costs no more than the calendar that the
  same 40 % recommend in nine of ten cells, no more than the best calendar in hindsight (within 1 %) in three of four, and closes three
  fifths of the gap from the tuned calendar to the oracle, summed over cells. Other tables have no bar.
- Behind each total is the interval of what it costs more than the tuned and the hindsight calendar: 95 %, blocks of 6 windows, for the
  decisions as they were taken. Cells are not independent: six costs share a stream.
- `--set further` takes streams on which nothing was designed.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ml import private

private.set_environment()

import numpy as np  # noqa: E402

from benchmarks import replay_streams  # noqa: E402
from benchmarks.replay_losses import Learner, losses  # noqa: E402
from benchmarks.sets import SetMissing  # noqa: E402
from ml.policy.replay import Cell, Costs, Interval, Judged, interval_of_total, replay  # noqa: E402

COSTS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
TUNED_SHARE, TOLERANCE = 0.4, 0.01
BARS = {"no_worse_than_tuned": 0.90, "no_worse_than_hindsight": 0.75, "gap_closed": 0.60}
_SAME = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Which cells are printed together."""

    shadow_share: float
    delay: int

    @property
    def has_bar(self) -> bool:
        """Whether the bar is for it."""
        return self.shadow_share == 0 and self.delay == 0

    @property
    def title(self) -> str:
        """What its costs and labels are like."""
        return f"shadows at {self.shadow_share:.0%} of a retraining, labels {self.delay} windows late"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One cell of a table."""

    stream: str
    cell: Cell

    @property
    def no_worse_than_tuned(self) -> bool:
        """A tie holds."""
        return self.cell.recommended.total <= self.cell.tuned_calendar.total + _SAME

    @property
    def no_worse_than_hindsight(self) -> bool:
        """Within a hundredth."""
        return self.cell.recommended.total <= self.cell.hindsight_calendar.total * (1 + TOLERANCE) + _SAME

    def beyond(self, other: Judged) -> Interval:
        """What it costs more."""
        paid = [one.run.paid(self.cell.costs) for one in (self.cell.recommended, other)]
        return interval_of_total(paid[0] - paid[1])


TABLES = tuple(Table(shadow_share=share, delay=delay) for delay in (0, 2) for share in (0.0, 0.05))


def main() -> None:
    asked = _arguments()
    known = {"bar": replay_streams.BAR, "further": replay_streams.FURTHER}[asked.set]
    start, absent = time.perf_counter(), []
    found: dict[Table, list[Line]] = {table: [] for table in TABLES}
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.streams or known:
            try:
                lines = list(_lines(name, asked.learner, asked.cache or Path(folder)))
            except SetMissing as missing:
                absent.append(str(missing))
                continue
            for table, line in lines:
                found[table].append(line)
    print(f"{asked.set}, {asked.learner}: {', '.join(asked.streams or known)}")
    for name in absent:
        print(f"absent: {name}")
    results = {table: _print(table, lines, BARS if table.has_bar and asked.set == "bar" else {}) for table, lines in found.items() if lines}
    barred = next((values for table, values in results.items() if table.has_bar), {})
    holds = bool(barred) and asked.set == "bar" and not absent and all(barred[name] >= bar for name, bar in BARS.items())
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {time.perf_counter() - start:.0f} s")
    _told(asked.set, asked.learner, results, barred, holds=holds, absent=absent)


def _told(
    kind: str, learner: str, results: dict[Table, dict[str, float]], barred: dict[str, float], *, holds: bool, absent: list[str]
) -> None:
    told = {
        "name": "replay",
        "value": barred.get("no_worse_than_tuned"),
        "bar": BARS["no_worse_than_tuned"] if kind == "bar" else None,
        "holds": holds if kind == "bar" else None,
        "set": kind,
        "learner": learner,
        "bars": BARS if kind == "bar" else None,
        "tables": {table.title: values for table, values in results.items()},
        "absent": absent,
    }
    print(json.dumps(told))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("streams", nargs="*", help="names; default: all of the set")
    parser.add_argument("--set", choices=["bar", "further"], default="bar")
    parser.add_argument("--learner", choices=["trees", "logistic"], default="trees")
    parser.add_argument("--cache", type=Path, help="a folder for what models lost, to be found again; default: a temporary one")
    return parser.parse_args()


def _lines(name: str, learner: Learner, cache: Path) -> Iterator[tuple[Table, Line]]:
    stream = (replay_streams.BAR | replay_streams.FURTHER)[name]()
    for table in TABLES:
        history = losses(stream, learner=learner, cache=cache, delay=table.delay)
        costs = [Costs.of(cost, shadow_share=table.shadow_share) for cost in COSTS]
        for cell in replay(history, costs, share=TUNED_SHARE).cells:
            yield table, Line(stream=name, cell=cell)


def _print(table: Table, lines: list[Line], bars: dict[str, float]) -> dict[str, float]:
    print(f"\n{table.title}: total (retrainings) on the judged windows")
    columns = ("stream", "cost", "oracle", "honest", "never", "hindsight", "tuned", "recommended", "beyond tuned", "beyond hindsight", "")
    print(_ROW.format(*columns))
    for line in lines:
        print(_row(line))
    values = _values(lines)
    for name, value in values.items():
        bar = bars.get(name)
        verdict = "" if bar is None else f"   bar {bar:g}: {'holds' if value >= bar else 'MISSED'}"
        print(f"{name.replace('_', ' '):36} {value:8.3f}{verdict}")
    return values


_ROW = "{:30} {:>4} {:>11} {:>6} {:>7} {:>23} {:>23} {:>40} {:>15} {:>15} {}"


def _row(line: Line) -> str:
    cell = line.cell
    marks = [] if line.no_worse_than_tuned else ["worse than tuned"]
    marks += [] if line.no_worse_than_hindsight else ["worse than hindsight"]
    marks += [] if cell.is_told else ["too short to tell"]
    return _ROW.format(
        line.stream,
        f"{cell.costs.retraining:g}",
        f"{cell.oracle.total:.2f} ({cell.oracle.retrainings})",
        "" if cell.honest_oracle is None else f"{cell.honest_oracle:.2f}",
        f"{cell.never.total:.2f}",
        _named(cell.hindsight_calendar),
        _named(cell.tuned_calendar),
        _named(cell.recommended),
        _between(line.beyond(cell.tuned_calendar)),
        _between(line.beyond(cell.hindsight_calendar)),
        ", ".join(marks),
    )


def _named(one: Judged) -> str:
    return f"{one.name} {one.total:.2f} ({one.retrainings})"


def _between(found: Interval) -> str:
    return f"{found.low:+.2f} to {found.high:+.2f}"


def _values(lines: list[Line]) -> dict[str, float]:
    total, tuned, hindsight, oracle = (
        np.array([getattr(line.cell, name).total for line in lines])
        for name in ("recommended", "tuned_calendar", "hindsight_calendar", "oracle")
    )
    return {
        "no_worse_than_tuned": float(np.mean([line.no_worse_than_tuned for line in lines])),
        "no_worse_than_hindsight": float(np.mean([line.no_worse_than_hindsight for line in lines])),
        "gap_closed": _share(tuned - total, tuned - oracle),
        "gap_closed_from_hindsight": _share(hindsight - total, hindsight - oracle),
        "significantly_better_than_tuned": float(np.mean([line.beyond(line.cell.tuned_calendar).high < 0 for line in lines])),
        "significantly_worse_than_tuned": float(np.mean([line.beyond(line.cell.tuned_calendar).low > 0 for line in lines])),
        "significantly_worse_than_hindsight": float(np.mean([line.beyond(line.cell.hindsight_calendar).low > 0 for line in lines])),
        "sum_of_totals": float(total.sum()),
        "sum_of_tuned_calendars": float(tuned.sum()),
    }


def _share(closed: np.ndarray, gap: np.ndarray) -> float:
    return float(closed.sum() / gap.sum()) if gap.sum() > 0 else 1.0


if __name__ == "__main__":
    main()
