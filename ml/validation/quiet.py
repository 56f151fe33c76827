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
    captured = getattr(logging, "_warnings_showwarning", None) is not None
    with silenced():
        import great_expectations

        if not captured:
            logging.captureWarnings(False)  # its import turns this on for the whole process
    return great_expectations


def context() -> Any:
    """A new context that lives in memory, without a docs site of its own in the system's temporary folder."""
    made = load()
    from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults, ProgressBarsConfig

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        progress_bars=ProgressBarsConfig(globally=False, metric_calculations=False),
        analytics_enabled=False,
    )
    return made.get_context(mode="ephemeral", project_config=config)


@contextmanager
def silenced() -> Iterator[None]:
    """Its own deprecation warnings are for its authors, not for whoever reads a task's log."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
