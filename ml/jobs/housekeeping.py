"""What each look does last: the history page is written anew, and what has grown old is removed. Neither may hurt the look."""

import logging
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from ml import specfile
from ml.errors import PerennialError
from ml.jobs import retention
from ml.jobs.report import report
from ml.jobs.retention import Removed
from ml.settings import Settings

log = logging.getLogger(__name__)


class Kept(BaseModel):
    """Where the history page stands (None: it could not be written), and what was removed (None: that could not be done)."""

    model_config = ConfigDict(frozen=True)

    page: str | None
    removed: Removed | None


def keep_house(settings: Settings, model: str) -> Kept:
    """Writes the page of the last 90 days and removes what is older than `monitoring.keep_reports`. A store that fails only warns."""
    spec = specfile.load(settings, model)
    removed = retention.tidy(settings, spec, at=datetime.now(UTC))
    try:
        page = report(settings, model).page
    except (PerennialError, OSError) as error:
        log.warning("the history page was not written model=%s error=%r", model, str(error))
        return Kept(page=None, removed=removed)
    return Kept(page=page, removed=removed)
