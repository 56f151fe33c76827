"""Single words of a free text that tell the target: a label that was written into the text, an answer that was pasted below it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

ROWS = 2_000
LEAST_TEXTS = 20
"""With fewer different texts of a class, or of all others, some word tells it by chance."""
_LEAST_ROWS_OF_WORD = 5
_WORD = r"\b\w+\b"


@dataclass(frozen=True, slots=True)
class Telltale:
    """How well single words tell the classes: `score` is the mean over the classes of the ROC AUC that one word reaches for it.

    `word` is the best one, `name` the class that it tells, `rows` how many rows were looked at.
    """

    score: float
    word: str
    name: str
    rows: int


def telltale(texts: pd.Series, labels: pd.Series, *, most_classes: int, seed: int) -> Telltale | None:
    """The best word of each class, chosen on one half of the texts and measured on the other; None where there are too few.

    A word is there or not, so its ROC AUC is (1 + true positive rate - false positive rate) / 2. Equal texts stand in the same half. Of
    many classes the most frequent are looked at, of many rows some, drawn with the seed.
    """
    frame = pd.DataFrame({"text": texts.fillna("").astype(str).to_numpy(), "label": labels.to_numpy()})
    frame = frame.sample(min(ROWS, len(frame)), random_state=seed)
    different = frame.drop_duplicates("text")["label"].value_counts()
    told = different[(different >= LEAST_TEXTS) & (different.sum() - different >= LEAST_TEXTS)].index[:most_classes]
    if told.empty:
        return None
    found = _rates(frame, [str(name) for name in told])
    if found is None:
        return None
    words, chosen, measured = found
    best = np.abs(chosen).argmax(axis=0)
    places = np.arange(len(told))
    scores = (1 + np.sign(chosen[best, places]) * measured[best, places]) / 2
    first = int(scores.argmax())
    return Telltale(float(scores.mean()), str(words[best[first]]), str(told[first]), len(frame))


Rates = npt.NDArray[np.float64]


def _rates(frame: pd.DataFrame, classes: list[str]) -> tuple[npt.NDArray[np.object_], Rates, Rates] | None:
    """The words, and for each word and class the true less the false positive rate in either half; None without words or a class."""
    from sklearn.feature_extraction.text import CountVectorizer

    counter = CountVectorizer(binary=True, token_pattern=_WORD, strip_accents="unicode", min_df=_LEAST_ROWS_OF_WORD)
    try:
        there = counter.fit_transform(frame["text"])
    except ValueError:  # no word stands in enough rows
        return None
    of_class = frame["label"].to_numpy(dtype=str)[:, None] == np.array(classes)
    first = (pd.util.hash_array(frame["text"].to_numpy(dtype=object)) % 2 == 0).astype(bool)
    rates = []
    for half in (first, ~first):
        mine, others = of_class[half].sum(axis=0), (~of_class[half]).sum(axis=0)
        if not (mine.all() and others.all()):
            return None
        hits = there[half].T @ of_class[half].astype(float)
        rates.append(hits / mine - (there[half].T @ (~of_class[half]).astype(float)) / others)
    return counter.get_feature_names_out(), rates[0], rates[1]
