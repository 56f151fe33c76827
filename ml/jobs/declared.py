"""What is declared, read again only when a file has changed: for pages, which show all models at each look."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ml import specfile
from ml.settings import Settings
from ml.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class Declared:
    """A model's declaration; where it is broken, `spec` is None and `faults` says why, each with file, line, key and cure."""

    model: str
    spec: ModelSpec | None
    faults: tuple[str, ...]


def declared(settings: Settings, model: str) -> Declared | None:
    """The declaration of a model as its file is now; None where none of that name is declared."""
    # A name never leads out of the folder: only those that stand in it are known.
    return _declared(settings, model) if model in specfile.model_names(settings) else None


def all_declared(settings: Settings) -> list[Declared]:
    """Every model that is declared, by name."""
    found = (_declared(settings, name) for name in specfile.model_names(settings))
    return [one for one in found if one is not None]


def _declared(settings: Settings, model: str) -> Declared | None:
    path = settings.dags / model / specfile.FILE_NAME
    try:
        stat = path.stat()
    except OSError:  # it was taken away meanwhile
        return None
    spec, faults = _inspected(path, stat.st_mtime_ns, stat.st_size, stat.st_ino)
    return Declared(model, spec, faults)


@lru_cache(maxsize=4096)
def _inspected(path: Path, *_state_of_the_file: int) -> tuple[ModelSpec | None, tuple[str, ...]]:
    spec, faults = specfile.inspect(path)
    return spec, tuple(str(fault) for fault in faults)
