"""Asking a person whether the policy that a replay recommends shall be declared.

Nothing but a person changes `model.yaml`: it stands in the team's repository, which Airflow only reads. So the answer is written down,
beside the replay, and with it stands what to do.
"""

import logging
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from ml import specfile
from ml.errors import CallError, ModelOwnerError
from ml.jobs.approval import Question, plain
from ml.jobs.replaying.applying import Proposal, proposal
from ml.monitoring.replayed.facts import DECLARED, PlayedPolicy, ReplayFacts
from ml.settings import Settings
from ml.state import State, replays
from ml.state.records import PlayedReplay
from ml.wording import moment

log = logging.getLogger(__name__)


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True)


class Suggesting(_Result):
    """A `question` to ask; or (`reason`) why nobody need be asked."""

    question: Question | None = None
    reason: str | None = None


class Suggested(_Result):
    """What was answered, and what is to be done after a yes: `command`, which writes `diff`; both None after a no.

    `diff` is empty where `model.yaml` says it by now.
    """

    model: str
    approved: bool
    by: str | None
    command: str | None = None
    diff: str | None = None


def ask(settings: Settings, model: str, *, at: datetime, page: str = "") -> Suggesting:
    """What to ask about the replay that was begun at that moment. It changes nothing, and may be called again.

    Nobody is asked where the history is too short to tell, where `model.yaml` says it already, or where what it declares cost no more on
    the judged windows than what is recommended.

    Args:
        settings: Where things are.
        model: Whose replay.
        at: When it was begun.
        page: Where a person sees it.
    """
    kept = _kept(State.open(settings), model, at)
    facts = ReplayFacts.model_validate(kept.result)
    if kept.answer is not None:
        return Suggesting(reason=f"{kept.answer['by'] or 'nobody, in time,'} has answered before this try")
    if (reason := _needless(facts)) is not None:
        return Suggesting(reason=reason)
    try:
        found = proposal(settings, facts)
    except CallError as error:
        return Suggesting(reason=str(error))
    if not found.diff:
        return Suggesting(reason="model.yaml declares what is recommended")
    timeout = specfile.load(settings, model).retraining.answer_within
    log.info("another policy suggested model=%s recommended=%s", model, facts.chosen.recommended.name)
    subject = f"Shall {model} be retrained by another policy?"
    return Suggesting(question=Question(subject=subject, body=_body(facts, found, page, _command(model, kept)), timeout=timeout))


def answer(settings: Settings, model: str, *, at: datetime, approved: bool, by: str | None) -> Suggested:
    """Writes down what was answered to the replay that was begun at that moment; the first answer stays. `by`: None where nobody did."""
    state = State.open(settings)
    kept = _kept(state, model, at)
    said = replays.answer(state, kept.number, approved=approved, by=by, at=datetime.now(UTC)) or kept
    given = said.answer or {}
    log.info("suggested policy answered model=%s approved=%s by=%s", model, given.get("approved"), given.get("by"))
    if not given.get("approved"):
        return Suggested(model=model, approved=False, by=given.get("by"))
    diff = proposal(settings, ReplayFacts.model_validate(kept.result)).diff
    return Suggested(model=model, approved=True, by=given["by"], command=_command(model, kept), diff=diff)


def _kept(state: State, model: str, at: datetime) -> PlayedReplay:
    found = replays.of(state, model, at=at)
    if found is None:
        raise ModelOwnerError(f"the replay of {model} of {moment(at)} is not kept any more; replay again")
    return found


def _command(model: str, kept: PlayedReplay) -> str:
    """Writes what this replay found: another one may find something else."""
    return f"perennial replay {model} --kept {kept.number} --apply"


def _needless(facts: ReplayFacts) -> str | None:
    chosen = facts.chosen
    if not chosen.is_told:
        return "too little is known to suggest another policy"
    declared = _declared(facts)
    if declared is not None and declared.total <= chosen.recommended.total + 1e-9:
        return (
            f"on the judged windows what model.yaml declares cost {declared.total:.3f}, no more than {chosen.recommended.name} "
            f"({chosen.recommended.total:.3f}): nothing is suggested"
        )
    return None


def _declared(facts: ReplayFacts) -> PlayedPolicy | None:
    return next((one for one in facts.chosen.policies if one.name == DECLARED), None)


def _body(facts: ReplayFacts, found: Proposal, page: str, command: str) -> str:
    """The evidence as Markdown, and what would be written."""
    chosen, declared = facts.chosen, _declared(facts)
    compared = {
        f"recommended: {plain(chosen.recommended.name)}": chosen.recommended,
        **({} if declared is None else {"as declared now": declared}),
        f"tuned calendar: {plain(chosen.tuned_calendar.name)}": chosen.tuned_calendar,
        "never": chosen.never,
    }
    rows = [f"| {mark} | {one.total:.3f} | {one.mean_loss:.4f} | {one.retrainings} | {one.fits} |" for mark, one in compared.items()]
    head = f"| on {facts.judged_on} judged windows | loss and cost | loss a window | new champions | fits |\n| --- |{' ---: |' * 4}"
    # Indented: a fence would end where the declaration has one.
    diff = "\n".join(f"    {line}" for line in found.diff.splitlines())
    notes = "\n".join(f"- {plain(one)}" for one in found.notes)
    link = f"[All policies, over time and at other costs]({page})\n\n" if page else ""
    return (
        f"{plain(facts.recommendation)}\n\n{head}\n" + "\n".join(rows) + f"\n\n{link}"
        f"A yes is written down and changes nothing: `model.yaml` is the team's. `{command}` then writes\n\n"
        f"{diff}\n\n{notes}\n\nWithout an answer it is no.\n"
    )
