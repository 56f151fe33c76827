"""A recommendation as a declaration writes it."""

from typing import Any

from ml.policy.replay.cells import Cell

_CAUSES: dict[str, Any] = {
    "drift_share": None,
    "quality_drop": None,
    "estimated_drop": None,
    "new_rows": None,
    "age": None,
    "every_windows": None,
    "vote": None,
}


def as_declared(cell: Cell) -> dict[str, Any]:
    """The keys of `retraining` to set, as plain YAML types: what is recommended decides, and every other cause is switched off.

    Any cause that holds asks for a training, so what was judged alone must stand alone. What holds a training back is left as it is.
    Empty where the history is too short to tell: then nothing is to be changed.
    """
    if not cell.is_told:
        return {}
    cost = {"train": cell.costs.train, "promote": cell.costs.promote}
    quiet = {**_CAUSES, "cost": cost, "regret": {"theta": None, "payback_windows": None}}
    if cell.kind == "calendar":
        return {**quiet, "every_windows": cell.every_windows}
    if cell.vote is not None:
        vote = cell.vote.model_dump(mode="json", exclude_none=True)
        return {**quiet, "vote": {**vote, "voters": [_weight_last(one) for one in vote["voters"]]}}
    return quiet


def _weight_last(voter: dict[str, Any]) -> dict[str, Any]:
    return {**{name: value for name, value in voter.items() if name != "weight"}, "weight": voter["weight"]}
