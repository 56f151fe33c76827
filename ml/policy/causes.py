"""The rules that ask for a training."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ml.errors import ModelOwnerError
from ml.policy import regret, voting
from ml.policy.evidence import Evidence, Losses, QualityChange
from ml.policy.finding import Finding, undeclared
from ml.policy.words import number, span
from ml.spec import Cost, Retraining, Vote
from ml.state.records import Drift
from ml.wording import counted, percent

_NAMED_COLUMNS, _NAMED_VOTERS = 5, 3
_SHARES = {
    "missing_share": "change of the share of missing values",
    "unseen_share": "share of values that the reference has not",
    "out_of_range_share": "share of values outside of the reference's range",
}


def drift(evidence: Evidence, rules: Retraining) -> Finding:
    """Enough columns have drifted, in enough of the last windows."""
    share = evidence.drift_share
    if share is None:
        return Finding("drift_share", "asks", False, "drift: no feature column can be compared (dates and times never are)")
    if evidence.persisting is not None:
        return _persisting(evidence.persisting, evidence, rules)
    counted = f"{len(evidence.drifted)} of {len(evidence.drifts)} columns drifted"
    if rules.drift_share is None:
        return _unasked(counted, share)
    reached = share >= rules.drift_share
    named = _named(evidence.drifted) or "the farthest is " + _named(_farthest(evidence.drifts))
    sentence = f"{counted} ({named}), {_limit(share, rules.drift_share)}"
    if rules.drift_windows.of == 1:
        return Finding("drift_share", "asks", reached, sentence)
    looked = [share, *evidence.earlier_shares[: rules.drift_windows.of - 1]]
    often = sum(one is not None and one >= rules.drift_share for one in looked)
    lasting = often >= rules.drift_windows.windows
    lasts = f"so in {often} of the champion's last {len(looked)} windows ({'≥' if lasting else '<'} {rules.drift_windows})"
    return Finding("drift_share", "asks", lasting, f"{sentence}; {lasts}")


def _persisting(names: Sequence[str], evidence: Evidence, rules: Retraining) -> Finding:
    """The same where each column must persist by itself: the promised rate of false alarms is of that."""
    share = len(names) / len(evidence.drifts)
    often = f"{rules.drift_windows.windows} of their last {rules.drift_windows.of} looks"
    counted = f"{len(names)} of {len(evidence.drifts)} columns alarmed in {often}"
    if rules.drift_share is None:
        return _unasked(counted, share)
    reached = share >= rules.drift_share
    farthest_first = sorted(evidence.drifts, key=lambda one: (-one.value / one.threshold, one.column))
    named = _named([one for one in farthest_first if one.column in names]) or "the farthest now is " + _named(_farthest(evidence.drifts))
    return Finding("drift_share", "asks", reached, f"{counted} ({named}), {_limit(share, rules.drift_share)}")


def _limit(share: float, limit: float) -> str:
    return f"a share of {share:.2f}, {'at or above' if share >= limit else 'below'} the {limit:.2f} that asks for a training"


def _unasked(counted: str, share: float) -> Finding:
    said = f"drift: {counted} ({share:.2f}); retraining.drift_share is null, so drift alone asks for nothing"
    return Finding("drift_share", "asks", False, said, declared=False)


def _farthest(drifts: Sequence[Drift]) -> Sequence[Drift]:
    return [max(drifts, key=lambda one: one.value / one.threshold)]


def _named(drifts: Sequence[Drift]) -> str:
    named = ", ".join(f"{one.column} {number(one.value)}" + _unusual(one) for one in drifts[:_NAMED_COLUMNS])
    return named + (", …" if len(drifts) > _NAMED_COLUMNS else "")


def _unusual(one: Drift) -> str:
    return f" ({_SHARES[one.method]})" if one.method in _SHARES else ""


def quality(evidence: Evidence, rules: Retraining) -> Finding:
    """The metric is worse than usual, by more than is allowed and more than by chance."""
    if rules.quality_drop is None:
        said = "quality: retraining.quality_drop is null, so quality alone asks for nothing"
        return Finding("quality_drop", "asks", False, said, declared=False)
    if evidence.quality is None:
        return Finding("quality_drop", "asks", False, f"quality: {evidence.no_quality}")
    change = evidence.quality
    over, chance = change.drop > rules.quality_drop, change.by_chance
    holds = over and (chance is None or change.drop > chance)
    judged = f"worse by {number(change.drop)} {'>' if over else '≤'} {number(rules.quality_drop)}"
    if over and chance is not None:
        judged += f" and {'>' if holds else '≤'} {number(chance)}, {_times(change.errors)} standard errors of the difference"
        judged += "" if holds else ": maybe chance"
    if change.drop < 0:
        judged = f"better by {number(-change.drop)}"
    return Finding("quality_drop", "asks", holds, f"{_moved(change)} ({judged})")


def _times(errors: float) -> str:
    return "two" if round(errors, 1) == 2.0 else f"{errors:.1f}"


def _moved(change: QualityChange) -> str:
    now = f"{number(change.now)} on {counted(change.rows, 'labelled row')}"
    if change.usual is None:
        return f"{change.metric} went from {number(change.at_promotion)} at promotion to {now}"
    usual = f"{number(change.usual.value)}, the median of {change.usual.models} fresh models"
    return f"{change.metric} went from the usual {usual} ({number(change.at_promotion)} at promotion), to {now}"


def estimated(evidence: Evidence, rules: Retraining) -> Finding:
    """The metric is estimated to be worse than usual, by estimates that have stood the audit."""
    if rules.estimated_drop is None:
        return undeclared("estimated_drop", "asks", "estimated_drop", "estimated quality")
    found = evidence.estimated
    if found is None:
        return Finding("estimated_drop", "asks", False, f"estimated quality: {evidence.no_estimate}")
    over = found.drop > rules.estimated_drop
    holds = over and found.least_drop > 0
    said = (
        f"{found.metric} is estimated at {number(found.value)} ({number(found.low)} to {number(found.high)}), usual {number(found.usual)}"
    )
    judged = f"worse by {number(found.drop)} {'>' if over else '≤'} {number(rules.estimated_drop)}"
    if over and not holds:
        judged += ", but the interval reaches the usual value"
    if not found.trusted:
        return Finding("estimated_drop", "asks", False, f"{said} ({judged}), which does not count: {found.audit}")
    return Finding("estimated_drop", "asks", holds, f"{said} ({judged}). {found.audit}")


def accumulated(evidence: Evidence, rules: Retraining) -> Finding:
    """The regret since the champion's training is more than a retraining costs."""
    if rules.cost is None:
        return undeclared("regret", "asks", "cost", "regret")
    if rules.regret.theta is None:
        return undeclared("regret", "asks", "regret.theta", "accumulated regret")
    if evidence.losses is None or not evidence.losses.windows:
        return Finding("regret", "asks", False, f"regret: {evidence.no_losses}")
    slack = rules.regret.kappa * evidence.losses.noise
    cost = _cost(evidence, rules.cost)
    total, limit = regret.accumulated(evidence.losses.regrets, slack=slack), rules.regret.theta * cost.retraining
    holds = total > limit
    taken = f", {number(slack)} taken off each," if slack else ""
    said = f"regret {number(total)} over {_windows(evidence.losses)}{taken} {'>' if holds else '≤'} {number(limit)}"
    times = "" if rules.regret.theta == 1 else f"{number(rules.regret.theta)} times "
    return Finding("regret", "asks", holds, f"{said}, {times}the cost of a retraining{_paid(evidence, cost)}{_money(evidence, rules.cost)}")


def payback(evidence: Evidence, rules: Retraining) -> Finding:
    """The regret of late would pay for a retraining soon enough."""
    if rules.cost is None or rules.regret.payback_windows is None:
        return undeclared("payback", "asks", "cost" if rules.cost is None else "regret.payback_windows", "payback")
    if evidence.losses is None or not evidence.losses.windows:
        return Finding("payback", "asks", False, f"payback: {evidence.no_losses}")
    late = regret.of_late(evidence.losses.regrets, weight=rules.regret.weight)
    cost = _cost(evidence, rules.cost)
    limit = cost.retraining / rules.regret.payback_windows
    holds = late > limit
    paid = f"{'pays' if holds else 'does not pay'} a retraining within {rules.regret.payback_windows} windows"
    said = f"regret of late {number(late)} a window over {_windows(evidence.losses)} {'>' if holds else '≤'} {number(limit)}: it {paid}"
    return Finding("payback", "asks", holds, said + _paid(evidence, cost) + _money(evidence, rules.cost))


def vote(evidence: Evidence, rules: Retraining) -> Finding:
    """The rules that a replay weighted ask for it by majority."""
    if rules.vote is None or rules.cost is None:
        return undeclared("vote", "asks", "vote", "the vote")
    found, why_not = _voted_on(evidence, rules.vote)
    if found is None and not any(one.kind == "calendar" for one in rules.vote.voters):
        return Finding("vote", "asks", False, f"vote: {why_not}")
    seen = voting.Seen(
        regrets=() if found is None else voting.regrets(rules.vote, found),
        windows=evidence.windows or 0,
        cost=_cost(evidence, rules.cost).retraining,
    )
    part = voting.share(rules.vote, seen)
    holds = voting.carries(part)
    asking = [voting.name(one) for one in rules.vote.voters if voting.asks(one, rules.vote, seen)]
    named = ": " + ", ".join(asking[:_NAMED_VOTERS]) + (", …" if len(asking) > _NAMED_VOTERS else "") if asking else ""
    judged = f"after {_windows(found)}" if found is not None else f"without regret, since {why_not}"
    said = f"vote: {len(asking)} of {len(rules.vote.voters)} rules, with {percent(part)} of the weight, ask for a training {judged}{named}"
    return Finding("vote", "asks", holds, f"{said} ({'a majority' if holds else 'no majority'}){_money(evidence, rules.cost)}")


def _voted_on(evidence: Evidence, vote: Vote) -> tuple[Losses | None, str]:
    """The losses that the weights were learnt from: against shadows, in the windows that had one, or against what is usual."""
    found = evidence.losses
    if vote.shadow_windows is None or found is None:
        return found, evidence.no_losses
    beside = tuple(one for one in found.windows if one.against == "shadow")
    if not beside:
        return None, "no shadow was held against the champion since the last training"
    return replace(found, windows=beside, against="a shadow"), ""


def _windows(losses: Losses) -> str:
    return f"{counted(len(losses.windows), 'window')} against {losses.against}"


def _cost(evidence: Evidence, declared: Cost) -> Cost:
    """In windows' worth of loss: money, by what errors in as many rows as the window has would cost."""
    if declared.per_error is None:
        return declared
    if not evidence.window_rows:
        raise ModelOwnerError("a cost in money needs the window's rows, and the evidence has none; leave retraining.cost.per_error out")
    return declared.in_windows(evidence.window_rows)


def _money(evidence: Evidence, declared: Cost) -> str:
    """How money was turned into loss; empty where none is declared."""
    if declared.per_error is None:
        return ""
    at = f"{number(declared.per_error)} an error in {evidence.window_rows} rows"
    return f"; a retraining costs {number(declared.retraining)} in money, {number(_cost(evidence, declared).retraining)} at {at}"


def _paid(evidence: Evidence, cost: Cost) -> str:
    """What shadows have cost since the training: that is spent whether one retrains or not, so no limit moves with it."""
    fits = evidence.losses.shadow_fits if evidence.losses is not None else 0
    return f"; {counted(fits, 'shadow')} fitted since the training cost {number(fits * cost.train)}" if fits else ""


def new_rows(evidence: Evidence, rules: Retraining) -> Finding:
    """Enough labels have come since the last training."""
    if rules.new_rows is None:
        return undeclared("new_rows", "asks", "new_rows", "new rows alone")
    if evidence.new_rows is None:
        return Finding("new_rows", "asks", False, f"new rows: {evidence.no_new_rows}")
    holds = evidence.new_rows >= rules.new_rows
    since = f"{counted(evidence.new_rows, 'row')} with a final label came since the last training"
    return Finding("new_rows", "asks", holds, f"new rows: {since} ({'≥' if holds else '<'} {rules.new_rows:,})")


def age(evidence: Evidence, rules: Retraining) -> Finding:
    """What was last learnt from is old, whoever won that training."""
    if rules.age is None or evidence.age is None:
        return undeclared("age", "asks", "age", "age alone")
    holds = evidence.age >= rules.age
    return Finding("age", "asks", holds, f"age: the last training was {span(evidence.age)} ago ({'≥' if holds else '<'} {span(rules.age)})")


def schedule(evidence: Evidence, rules: Retraining) -> Finding:
    """So many windows have passed."""
    if rules.every_windows is None or evidence.windows is None:
        return undeclared("every_windows", "asks", "every_windows", "the calendar")
    holds = evidence.windows >= rules.every_windows
    said = f"calendar: window {evidence.windows} since the last training ({'≥' if holds else '<'} {rules.every_windows})"
    return Finding("every_windows", "asks", holds, said)


CAUSES: tuple[Callable[[Evidence, Retraining], Finding], ...] = (
    drift,
    quality,
    estimated,
    accumulated,
    payback,
    vote,
    new_rows,
    age,
    schedule,
)
"""In the order in which they speak."""
