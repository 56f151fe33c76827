"""What is paid for retraining."""

from dataclasses import dataclass

from ml.errors import ModelOwnerError


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """In windows' worth of loss: 1 is one whole window in which everything is wrong (of an error rate).

    Args:
        train: Of every fit, also a shadow's that never serves.
        promote: Of each model that is put into service.
    """

    train: float
    promote: float = 0.0

    def __post_init__(self) -> None:
        if min(self.train, self.promote) < 0 or self.retraining <= 0:
            raise ModelOwnerError(
                f"a fit that costs {self.train} and a promotion that costs {self.promote}: one must be above 0, none below"
            )

    @property
    def retraining(self) -> float:
        """What one retraining costs: it is fitted, and promoted."""
        return self.train + self.promote

    @classmethod
    def of(cls, retraining: float, *, shadow_share: float) -> "Costs":
        """Of which a fit is the `shadow_share` (0-1), and what is left the promotion."""
        return cls(train=shadow_share * retraining, promote=(1 - shadow_share) * retraining)
