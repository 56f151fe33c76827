"""Which rows the champion is judged by, and its metrics on them."""

import pandas as pd

from ml.data.casting import label_text
from ml.data.faults import first_few
from ml.jobs import said as saying
from ml.monitoring.profile_file import ReferenceProfile
from ml.monitoring.profiles import LabelProfile
from ml.spec import ModelSpec
from ml.state.records import Quality
from ml.training.evaluation import Predicted, measure


def classes(spec: ModelSpec, reference: ReferenceProfile) -> set[str]:
    """The classes that a binary model's champion learnt; empty for other tasks."""
    found = reference.profile(spec.target) if spec.task == "binary" else None
    return set(found.counts) if isinstance(found, LabelProfile) else set()


def judge(spec: ModelSpec, labels: pd.Series, said: Predicted, *, known: set[str]) -> tuple[pd.DataFrame, list[Quality], list[str]]:
    """The labelled rows, the metrics on them, and a note where rows are left out.

    Columns: `label`, `prediction`, `probability` of the positive class where there is one; indexed by position. A label that is
    neither of a binary model's two, as its champion learnt them (`known`), is no outcome to judge by.
    """
    judged = pd.DataFrame({"label": labels.to_numpy(), "prediction": said.values})
    if (probability := saying.probability(spec, said)) is not None:
        judged["probability"] = probability.to_numpy()
    judged = judged[judged["label"].notna()]
    notes = []
    if spec.task == "binary":
        is_known = judged["label"].isin({label_text(spec.positive), *known})
        if not is_known.all():
            names = first_few([str(name) for name in judged.loc[~is_known, "label"].unique()])
            notes.append(f"Quality leaves out {(~is_known).sum():,} rows whose label is neither of the model's two classes: {names}.")
        judged = judged[is_known]
    found = metrics(spec, judged["label"], saying.taken(said, judged.index.to_numpy()))
    return judged, [Quality(metric=name, value=value, rows=len(judged)) for name, value in found.items()], notes


def metrics(spec: ModelSpec, labels: pd.Series, said: Predicted) -> dict[str, float]:
    """The task's metrics on rows that all have a label; without those that the rows do not define."""
    return measure(
        spec.task,
        labels=labels.to_numpy(),
        predictions=said.values,
        probabilities=said.probabilities,
        positive=None if spec.positive is None else label_text(spec.positive),
    )
