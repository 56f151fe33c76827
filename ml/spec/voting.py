"""Rules that vote on a training, as a replay of the model's own history weighted them."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ml.spec.types import Declared


class Voter(Declared):
    """One rule, and how much its word counts."""

    weight: Annotated[float, Field(gt=0)]
    """Against the sum of all weights."""


class NeverVoter(Voter):
    """Asks for nothing, ever."""

    kind: Literal["never"] = "never"


class CalendarVoter(Voter):
    """Asks every so many windows."""

    kind: Literal["calendar"] = "calendar"
    every_windows: Annotated[int, Field(ge=1)]


class RegretVoter(Voter):
    """Asks when the regret since the last training exceeds `theta` times the cost of a retraining."""

    kind: Literal["regret"] = "regret"
    theta: Annotated[float, Field(gt=0)] = 1.0
    kappa: Annotated[float, Field(ge=0)] = 0.0
    """So many times the noise is taken off the regret of each window."""


class PaybackVoter(Voter):
    """Asks when the regret of late, kept up for so many windows, exceeds the cost of a retraining."""

    kind: Literal["payback"] = "payback"
    windows: Annotated[int, Field(ge=1)]
    newest: Annotated[float, Field(gt=0, le=1)] = 0.25
    """The weight of the newest window in "of late" (an exponentially weighted mean)."""


AnyVoter = Annotated[NeverVoter | CalendarVoter | RegretVoter | PaybackVoter, Field(discriminator="kind")]


class Vote(Declared):
    """Retrain when the rules that ask hold more than half of the weight. Written by `perennial replay --apply`. Needs `retraining.cost`."""

    voters: Annotated[tuple[AnyVoter, ...], Field(min_length=1)]
    shadow_windows: Annotated[int, Field(ge=1)] | None = None
    """Regret is held against a shadow challenger that is trained for every so many windows; null: against `usual_loss`."""
    usual_loss: float | None = None
    """What fresh models lost in the windows that the weights were tuned on (median)."""
    edge: float = 0.0
    """How much less a shadow loses than a model that could have served: it learnt from labels that had not come by then."""
    noise: Annotated[float, Field(ge=0)] = 0.0
    """How far the regret of a window moved where nothing had changed."""

    @model_validator(mode="after")
    def _yardstick(self) -> Self:
        if (self.shadow_windows is None) == (self.usual_loss is None):
            raise ValueError("say what regret is held against: either shadow_windows or usual_loss")
        return self
