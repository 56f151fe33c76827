"""What a person should know of the rows that a training learns from, though it stops nothing."""

from ml.spec import ModelSpec
from ml.training.dataset import Dataset

_SHOWN = 10


def remarks(spec: ModelSpec, rows: Dataset) -> list[str]:
    """Rows without a label, and features that have one value or none in the rows to learn from; each a sentence."""
    return [*_blank(spec, rows), *_constant(spec, rows)]


def _blank(spec: ModelSpec, rows: Dataset) -> list[str]:
    if rows.blank == 0:
        return []
    old = "" if spec.label_delay is None else " that are old enough (label_delay)"
    later = "" if spec.id is None else f"; `perennial label {spec.model} FILE` takes late ones in"
    has = "has no value" if rows.blank == 1 else "have no value"
    teach = "trains" if rows.blank == 1 else "train"
    return [f"{rows.blank:,} of {rows.accepted:,} accepted rows{old} {has} in {spec.target!r} yet and {teach} nothing{later}"]


def _constant(spec: ModelSpec, rows: Dataset) -> list[str]:
    learnt = rows.development
    empty = [name for name in spec.features.used if learnt[name].isna().all()]
    same = [name for name in spec.features.used if name not in empty and learnt[name].nunique(dropna=False) == 1]
    if not empty and not same:
        return []
    told = [f"{what}: {_listed(names)}" for what, names in (("constant", same), ("always missing", empty)) if names]
    return [f"{'; '.join(told)}: in the rows to learn from they teach nothing (features.ignore takes them out)"]


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
