"""What a window's page says beside its numbers."""

from collections.abc import Sequence

import pandas as pd

from ml.monitoring.alarms import basis
from ml.monitoring.drift import MISSING_SHARE
from ml.spec import ModelSpec
from ml.state.records import Drift


def notes(spec: ModelSpec, drifts: Sequence[Drift], judged: pd.DataFrame, *, late: int, doubt: str) -> list[str]:
    """Sentences on what could not be seen, and on what is shown otherwise.

    Args:
        spec: The window's declaration.
        drifts: What was measured of the columns.
        judged: The labelled rows, with `label`.
        late: How many of them were accepted before the window.
        doubt: What speaks against prediction drift (`basis.told`); empty where nothing does.
    """
    lost = [one.column for one in drifts if one.method == MISSING_SHARE]
    found = []
    if lost:
        found.append(
            "Shown by the change of the share of missing values, because that has drifted and the distance has not, or because there is "
            f"no value on one side: {', '.join(lost)}."
        )
    if late and len(judged) == late:
        found.append("No row of this window has a label yet that is final: target drift and quality are of earlier rows.")
    elif judged.empty and any(one.kind == "target" for one in drifts):
        found.append("No label of this window is of a class that the champion knows: quality cannot be seen.")
    elif judged.empty:
        found.append("No row of this window has a label yet that is final: neither target drift nor quality can be seen.")
    if late:
        found.append(
            f"Quality is of {len(judged):,} labelled rows: {len(judged) - late:,} of this window, and {late:,} that were accepted before "
            "it and whose label became known since the champion's quality was last judged."
        )
    if not judged.empty and judged["label"].nunique() < 2:
        found.append("All labelled rows have the same label: quality is not drawn, and some metrics are not defined.")
    if doubt:
        found.append(f"Prediction drift is provisional: {basis.told(doubt)}.")
    if spec.features.text:
        found.append("Texts are compared by how well a classifier tells reference from window by their words (ROC AUC, 0.5 is alike).")
    return found
