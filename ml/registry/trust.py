"""Which types a saved model may hold. skops makes no others, so that a file cannot run what is not named here."""

import importlib
from collections.abc import Sequence
from typing import Any

from ml.errors import CandidateError

_PACKAGES = ("numpy.", "scipy.", "sklearn.", "xgboost.", "ml.training.columns.", "ml.training.finishing.", "ml.training.pipeline.")
"""Their classes are trusted, nothing else of them: a function of theirs could be made to do harm."""
_NAMES = frozenset(
    {
        *(f"builtins.{name}" for name in ("bytearray", "bytes", "complex", "frozenset", "object", "range", "set", "slice")),
        *(f"collections.{name}" for name in ("Counter", "OrderedDict", "defaultdict", "deque")),
        *(f"datetime.{name}" for name in ("date", "datetime", "timedelta", "timezone")),
    }
)


def types_of(pipeline: Any, class_paths: Sequence[str]) -> list[str]:
    """The types that skops must be told to trust to load the pipeline again.

    Raises:
        CandidateError: It cannot be saved without pickle, or holds a type that is not trusted.
    """
    import skops.io

    named = ", ".join(class_paths)
    try:
        types: list[str] = skops.io.get_untrusted_types(data=skops.io.dumps(pipeline))
    except Exception as error:  # skops raises what the foreign class raises
        raise CandidateError(
            f"{named} cannot be saved without pickle: {type(error).__name__}: {str(error)[:300]}. Choose another class."
        ) from error
    if found := strange(types, class_paths):
        raise CandidateError(f"{named} holds types that are not trusted: {', '.join(found[:5])}. Choose another class.")
    return types


def strange(types: Sequence[str], class_paths: Sequence[str]) -> list[str]:
    """Those that neither stand in the lists above nor are classes of the candidates' own packages."""
    packages = (*_PACKAGES, *(f"{root(path)}." for path in class_paths))
    return [name for name in types if name not in _NAMES and not (name.startswith(packages) and _is_class(name))]


def root(class_path: str) -> str:
    """The package of a dotted path."""
    return class_path.split(".", 1)[0]


def _is_class(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    try:
        return isinstance(getattr(importlib.import_module(module), attribute, None), type)
    except Exception:  # a module that cannot be imported has no class
        return False
