"""What to do, from the tuned windows alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from ml.policy import voting
from ml.policy.replay.bootstrap import interval_of_total
from ml.policy.replay.cells import Kind
from ml.policy.replay.families import calendars
from ml.policy.replay.playing import Policy
from ml.policy.replay.tuning import Candidate, Tuning
from ml.policy.replay.voters import Voting
from ml.spec import AnyVoter, CalendarVoter, NeverVoter, Vote

LEAST_TUNED = 20
"""With fewer tuned windows nothing but the simplest is recommended."""
TOLD_LEVEL = 2 / 3
"""Of the interval that must lie above 0. Where nothing drifts, and retraining brings nothing, it does so in 1 of 20 histories."""
_ODDS = "at odds of two to one"
_TOO_SHORT = "No policy is recommended: the history is too short to tell whether retraining pays"
CHEAP_SHADOW = 0.1
"""Up to this share (0-1) of a retraining a fit is cheap: too few windows are tuned on to tell that fewer shadows would do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to do, and why.

    Args:
        policy: What is recommended.
        kind: What that is.
        sentence: What to do, and why, in words.
        is_told: The tuned windows tell it from never, or never from all else.
        tuned_total: What it cost on the tuned windows.
        alternative: The best policy of the tuned windows, where never is recommended instead.
        vote: What it consists of, if it is a vote.
        every_windows: Of a calendar.
    """

    policy: Policy
    kind: Kind
    sentence: str
    is_told: bool
    tuned_total: float
    alternative: Policy | None = None
    vote: Vote | None = None
    every_windows: int | None = None


def advise(tuning: Tuning, votes: Sequence[Candidate]) -> Advice:
    """The vote, or the one rule that leads it; never, where the tuned windows do not tell it from that.

    Args:
        tuning: The history and the cost.
        votes: As `Tuning.votes` has them: with a shadow in every window first.
    """
    never = tuning.candidate(calendars(tuning.history, tuning.yardstick)[0])
    windows, found = tuning.parts.tuned, best(tuning, votes)
    if windows < LEAST_TUNED:
        short = f"with {windows} windows to choose a policy on, where {LEAST_TUNED} are needed"
        return _never(never, f"{_TOO_SHORT}, {short}", is_told=False, alternative=found.policy)
    if _is_never(found):
        return _never(never, f"Do not retrain: on the {windows} windows that policies were chosen on none would have paid", is_told=True)
    if not found.run.retrainings:
        quiet = f"on the {windows} windows that policies were chosen on nothing asked for a retraining, which says nothing of later changes"
        return _never(never, f"No policy is recommended: {quiet}", is_told=False, alternative=found.policy)
    saved = interval_of_total(never.run.paid(tuning.costs) - found.run.paid(tuning.costs), level=TOLD_LEVEL)
    there = f"on the {windows} windows that policies were chosen on"
    much = f"saved {never.total - found.total:.2f} against never, {saved.low:.2f} to {saved.high:.2f} {_ODDS}"
    if saved.low <= 0:
        short = f"{there} the best one ({found.policy.name}) {much}"
        return _never(never, f"{_TOO_SHORT}: {short}", is_told=False, alternative=found.policy)
    return _told(found, f"{there} it {much}, not 95 %")


def best(tuning: Tuning, votes: Sequence[Candidate]) -> Candidate:
    """Of the votes, the one with the most shadows where they are cheap, else the cheapest on the tuned windows."""
    if tuning.costs.train <= CHEAP_SHADOW * tuning.costs.retraining:
        return _leader(tuning, votes[0])
    return min((_leader(tuning, one) for one in votes), key=lambda one: one.order)


def _is_never(found: Candidate) -> bool:
    """Whether "never" has the majority: rules that only happened to be quiet would still ask when the world changes."""
    return found.vote is not None and [one.kind for one in found.vote.voters] == ["never"]


def _never(never: Candidate, sentence: str, *, is_told: bool, alternative: Policy | None = None) -> Advice:
    return Advice(
        policy=never.policy,
        kind="never",
        sentence=sentence,
        is_told=is_told,
        tuned_total=never.total,
        alternative=alternative,
    )


def _told(found: Candidate, saved: str) -> Advice:
    voters = found.vote.voters if found.vote is not None else ()
    if len(voters) == 1 and isinstance(voters[0], CalendarVoter):
        sentence = f"Use the calendar: retrain {voting.name(voters[0])}; {saved}"
        every = voters[0].every_windows
        return Advice(
            policy=found.policy,
            kind="calendar",
            sentence=sentence,
            is_told=True,
            tuned_total=found.total,
            every_windows=every,
        )
    name = found.policy.name
    sentence = f"Let {len(voters)} rules vote ({name.removeprefix('vote, ')})" if len(voters) > 1 else f"Retrain by one rule: {name}"
    return Advice(
        policy=found.policy,
        kind="vote",
        sentence=f"{sentence}; {saved}",
        is_told=True,
        tuned_total=found.total,
        vote=found.vote,
    )


def _leader(tuning: Tuning, found: Candidate) -> Candidate:
    """The vote; or the one rule that has more than half of its weight, which decides alone and may need no shadow."""
    assert found.vote is not None
    voters = found.vote.voters
    whole = sum(one.weight for one in voters)
    if not voting.carries(voters[0].weight / whole):
        return found
    return _alone(tuning, found.vote, voters[0])


def _alone(tuning: Tuning, vote: Vote, voter: AnyVoter) -> Candidate:
    every = Voting(history=tuning.history, yardstick=tuning.yardstick, cost=tuning.costs.retraining, shadow=vote.shadow_windows or 0)
    family = "calendar" if isinstance(voter, CalendarVoter | NeverVoter) else "vote"
    return tuning.candidate(every.alone(voter, family=family), vote.model_copy(update={"voters": (voter,)}))
