"""What every model would have lost in every window: what a replay plays on.

Windows are counted from 0, oldest first. Model `i` is the one that was trained on what came before window `i`. With labels that come
`delay` windows late, what can be put into service at window `j` is model `j - delay`, and the newest window that can be judged at the start
of window `j` is `j - 1 - delay`. A training that takes longer than the time between two windows is told as that much more delay.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ml.errors import ModelOwnerError

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signals:
    """What rules other than regret look at, each windows x windows: [i, k] is of model i in window k >= i. None: was not measured.

    Args:
        drift: The declared rule of drift asks (it needs no labels, so it is known at the end of window k).
        default_drift: At least half of the columns have drifted by Evidently's default methods.
        quality_drop: By how much the metric is worse than usual; NaN where that is not known. Known once window k has its labels.
    """

    drift: Flags | None = None
    default_drift: Flags | None = None
    quality_drop: Floats | None = None


@dataclass(frozen=True, kw_only=True, eq=False)  # no slots: what is derived is kept
class LossHistory:
    """Mean losses, windows x windows: losses[i, k] is of model i in window k >= i; what stands below the diagonal is not looked at.

    A model that could not be trained (one class, too few rows) has NaN in its whole row, a window that cannot be judged (no labels, one
    class where the metric needs two) in its whole column. The first can never be put into service, the second counts in no total and is
    evidence for nobody.

    Args:
        rows: Labelled rows of each window.
        delay: After how many further windows a window's labels have come (and a training is through).
        halves: Both as `losses`, each from a random half of every window's rows, for the honest oracle.

    Raises:
        ModelOwnerError: The shapes do not fit, a single loss is missing, or no model was trained.
    """

    losses: Floats
    rows: Counts
    delay: int = 0
    halves: tuple[Floats, Floats] | None = None
    signals: Signals = field(default_factory=Signals)

    def __post_init__(self) -> None:
        windows = len(self.losses)
        other = [*(self.halves or ()), *(one for one in _each(self.signals) if one is not None)]
        if any(one.shape != (windows, windows) for one in (self.losses, *other)) or self.rows.shape != (windows,):
            raise ModelOwnerError(f"losses and signals must be windows x windows and rows must have one number a window, of {windows}")
        if self.delay < 0:
            raise ModelOwnerError(f"labels cannot come {self.delay} windows late; write 0 or more")
        for losses in (self.losses, *(self.halves or ())):
            _complete(losses)
        if not self.trained.any():
            raise ModelOwnerError("no model could be trained before any window; bring more labelled rows")

    @property
    def windows(self) -> int:
        """How many there are."""
        return len(self.losses)

    @cached_property
    def _known(self) -> Flags:
        return _known(self.losses)

    @cached_property
    def trained(self) -> Flags:
        """Which models there are."""
        return np.asarray(self._known.any(axis=1))

    @cached_property
    def judged(self) -> Flags:
        """Which windows can be judged."""
        return np.asarray(self._known.any(axis=0))

    @property
    def first(self) -> int:
        """The first window at which a model can be put into service."""
        return int(np.argmax(self.trained)) + self.delay

    @cached_property
    def available(self) -> Flags:
        """At which windows a model can be put into service."""
        return np.concatenate([np.zeros(self.delay, dtype=bool), self.trained])[: self.windows]

    @cached_property
    def fresh(self) -> Floats:
        """What a model loses that learnt from all before each window, however late labels come: what one sees looking back."""
        return np.diagonal(self.losses).copy()

    @cached_property
    def served(self) -> Floats:
        """Mean losses, windows x windows: [c, k] is of the model that is put into service at window c, in window k >= c; else NaN."""
        return self.as_served(self.losses)

    def as_served(self, losses: Floats) -> Floats:
        """The same of other losses, such as one of `halves`."""
        found = np.full_like(losses, np.nan)
        found[self.delay :] = losses[: self.windows - self.delay]
        return np.where(_later(self.windows), found, np.nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What is tuned on, and what is judged on: windows [start, known) and [split, end).

    The `delay` windows from `known` to `split` are in neither: at the split nobody had their labels (purged, as in Lopez de Prado,
    "Advances in financial machine learning", 2018, ch. 7).
    """

    start: int
    known: int
    split: int
    end: int

    @classmethod
    def of(cls, history: LossHistory, *, share: float) -> "Parts":
        """The first `share` of the windows at which there is a model, and the rest.

        Raises:
            ModelOwnerError: A part is left without two windows.
        """
        usable = history.windows - history.first
        split = history.first + int(share * usable)
        # A champion is put into service at the split itself, so there must be one.
        while split < history.windows and not history.available[split]:
            split += 1
        found = cls(start=history.first, known=max(history.first, split - history.delay), split=split, end=history.windows)
        if found.known - found.start < 2 or found.end - found.split < 2:
            raise ModelOwnerError(
                f"{usable} windows with a model before them, labels {history.delay} windows late, tuned on {share:g} of them: "
                "nothing is left to tune or to judge on; take smaller windows, less training history, or wait for more data"
            )
        return found

    @property
    def tuned(self) -> int:
        """How many windows are tuned on."""
        return self.known - self.start

    @property
    def left(self) -> int:
        """How many windows are judged on."""
        return self.end - self.split


def _each(signals: Signals) -> tuple[npt.NDArray[np.generic] | None, ...]:
    return signals.drift, signals.default_drift, signals.quality_drop


def _later(windows: int) -> Flags:
    return np.triu(np.ones((windows, windows), dtype=bool))


def _known(losses: Floats) -> Flags:
    return np.isfinite(losses) & _later(len(losses))


def _complete(losses: Floats) -> None:
    """A NaN must be the model's or the window's, never a single loss: sums over windows would differ in what they leave out."""
    known = _known(losses)
    missing = _later(len(losses)) & ~known & np.any(known, axis=1, keepdims=True) & np.any(known, axis=0, keepdims=True)
    if missing.any():
        model, window = np.argwhere(missing)[0]
        raise ModelOwnerError(
            f"the loss of the model before window {model} in window {window} is missing, although other models were judged there; "
            "judge it too, or leave out the model or the window"
        )
