"""Streams with changes at known rows: public ones, and real rows into which a drift is put as arXiv 2606.07789 puts it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import labelled
from benchmarks.detection_scores import Change
from benchmarks.labelled import Labelled

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
ABRUPT, GRADUAL = (10_000, 20_000, 30_000), (9_500, 20_000, 30_500)
WIDTH, SEA_EVERY = 1_000, 12_500
TOLERANCE = 2_500
"""Rows after a change within which an alarm finds it: the paper's for its larger sets, a quarter of the way to the next change."""
INJECTED_ROWS, REGION, SKIPPED = 45_312, (0.5, 0.8), 0.75
KINDS = ("class prior", "label swap", "permutation", "filtering")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a stream is watched: a model learns from `learn` rows and is tested on the `held` ones after them; then windows are looked at.

    `first`: learnt and held rows before the first alarm, if others than later. `is_ordered`: the rows are declared to follow each other
    in time, so that thresholds come from the reference's own windows, and errors are summed in blocks of `block` rows.
    """

    learn: int
    held: int
    window: int
    first: tuple[int, int] | None = None
    model: str = "tree"
    is_ordered: bool = False
    block: int = 1

    def reference(self, *, is_first: bool) -> tuple[int, int]:
        """Rows that are learnt from, and rows that are held out."""
        return self.first if is_first and self.first else (self.learn, self.held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Rows in order: `features` (rows x columns), `labels` 0 or 1, and where they change (None: not known).

    `at`: the row's number in the counting of `changes`, where rows were taken out.
    """

    name: str
    features: Floats
    labels: Labels
    columns: tuple[str, ...]
    changes: tuple[Change, ...] | None
    tolerance: int
    plan: Plan
    at: Labels | None = None

    def counted(self, alarms: list[int]) -> list[int]:
        """Alarms in the counting of the changes."""
        return alarms if self.at is None else [int(self.at[alarm]) for alarm in alarms]


ROWS_500 = Plan(learn=1_000, held=1_000, window=500)
ROWS_25 = Plan(learn=100, held=50, window=25, model="logistic")
WEEKS = Plan(learn=10 * 336, held=10 * 336, window=336, is_ordered=True, block=48)
INJECTED = Plan(learn=1_000, held=1_000, window=500, first=(5_664, 5_664))


def _of(name: str, known: Labelled, changes: list[Change] | None, *, one: Any = 1, **keys: Any) -> Stream:
    """`one`: the label that becomes 1."""
    frame = known.features
    facts = {"tolerance": TOLERANCE, "plan": ROWS_500} | keys
    return Stream(
        name=name,
        features=frame.to_numpy(dtype=float),
        labels=(known.labels == one).to_numpy().astype(np.int64),
        columns=tuple(map(str, frame.columns)),
        changes=None if changes is None else tuple(changes),
        **facts,  # type: ignore[arg-type]
    )


def _synthetic(name: str, file: str) -> Stream:
    starts, width = (ABRUPT, 0) if "abrupt" in name else (GRADUAL, WIDTH)
    return _of(name, labelled.synthetic(file), [Change(start, start + width) for start in starts])


def _sea() -> Stream:
    known = labelled.sea()
    return _of("SEA", known, [Change(start, start) for start in range(SEA_EVERY, len(known.frame), SEA_EVERY)])


def _usenet1() -> Stream:
    known = labelled.usenet1()
    changes = [Change(start, start) for start in (300, 600, 900, 1_200)]
    return _of("usenet1", known, changes, one=known.labels.max(), tolerance=150, plan=ROWS_25)


def _elec2() -> Stream:
    return _of("elec2", labelled.elec2().without("date"), None, one="UP", plan=WEEKS)


_FILES = {
    "sine abrupt": "sine_0123_abrupto.csv.gz",
    "sine gradual": "sine_0123_gradual.csv.gz",
    "sea abrupt": "sea_0123_abrupto_noise_0.2.csv.gz",
    "sea gradual": "sea_0123_gradual_noise_0.2.csv.gz",
    "mixed abrupt": "mixed_0101_abrupto.csv.gz",
    "mixed gradual": "mixed_0101_gradual.csv.gz",
    "rt abrupt": "rt_8873985678962563_abrupto.csv.gz",
    "stagger abrupt": "stagger_0120_abrupto.csv.gz",
}
KNOWN: dict[str, list[tuple[str, Callable[[], Stream]]]] = {
    labelled.SYNTHETIC: [*((name, partial(_synthetic, name, file)) for name, file in _FILES.items()), ("SEA", _sea)],
    "usenet1": [("usenet1", _usenet1)],
    "elec2": [("elec2", _elec2)],
}


@cache
def _base(name: str) -> tuple[Floats, Labels, tuple[str, ...]]:
    known, one = (labelled.elec2(), "UP") if name == "elec2" else (labelled.give_me_some_credit(), 1)
    labels = (known.labels == one).to_numpy().astype(np.int64)
    return known.features.to_numpy(dtype=float), labels, tuple(known.features.columns)


def injected(name: str, kind: str, *, width: int, seed: int) -> Iterator[Stream]:
    """Without end: the set's rows in random order, with one drift that begins at a random row between half and four fifths.

    Over `width` rows the share of drifted ones grows from none to all. A drift drops three quarters of a class (class prior), gives a class
    the other's label (label swap), exchanges the columns (permutation), or drops the rows above a column's median (filtering).

    Raises:
        SetMissing: The set is not there.
    """
    features, labels, columns = _base(name)
    random = np.random.default_rng([seed, width, *map(ord, name + kind)])
    while True:
        drawn = random.permutation(len(labels))[:INJECTED_ROWS]
        yield drifting(features[drawn], labels[drawn], columns, kind, width=width, random=random)


def drifting(features: Floats, labels: Labels, columns: tuple[str, ...], kind: str, *, width: int, random: np.random.Generator) -> Stream:
    """The rows with a drift of one of `KINDS` in them.

    Raises:
        ValueError: Another kind.
    """
    rows = len(labels)
    onset, label = int(rows * random.uniform(*REGION)), int(random.integers(2))
    progress = (np.arange(rows) - onset) / width if width else np.where(np.arange(rows) < onset, 0.0, 1.0)
    drifted, left = random.random(rows) < progress, np.ones(rows, dtype=bool)
    if kind == "class prior":
        left = ~(drifted & (labels == label) & (random.random(rows) < SKIPPED))
    elif kind == "label swap":
        labels = np.where(drifted & (labels == label), 1 - label, labels)
    elif kind == "permutation":
        features = np.where(drifted[:, None], features[:, random.permutation(features.shape[1])], features)
    elif kind == "filtering":
        column = features[:, random.integers(features.shape[1])]
        left = ~(drifted & (column > np.nanmedian(column)))
    else:
        raise ValueError(f"{kind} is none of {', '.join(KINDS)}")
    return Stream(
        name=kind,
        features=features[left],
        labels=labels[left],
        columns=columns,
        changes=(Change(onset, onset),),
        tolerance=TOLERANCE,
        plan=INJECTED,
        at=np.flatnonzero(left),
    )
