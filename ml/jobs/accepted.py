"""What was accepted since others were told: by a run, by one that was ended, or by hand."""

from pydantic import BaseModel, ConfigDict

from ml.settings import Settings
from ml.state import State, batches


class AcceptedRows(BaseModel):
    """What was accepted after some dataset version, up to `dataset_version`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset_version: int
    batches: int
    rows: int


def accepted_after(settings: Settings, model: str, version: int | None) -> AcceptedRows | None:
    """What was accepted since a dataset version was told of, by whom and how ever; None if nothing was.

    Args:
        settings: The installation.
        model: The model's name.
        version: The version that was told of last; None if none was. One newer than all (of a table that was removed and made anew)
            counts as none.
    """
    accepted = {one.dataset_version: one for one in batches.listed(State.open(settings), model) if one.dataset_version is not None}
    newest = max(accepted, default=None)
    if newest is None or newest == version:
        return None
    since = -1 if version is None or version > newest else version
    new = [one for number, one in accepted.items() if number > since]
    return AcceptedRows(dataset_version=newest, batches=len(new), rows=sum(one.rows or 0 for one in new))
