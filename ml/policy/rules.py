"""The rules of a retraining. Each says whether it asks for one, and why, also when it does not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from ml.policy.evidence import Evidence
from ml.spec import Retraining
from ml.state.records import Drift

_NAMED_COLUMNS = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule says: whether it holds, and a sentence with the numbers."""

    holds: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether to retrain, and one sentence of each rule, the deciding ones first."""

    retrain: bool
    reasons: tuple[str, ...]


def decide(evidence: Evidence, rules: Retraining) -> Outcome:
    """Whether the evidence asks for a training.

    It does when at least one cause holds (drift, quality) and nothing holds it back (a newer champion, too few labelled rows,
    cooldown). `rules.mode` changes nothing here: with `off` the same decision is recorded, and starts nothing.
    """
    causes = [_drift(evidence, rules), _quality(evidence, rules)]
    conditions = [_labelled(evidence, rules), _cooldown(evidence, rules)]
    if evidence.newer_champion is not None:
        conditions.insert(0, Finding(False, f"version {evidence.newer_champion} has become champion since this window was taken"))
    asked = any(cause.holds for cause in causes)
    retrain = asked and all(condition.holds for condition in conditions)
    causes.sort(key=lambda finding: not finding.holds)
    conditions.sort(key=lambda finding: finding.holds)
    ordered = [*conditions, *causes] if asked and not retrain else [*causes, *conditions]
    reasons = [finding.sentence for finding in ordered]
    if rules.mode == "off":
        reasons.append("retraining.mode is off: this decision is recorded and starts no training")
    return Outcome(retrain, tuple(reasons))


def _drift(evidence: Evidence, rules: Retraining) -> Finding:
    share = evidence.drift_share
    if share is None:
        return Finding(False, "drift: no feature column can be compared (dates and times never are)")
    counted = f"{len(evidence.drifted)} of {len(evidence.drifts)} columns drifted"
    if rules.drift_share is None:
        return Finding(False, f"drift: {counted} ({share:.2f}); retraining.drift_share is null, so drift alone asks for nothing")
    holds = share >= rules.drift_share
    named = _named(evidence.drifted) or "the farthest is " + _named(_farthest(evidence.drifts))
    return Finding(holds, f"{counted} ({share:.2f} {'≥' if holds else '<'} {rules.drift_share:.2f}): {named}")


def _farthest(drifts: Sequence[Drift]) -> Sequence[Drift]:
    return [max(drifts, key=lambda one: one.value / one.threshold)]


def _named(drifts: Sequence[Drift]) -> str:
    named = ", ".join(f"{one.column} {number(one.value)}" + _unusual(one) for one in drifts[:_NAMED_COLUMNS])
    return named + (", …" if len(drifts) > _NAMED_COLUMNS else "")


def _unusual(drift: Drift) -> str:
    return " (change of the share of missing values)" if drift.method == "missing_share" else ""


def _quality(evidence: Evidence, rules: Retraining) -> Finding:
    if rules.quality_drop is None:
        return Finding(False, "quality: retraining.quality_drop is null, so quality alone asks for nothing")
    if evidence.quality is None:
        return Finding(False, f"quality: {evidence.no_quality}")
    change = evidence.quality
    over, chance = change.drop > rules.quality_drop, change.by_chance
    holds = over and (chance is None or change.drop > chance)
    moved = f"{change.metric} went from {number(change.at_promotion)} at promotion to {number(change.now)} on {change.rows} labelled rows"
    judged = f"worse by {number(change.drop)} {'>' if over else '≤'} {number(rules.quality_drop)}"
    if over and chance is not None:
        judged += f" and {'>' if holds else '≤'} {number(chance)}, two standard errors of the difference" + (
            "" if holds else ": maybe chance"
        )
    if change.drop < 0:
        judged = f"better by {number(-change.drop)}"
    return Finding(holds, f"{moved} ({judged})")


def _labelled(evidence: Evidence, rules: Retraining) -> Finding:
    enough = evidence.labelled_rows >= rules.minimum_rows
    since = f"{evidence.labelled_rows} labelled rows since the champion's training"
    return Finding(enough, f"{'enough' if enough else 'too few'} new rows: {since} ({'≥' if enough else '<'} {rules.minimum_rows})")


def _cooldown(evidence: Evidence, rules: Retraining) -> Finding:
    if evidence.since_asked is None:
        return Finding(True, "no cooldown: no decision has asked for a training before")
    over = evidence.since_asked >= rules.cooldown
    compared = f"{_ago(evidence.since_asked)} since a decision last asked for one ({'≥' if over else '<'} {_ago(rules.cooldown)})"
    return Finding(over, f"{'cooldown of trainings is over' if over else 'cooldown of trainings'}: {compared}")


def number(value: float) -> str:
    """A number for a sentence: three significant decimals, never shorter than needed to differ from zero."""
    return f"{value:.3f}" if value == 0 or 0.001 <= abs(value) < 1e6 else f"{value:.3g}"


def _ago(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            return f"{whole} {unit}" if rest == 0 else f"{seconds / size:.1f} {unit}"
    return f"{seconds} s"
