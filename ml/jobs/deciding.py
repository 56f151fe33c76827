"""What is decided about a measured window: the same for the look that decides, and for whoever decides again later."""

from dataclasses import replace
from datetime import datetime

from ml import policy
from ml.jobs import evidence, past
from ml.jobs.evidence import Measurement
from ml.jobs.windows import training_of, watched
from ml.policy import Evidence, Outcome
from ml.settings import Settings
from ml.state import State, specs
from ml.state.records import Window


def judged(
    settings: Settings, state: State, window: Window, *, at: datetime, measurement: Measurement | None = None
) -> tuple[Evidence, Outcome]:
    """The evidence about a window as of a moment, and what the window's declaration makes of it.

    Args:
        settings: Where the stores are.
        state: The state database.
        window: A measured window.
        at: The moment of the decision: nothing that happened later counts.
        measurement: Drift and quality; default: what was stored.
    """
    spec, trained = specs.recall(state, window.spec_hash), training_of(state, window.model, window.champion)
    learnt = specs.recall(state, trained.spec_hash)
    seen = watched(spec, learnt)
    found = evidence.gather(settings, state, window, spec=seen, learnt=learnt, trained=trained, at=at, measurement=measurement)
    outcome = policy.decide(found, spec.retraining)
    if outcome.retrain:  # whether there is enough to learn from is asked where it matters: it costs a look at the whole history
        found = replace(found, learnable=past.learnable(settings, window, spec=seen))
        outcome = policy.decide(found, spec.retraining)
    return found, outcome
