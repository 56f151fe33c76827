"""The page of a replay, where the windows' pages are."""

import logging

from ml.errors import PerennialError
from ml.monitoring.replayed.facts import ReplayFacts
from ml.settings import Settings
from ml.state import State, replays

log = logging.getLogger(__name__)

PAGE = "replay"
"""The page's name beside the windows' pages."""


def shown(settings: Settings, number: int, facts: ReplayFacts) -> ReplayFacts:
    """The facts with the address of their page, which is written; without one where it cannot be: the numbers are kept.

    Args:
        settings: Where pages go.
        number: Of the replay in the state database, which is told the address too.
        facts: What it found.
    """
    from ml.monitoring.replayed.page import render
    from ml.monitoring.report import save

    try:
        where = save(settings, model=facts.model, window=PAGE, page=render(facts))
    except (PerennialError, OSError) as error:
        log.warning("the page of the replay was not written model=%s error=%r", facts.model, str(error))
        return facts
    replays.shown_at(State.open(settings), number, html=where)
    return facts.model_copy(update={"html": where})
