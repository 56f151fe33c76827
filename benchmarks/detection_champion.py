"""The model that is watched: the same for every detector, made anew from the rows after each alarm."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.detection_streams import Floats, Stream


@dataclass(frozen=True, slots=True)
class Champion:
    """A model that learnt from the rows from `start` to `held`, and was tested on those to `end`; from there on it is watched.

    `said`: the probability of label 1 for each row from `held` on; `right`: 1 where the label was said, else 0.
    """

    stream: Stream
    start: int
    held: int
    end: int
    said: Floats
    right: Floats

    @classmethod
    def of(cls, stream: Stream, start: int, *, is_first: bool) -> "Champion | None":
        """None where too few rows are left to learn from, test on and look at."""
        learn, test = stream.plan.reference(is_first=is_first)
        held, end = start + learn, start + learn + test
        if end + stream.plan.window > len(stream.labels):
            return None
        said = said_by(stream, slice(start, held), slice(held, None))
        return cls(stream, start, held, end, said, ((said > 0.5) == stream.labels[held:]).astype(float))

    @property
    def windows(self) -> Iterator[slice]:
        """The windows that are looked at, as rows of the stream."""
        size = self.stream.plan.window
        return (slice(start, start + size) for start in range(self.end, len(self.stream.labels) - size + 1, size))

    def since_held(self, rows: slice) -> slice:
        """The same rows, as places in `said` and `right`."""
        return slice(rows.start - self.held, rows.stop - self.held)


def said_by(stream: Stream, learn: slice, rows: slice) -> Floats:
    """The probability of label 1 for some rows, by a model that learnt from others."""
    labels = stream.labels[learn]
    if len(set(labels.tolist())) == 1:
        return np.full(len(stream.labels[rows]), float(labels[0]))
    model = _model(stream.plan.model).fit(stream.features[learn], labels)
    found: Floats = model.predict_proba(stream.features[rows])[:, 1]
    return found


def _model(kind: str) -> Any:
    if kind == "logistic":
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(max_iter=1_000)
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(max_depth=6, min_samples_leaf=20, random_state=0)


def watched(stream: Stream, first_alarm: Callable[[Champion], int | None]) -> list[int]:
    """All alarms of a detector that says of a champion at which row it first alarms; after it all is made anew from the next rows."""
    alarms: list[int] = []
    while (champion := Champion.of(stream, alarms[-1] + 1 if alarms else 0, is_first=not alarms)) is not None:
        alarm = first_alarm(champion)
        if alarm is None:
            break
        alarms.append(alarm)
    return alarms
