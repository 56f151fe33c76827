"""What to do, from the tuned windows alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from ml.policy import voting
from ml.policy.replay.bootstrap import Interval, interval_of_total
from ml.policy.replay.cells import Kind
from ml.policy.replay.families import calendars
from ml.policy.replay.play import Policy
from ml.policy.replay.tuning import Candidate, Tuning
from ml.policy.replay.voters import Voting
from ml.spec import AnyVoter, CalendarVoter, NeverVoter, Vote

LEAST_TUNED = 20
"""With fewer tuned windows nothing but the simplest is recommended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to do, and why.

    Args:
        policy: What is recommended.
        kind: What that is.
        why: In words, to be followed by what it then cost.
        is_told: The tuned windows tell it from never.
        tuned_total: What it cost on the tuned windows.
        gain: Interval of what it cost there less than never did; None where that was not asked.
        vote: What it consists of, if it is a vote.
        every_windows: Of a calendar.
    """

    policy: Policy
    kind: Kind
    why: str
    is_told: bool
    tuned_total: float
    gain: Interval | None = None
    vote: Vote | None = None
    every_windows: int | None = None


def advise(tuning: Tuning, votes: Sequence[Candidate]) -> Advice:
    """The vote whose shadows pay, or the one rule that leads it; never, where the tuned windows do not tell it from that."""
    never = tuning.candidate(calendars(tuning.history, tuning.yardstick)[0])
    windows = tuning.parts.tuned
    if windows < LEAST_TUNED:
        why = f"the history is too short to tell: {windows} windows to tune on, and {LEAST_TUNED} are needed. The simplest is"
        return _never(never, why, is_told=False)
    found = min((_leader(tuning, one) for one in votes), key=lambda one: one.order)
    if not found.run.retrainings:
        return _never(never, "no retraining would have paid for itself on the tuned windows:", is_told=True)
    saved = interval_of_total(never.run.paid(tuning.costs) - found.run.paid(tuning.costs))
    if saved.covers_zero or saved.high < 0:
        why = (
            f"the history is too short to tell: on the tuned windows the best policy ({found.policy.name}) saved "
            f"{never.total - found.total:.2f} against never, and chance makes that {saved.low:.2f} to {saved.high:.2f}. The simplest is"
        )
        return _never(never, why, is_told=False, gain=saved)
    return _told(found, saved)


def _never(never: Candidate, why: str, *, is_told: bool, gain: Interval | None = None) -> Advice:
    return Advice(policy=never.policy, kind="never", why=f"{why} do not retrain", is_told=is_told, tuned_total=never.total, gain=gain)


def _told(found: Candidate, saved: Interval) -> Advice:
    voters = found.vote.voters if found.vote is not None else ()
    if len(voters) == 1 and isinstance(voters[0], CalendarVoter):
        every = voters[0].every_windows
        why = f"use the calendar: retrain {voting.name(voters[0])}"
        return Advice(policy=found.policy, kind="calendar", why=why, is_told=True, tuned_total=found.total, gain=saved, every_windows=every)
    why = f"let {found.policy.name} decide" if len(voters) > 1 else f"retrain by one rule: {found.policy.name}"
    return Advice(policy=found.policy, kind="vote", why=why, is_told=True, tuned_total=found.total, gain=saved, vote=found.vote)


def _leader(tuning: Tuning, found: Candidate) -> Candidate:
    """The vote; or the one rule that has more than half of its weight, which decides alone and may need no shadow."""
    assert found.vote is not None
    voters = found.vote.voters
    whole = sum(one.weight for one in voters)
    if not voting.carries(voters[0].weight / whole):
        return found
    return _alone(tuning, found.vote, voters[0])


def _alone(tuning: Tuning, vote: Vote, voter: AnyVoter) -> Candidate:
    shadow = vote.shadow_windows or 0
    every = Voting(history=tuning.history, yardstick=tuning.yardstick, cost=tuning.costs.retraining, shadow=shadow)
    family = "calendar" if isinstance(voter, CalendarVoter | NeverVoter) else "vote"
    return tuning.candidate(every.alone(voter, family=family), vote.model_copy(update={"voters": (voter,)}))
