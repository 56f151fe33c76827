"""Watching the champion: how far a window lies from the reference, and the Evidently report about it."""

import warnings
from functools import cache

from ml.private import set_environment
from ml.state.records import NOT_FEATURES

__all__ = ["NOT_FEATURES", "load_evidently"]


@cache
def load_evidently() -> None:
    """Imports Evidently once, with its telemetry off and without the warnings that its import makes about numpy and others."""
    set_environment()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import evidently.metrics
        import evidently.presets  # noqa: F401
