"""Who is sent to the gate: the best candidate or ensemble that can be fitted, asked and saved on all that a version needs."""

import logging
from collections.abc import Callable
from functools import partial

from ml.errors import CandidateError
from ml.jobs.steps import hold_on, in_time, stored
from ml.settings import Settings
from ml.spec import LOWER_IS_BETTER, ModelSpec
from ml.state import State
from ml.state.records import Training
from ml.training.outcome import LEFT_OUT, Check
from ml.training.results import CandidateResult, GateVerdict

log = logging.getLogger(__name__)


def meet(settings: Settings, state: State, spec: ModelSpec, training: Training, say: Callable[[str], None]) -> GateVerdict:
    """The verdict about the best candidate or ensemble that stands the gate's own work; its last reasons name the better ones that did not.

    `say` is told of each of these.

    Raises:
        CandidateError: None was tuned, or none stands it; each is named with its reason.
        ModelOwnerError: As of `taken_up`.
    """
    from ml.training import contest

    left_out: list[Check] = []
    for chosen in _ranked(settings, spec, training):
        hold_on(state, spec, training)
        try:
            found = in_time(spec, chosen.candidate, partial(contest.hold, settings, state, spec, training, chosen))
        except CandidateError as error:
            log.warning("candidate left out at the gate model=%s run=%s candidate=%s", training.model, training.key, chosen.candidate)
            left_out.append(Check(name=f"candidate {chosen.candidate}", passed=None, text=f"{LEFT_OUT}{error}"))
            say(left_out[-1].text)
        else:
            return found.model_copy(update={"reasons": [*found.reasons, *left_out]})
    raise CandidateError("\n".join(f"{one.name} was {one.text}" for one in left_out))


def _ranked(settings: Settings, spec: ModelSpec, training: Training) -> list[CandidateResult]:
    """Candidates and ensembles from the best one on, all compared in the same folds; equal ones as declared, candidates first."""
    names = [*(candidate.name for candidate in spec.training.candidates), *(ensemble.name for ensemble in spec.training.ensembles)]
    found = [one for name in names if (one := stored(settings, training, name)) is not None]
    if not found:
        raise CandidateError(f"{training.model}: no candidate of run {training.key!r} was tuned; its `tune` tasks tell why")
    sign = 1 if spec.metric in LOWER_IS_BETTER else -1
    return sorted(found, key=lambda one: sign * one.value)
