"""Whether a challenger may become champion: a pure function of what was measured."""

import math
from dataclasses import dataclass

from ml.training.evaluation import gain


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was measured on the same recent rows. A metric that the rows do not define is missing from its dict.

    `champion` is None where there is no champion, or where it could not predict: `obstacle` then says why.
    """

    metric: str
    rows: int
    minimum_gain: float
    challenger: dict[str, float]
    baseline: dict[str, float]
    champion: dict[str, float] | None = None
    champion_version: int | None = None
    obstacle: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The gate's answer. `gain` is in the metric's unit, positive is better; None where nothing could be compared."""

    wins: bool
    sentence: str
    gain: float | None


def judge(evidence: Evidence) -> Outcome:
    """Compares the challenger with the champion, or with the baseline where no champion can be compared.

    Against a champion the gain must exceed `minimum_gain`, against the baseline 0; equal is not better. The baseline predicts the
    most frequent class, the classes' shares, or the median, whatever the features say.
    """
    against = evidence.champion if evidence.champion is not None else evidence.baseline
    least = evidence.minimum_gain if evidence.champion is not None else 0.0
    rival = f"champion (version {evidence.champion_version})" if evidence.champion is not None else "baseline that ignores the features"
    mine, theirs = evidence.challenger.get(evidence.metric, math.nan), against.get(evidence.metric, math.nan)
    prefix = _prefix(evidence)
    if math.isnan(mine) or math.isnan(theirs):
        who = "the challenger" if math.isnan(mine) else f"the {rival}"
        return Outcome(
            False, f"{prefix}{evidence.metric} of {who} is not defined on these {evidence.rows} rows, so nothing is promoted.", None
        )
    found = gain(evidence.metric, challenger=mine, champion=theirs)
    wins = found > least
    verb = "beats" if wins else "does not beat"
    needed = f", more than {least:g} needed" if least else ""
    sentence = _capital(
        f"{prefix}the challenger {verb} the {rival} on the {evidence.rows} test rows, which neither was fitted on: "
        f"{evidence.metric} {mine:.4f} against {theirs:.4f} (gain {found:+.4f}{needed})."
    )
    return Outcome(wins, sentence, found)


def _prefix(evidence: Evidence) -> str:
    if evidence.champion is not None:
        return ""
    if evidence.obstacle is not None:
        return f"The champion (version {evidence.champion_version}) cannot be compared: {evidence.obstacle}. Judged as a first model, "
    return "First model: "


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
