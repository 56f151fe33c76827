"""Which retraining policy pays on a model's own history: played over what every model would have lost in every window."""

from ml.policy.replay.applying import as_declared
from ml.policy.replay.bootstrap import Interval, interval, interval_of_total
from ml.policy.replay.cells import Cell, Judged, Replayed
from ml.policy.replay.costs import Costs
from ml.policy.replay.history import LossHistory, Parts, Signals
from ml.policy.replay.lengths import Length, length
from ml.policy.replay.oracles import honest_oracle, oracle
from ml.policy.replay.playing import Policy, Run, play
from ml.policy.replay.whole import replay

__all__ = [
    "Cell",
    "Costs",
    "Interval",
    "Judged",
    "Length",
    "LossHistory",
    "Parts",
    "Policy",
    "Replayed",
    "Run",
    "Signals",
    "as_declared",
    "honest_oracle",
    "interval",
    "interval_of_total",
    "length",
    "oracle",
    "play",
    "replay",
]
