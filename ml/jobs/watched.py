"""How a watch stands, in numbers and in words."""

import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from ml.spec import ModelSpec
from ml.state import State, specs, trainings
from ml.state.records import Training, Watch
from ml.wording import counted, moment

if TYPE_CHECKING:
    from ml.training.eprocess import Wealth


_LARGEST = 700.0
"""Of exponents: beyond it a float is infinite, which JSON does not know."""


class WatchResult(BaseModel):
    """How a watch stands. `loss` and `former_loss` are means over `rows` rows; at `evidence` ≥ `bar` the champion is rolled back.

    `state`: `watching`, `kept`, `rolled_back`, `ended`; `fresh_rows` were counted now.
    """

    model_config = ConfigDict(frozen=True)

    promotion: int
    version: int
    former: int
    state: str
    reason: str
    until: datetime
    rows: int
    fresh_rows: int = 0
    loss: float | None
    former_loss: float | None
    evidence: float
    bar: float
    gain: dict[str, Any] | None


def result(state: State, found: Watch) -> WatchResult:
    """A watch in numbers and words."""
    spec = spec_of(state, found)
    return WatchResult(
        promotion=found.promotion,
        version=found.version,
        former=found.former,
        state=found.state,
        reason=found.reason or _so_far(found),
        until=found.until,
        rows=found.rows,
        loss=found.loss / found.rows if found.rows else None,
        former_loss=found.former_loss / found.rows if found.rows else None,
        evidence=evidence(found),
        bar=1 / spec.promotion.rollback_level,
        gain=found.gain,
    )


def spec_of(state: State, found: Watch) -> ModelSpec:
    """The declaration that the watched champion was trained with."""
    return specs.recall(state, made_by(state, found).spec_hash)


def made_by(state: State, found: Watch) -> Training:
    """The run that made the watched champion."""
    known = trainings.of_version(state, found.model, found.version)
    assert known is not None, "a watch is begun for versions of known trainings only"
    return known


def wealth(found: Watch) -> "Wealth":
    """What the test has gathered so far."""
    from ml.training.eprocess import Wealth

    return Wealth() if found.wealth is None else Wealth.model_validate(found.wealth)


def evidence(found: Watch) -> float:
    """The largest e-value so far: 1 at the start; it reaches 1 / level by chance with a probability of at most the level."""
    peak = float((found.wealth or {}).get("peak", 0.0))
    return math.exp(min(peak, _LARGEST))


def _numbers(found: Watch, spec: ModelSpec) -> str:
    """What both did, and what the test says of it."""
    value = (found.gain or {}).get("value")
    metric = f"{spec.metric} {value['champion']:.4f} against {value['former']:.4f}, " if value else ""
    return (
        f"{counted(found.rows, 'row')} whose labels became known since: {metric}mean loss {found.loss / found.rows:.4f} against "
        f"{found.former_loss / found.rows:.4f}; evidence {evidence(found):.3g} of {1 / spec.promotion.rollback_level:g} "
        "(an anytime-valid test)"
    )


def worse(found: Watch, spec: ModelSpec) -> str:
    """Why the champion is rolled back."""
    return f"version {found.version} is worse than version {found.former} on {_numbers(found, spec)}"


def kept(found: Watch, spec: ModelSpec) -> str:
    """Why it is kept when the time is over."""
    if not found.rows:
        return f"no label became known until {moment(found.until)}: nothing was compared"
    return f"version {found.version} was not shown to be worse than version {found.former} on {_numbers(found, spec)}"


def _so_far(found: Watch) -> str:
    if not found.rows:
        return f"version {found.version} is watched beside version {found.former}; no label has become known yet"
    losses = f"mean loss {found.loss / found.rows:.4f} (version {found.former}: {found.former_loss / found.rows:.4f})"
    return f"version {found.version} is watched beside version {found.former}: {losses} on the same {counted(found.rows, 'row')}"
