"""What Evidently is shown: bounded samples, and text that cannot become markup.

Evidently writes labels and column names into a script of its page without escaping them, so that data could run code in the
reader's browser. Therefore no `<` reaches it.
"""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from ml.monitoring.drift import MISSING_SHARE, is_missing
from ml.state.records import Drift

_SHOWN_LABELS = 40
_SHOWN_LENGTH = 80
OTHER = "(other)"


def harmless(text: str) -> str:
    """The text with `<` and `>` as their full-width twins, which look the same and mean nothing to a browser.

    >>> harmless("</script>")
    '＜/script＞'
    """
    return text.replace("<", "＜").replace(">", "＞")


def harmless_names(names: Iterable[str]) -> dict[str, str]:
    """Name → the name to show; different names stay different, also where only a character apart that is replaced."""
    shown: dict[str, str] = {}
    for name in names:
        text = harmless(name)
        while text in shown.values():
            text += "ʹ"
        shown[name] = text
    return shown


def sample(frame: pd.DataFrame, rows: int) -> pd.DataFrame:
    """At most so many rows, drawn without replacement, in their order; the same frame gives the same sample."""
    drawn = frame if len(frame) <= rows else frame.sample(rows, random_state=0).sort_index()
    return drawn.reset_index(drop=True)


def shown_frames(
    *, reference: pd.DataFrame, window: pd.DataFrame, drifts: Sequence[Drift], kinds: Mapping[str, str], names: Mapping[str, str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Reference and window as Evidently draws them: one column for each measured one, under its name to show.

    Rare labels are joined into one: the numbers were measured before this, only plots are drawn from it.
    """
    before, now = {}, {}
    for drift in drifts:
        sides = (reference[drift.column], window[drift.column])
        if drift.method == MISSING_SHARE:
            sides = (_presence(sides[0]), _presence(sides[1]))
        elif kinds[drift.column] == "categorical":
            sides = _labels(*sides)
        elif kinds[drift.column] == "text":
            sides = (sides[0].map(harmless, na_action="ignore"), sides[1].map(harmless, na_action="ignore"))
        before[names[drift.column]], now[names[drift.column]] = sides
    return pd.DataFrame(before), pd.DataFrame(now)


def shown_label(value: object) -> str:
    """A label to show: bounded and harmless."""
    text = str(value)
    return harmless(text if len(text) <= _SHOWN_LENGTH else text[: _SHOWN_LENGTH - 1] + "…")


def _presence(column: pd.Series) -> pd.Series:
    return is_missing(column).map({True: "missing", False: "present"})


def _labels(reference: pd.Series, window: pd.Series) -> tuple[pd.Series, pd.Series]:
    counts = pd.concat([reference, window]).value_counts()
    kept = {value: shown_label(value) for value in sorted(counts.index, key=lambda value: (-counts[value], str(value)))[:_SHOWN_LABELS]}

    def shown(column: pd.Series) -> pd.Series:
        return column.map(lambda value: kept.get(value, OTHER), na_action="ignore")

    return shown(reference), shown(window)
