"""Great Expectations without its noise: no telemetry, no progress bars, no import logs, nothing kept between two validations."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ml import private


def load() -> Any:
    """The module `great_expectations`, imported quietly (about 2.5 s in a fresh process)."""
    private.set_environment()
    logger = logging.getLogger("great_expectations")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)  # at INFO it logs each function that it does not register
    with silenced():
        import great_expectations
    return great_expectations


def context() -> Any:
    """A new context that lives in memory."""
    made = load().get_context(mode="ephemeral")
    made.variables.progress_bars = {"globally": False}
    return made


@contextmanager
def silenced() -> Iterator[None]:
    """Its own deprecation warnings are for its authors, not for whoever reads a task's log."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
