"""What the numbers of a window mean, in plain sentences. Pure functions: the same facts give the same words."""

import math
from collections.abc import Sequence

from ml.monitoring import NOT_FEATURES, decided
from ml.monitoring.history.facts import Seen, Value
from ml.monitoring.history.words import day, number
from ml.monitoring.pages.facts import Meaning, Tone, WindowFacts, rule
from ml.state.records import Decision
from ml.wording import counted, percent

FEW_ROWS = 30
"""In a window of fewer rows a calm look says nothing."""
_NAMED = 3
_LONGEST = 300
_WORSE = ("quality_drop", "estimated_drop", "regret", "payback")
"""Rules of the policy that ask because the model does worse."""
_GLOSS = {
    "roc_auc": "how well it ranks: 1 is perfect, 0.5 is guessing",
    "accuracy": "the share of right answers",
    "balanced_accuracy": "the share of right answers, each class counting alike",
    "f1": "1 is perfect, 0 is useless",
    "log_loss": "the smaller the better, 0 is perfect",
    "brier": "the smaller the better, 0 is perfect",
    "mae": "the mean error in the target's own unit",
    "rmse": "the error in the target's own unit, large ones weighing more",
    "r2": "1 is perfect, 0 is no better than always saying the mean",
}
GIVEN_UP = "none"
"""The policy of a decision that no rule was asked for (`ml.state.ledger.GIVEN_UP`)."""


def of_window(facts: WindowFacts) -> Meaning:
    """What one window means."""
    seen = facts.seen
    found = tone(seen, facts.drift_limit)
    if not seen.is_measured:
        return _unmeasured(facts)
    provisional = sum(any(one["is_alarm"] and one["is_provisional"] for one in drift.verdicts) for drift in facts.drifts)
    said = (
        [_looked(facts), *_since(facts)],
        drift(seen, facts.drift_limit, promise=facts.promise, provisional=provisional),
        quality(seen, facts.metric),
        decision(seen.decision),
    )
    return Meaning(tone=found, headline=headline(seen, facts.drift_limit), paragraphs=said, to_do=to_do(seen, found, model=facts.model))


def tone(seen: Seen, drift_limit: float | None) -> Tone:
    """How a window stands: worse quality outweighs alarms, and alarms outweigh that little is known."""
    if not seen.is_measured:
        return "unknown"
    if is_worse(seen):
        return "bad"
    if seen.alarms or _is_over(seen, drift_limit) or (seen.decision is not None and seen.decision.state == "failed"):
        return "look"
    return "unknown" if seen.rows < FEW_ROWS or (seen.share is None and _known(seen) is None) else "good"


def is_worse(seen: Seen) -> bool:
    """Whether labels, or estimates that stood their audit, said that the model does worse than it should."""
    told = seen.concept is not None and seen.concept.drifted
    return told or (seen.decision is not None and any(rule(seen.decision.rules, name) for name in _WORSE))


def headline(seen: Seen, drift_limit: float | None) -> str:
    """One line: is it all right?"""
    asked = seen.decision is not None and seen.decision.retrain
    then = ", and a retraining was asked for" if asked else ""
    match tone(seen, drift_limit):
        case "bad":
            return f"The model did worse than it should{then}."
        case "look" if _is_over(seen, drift_limit):
            return f"The data has changed much{then}."
        case "look":
            return f"Something in the data has changed{then or ', too little to ask for a retraining'}."
        case "unknown":
            return "Too little is known to tell whether the model is all right."
        case _ if _known(seen) is None:
            return f"Nothing looks wrong, but how good the predictions were is not known yet{then}."
        case _:
            return f"The model looks all right{then}."


def drift(seen: Seen, limit: float | None, *, promise: str = "", provisional: int = 0) -> list[str]:
    """What changed in the data. `provisional`: of how many alarms it is not certain that chance was weighed rightly."""
    if seen.share is None:
        return ["No column could be compared with what the model learnt from, so nothing is known of changes in the data."]
    features = [one.column for one in seen.alarms if one.kind not in NOT_FEATURES]
    said = []
    if seen.drifted:
        verb = "looks" if seen.drifted == 1 else "look"
        named = f": {_names(features)}" if features else ""
        said.append(f"{seen.drifted} of {counted(seen.columns, 'column')} {verb} different from what the model learnt from{named}.")
        said += _of_limit(seen, limit)
    else:
        said.append(f"None of the {counted(seen.columns, 'column')} looks different from what the model learnt from.")
    kinds = {one.kind for one in seen.alarms}
    if "prediction" in kinds:
        said.append("What the model predicts has shifted.")
    if "target" in kinds:
        said.append("The true answers have shifted.")
    return said + _of_chance(seen, promise, provisional)


def quality(seen: Seen, metric: str) -> list[str]:
    """How good the predictions were, as far as that is known."""
    found = seen.quality(metric)
    if found is not None and math.isfinite(found.value):
        gloss = f" ({_GLOSS[metric]})" if metric in _GLOSS else ""
        rows = f"On {counted(found.rows, 'row')} whose true answer is known" if found.rows else "On the labelled rows"
        return [f"{rows}, {metric}{gloss} was {number(found.value)}{_between(found)}.", *_against(seen)]
    if found is not None:
        said = f"{metric} could not be computed on the labelled rows, so how good the predictions were is not known."
    elif seen.labelled_rows:
        said = f"{counted(seen.labelled_rows, 'true answer')} have come, too few to tell how good the predictions were."
    else:
        said = "No true answers have come for these rows yet, so how good the predictions were is not known."
    return [said, *_estimated(seen, metric)]


def decision(made: Decision | None) -> list[str]:
    """Why it was retrained, or not, and what came of that."""
    if made is None:
        return ["Nothing is decided about it yet."]
    asked = [str(one["reason"]) for one in made.rules if one.get("role") == "asks" and one.get("fired")]
    held = [str(one["reason"]) for one in made.rules if one.get("role") == "holds_back" and one.get("fired")]
    if made.retrain:
        return [f"A retraining was asked for: {listed(asked or made.reasons[:1])}.", decided.sentence(made)]
    if made.policy == GIVEN_UP:
        return [f"It was not judged: {listed(made.reasons)}."]
    if asked and held:
        return [f"A retraining was called for ({listed(asked)}), but held back: {listed(held)}."]
    return [f"It was not retrained, because nothing asked for it: {listed(made.reasons[:1])}."]


def to_do(seen: Seen, found: Tone, *, model: str) -> str:
    """What the reader may do about it."""
    made = seen.decision
    waits = {
        "open": f"What to do: nothing. The training starts by itself; if it has not within a day, look at {model}.train in Airflow.",
        "claimed": "What to do: wait. The training is at work.",
        "suggested": f"What to do: answer in Airflow (Required Actions) or with `perennial confirm {model}`, yes or no.",
        "recorded": f"What to do: retraining is switched off in model.yaml; `perennial train {model}` trains it now.",
        "failed": f"What to do: the logs of {model}.train say why the training failed; mend that, then `perennial train {model}`.",
    }
    if made is not None and made.state in waits:
        return waits[made.state]
    if not seen.is_measured:
        return "What to do: read why it was not measured; the next look takes new rows."
    if found == "good":
        lacking = _known(seen) is None
        return "What to do: nothing" + (", or deliver the true answers so that quality can be judged." if lacking else ".")
    features = [one.column for one in seen.alarms if one.kind not in NOT_FEATURES]
    if found in {"look", "bad"} and features:
        return f"What to do: ask whoever delivers the data whether the change of {_names(features)} is meant."
    if found == "unknown":
        return "What to do: wait for more rows, or for their true answers."
    return "What to do: watch the next windows."


def _unmeasured(facts: WindowFacts) -> Meaning:
    seen = facts.seen
    given_up = seen.decision is not None
    head = "This window could not be measured." if given_up else "This window is not measured yet."
    said = decision(seen.decision) if given_up else ["The monitor measures it at its next run."]
    then = to_do(seen, "unknown", model=facts.model) if given_up else "What to do: wait."
    return Meaning(tone="unknown", headline=head, paragraphs=([_looked(facts)], said), to_do=then)


def _looked(facts: WindowFacts) -> str:
    seen = facts.seen
    came = f"that happened from {day(facts.happened[0])} to {day(facts.happened[1])}" if facts.happened else f"that came by {day(seen.at)}"
    return f"Window {seen.number} holds {counted(seen.rows, 'row')} {came}; version {seen.champion} predicted them."


def _since(facts: WindowFacts) -> list[str]:
    if facts.champion is None or facts.champion == facts.seen.champion:
        return []
    return [f"Version {facts.champion} serves by now, so this is of a former champion."]


def _is_over(seen: Seen, limit: float | None) -> bool:
    return (seen.decision is not None and rule(seen.decision.rules, "drift_share")) or (limit is not None and (seen.share or 0.0) >= limit)


def _known(seen: Seen) -> Value | None:
    """Any metric on labels that is a number."""
    return next((one for one in seen.qualities if math.isfinite(one.value)), None)


def _of_limit(seen: Seen, limit: float | None) -> list[str]:
    if limit is None:
        return ["Drift alone asks for no retraining here."]
    if _is_over(seen, limit):
        return [f"From {percent(limit)} of the columns on, drift alone asks for a retraining."]
    return [f"That is less than the {percent(limit)} from which on drift alone asks for a retraining."]


def _of_chance(seen: Seen, promise: str, provisional: int) -> list[str]:
    if not seen.alarms:
        return []
    if not promise:
        return ["The thresholds are fixed: they do not weigh what chance alone would do."]
    said = [f"The tests are set so that chance alone raises at most {promise}."]
    if provisional:
        verb = "is" if provisional == 1 else "are"
        said.append(f"{counted(provisional, 'alarm')} {verb} provisional: too little is known of how far such rows usually vary.")
    return said


def _between(value: Value) -> str:
    if value.low is None or value.high is None or not (math.isfinite(value.low) and math.isfinite(value.high)):
        return ", how exactly cannot be told from these rows"
    return f", between {number(value.low)} and {number(value.high)} with 95 % confidence"


def _against(seen: Seen) -> list[str]:
    found = seen.concept
    if found is None:
        return ["Whether that is worse than usual was not looked at."]
    if found.obstacle or found.worse_by is None or found.usual is None:
        return [f"Whether that is worse than usual cannot be told: {found.obstacle or 'nothing is known to compare with'}."]
    usual = f"Fresh models usually reach {number(found.usual)}"
    if found.drifted:
        return [f"{usual}: this is worse by {number(found.worse_by)}, more than chance explains."]
    if found.worse_by <= 0:
        return [f"{usual}, so it does at least as well as a fresh one."]
    return [f"{usual}; being {number(found.worse_by)} worse is no more than chance explains."]


def _estimated(seen: Seen, metric: str) -> list[str]:
    guess = seen.estimate(metric)
    if guess is None or not math.isfinite(guess.value):
        return []
    return [
        f"Without them {metric} is estimated at {number(guess.value)}{_between(guess)}, if the same inputs still lead to the same answers."
    ]


def listed(texts: Sequence[str]) -> str:
    """Reasons in one bounded text, without its last dot."""
    text = "; ".join(texts) or "no reason was written down"
    text = f"{text.removesuffix(', …')} and others" if text.endswith(", …") else text.rstrip(".")
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _names(columns: Sequence[str]) -> str:
    shown = [one if len(one) <= 40 else one[:39] + "…" for one in columns[:_NAMED]]
    if len(columns) > _NAMED:
        return f"{', '.join(shown)} and {len(columns) - _NAMED} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
