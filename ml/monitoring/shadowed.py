"""A shadow: what came out of fitting the champion's recipe anew, asked about the rows that the champion is judged on."""

from dataclasses import asdict, dataclass
from typing import Any

from ml.wording import chance


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """A shadow beside the champion in one window.

    Attributes:
        metric: One of `ml.spec.METRICS`.
        judged_before: How many windows the champion had been judged in before this one.
        rows: How many labelled rows both were asked about.
        learnt_rows: How many the shadow was fitted on, all labelled before; 0 where it was not fitted.
        champion: The champion's metric.
        value: The shadow's; None where it has none: `why` says why.
        worse_by: Their difference in the metric's unit; positive where the champion is worse.
        standard_error: Of `worse_by`; None where the rows cannot tell.
        p: One-sided p-value of "the champion is not worse"; 1 where nothing is known.
        fits: How many fits were begun for it, and cost what they cost. 0 where it could only be the champion itself, or nothing.
        why: Why there is no value, or no fit; else empty.
        is_over: Whether it came to an end; False while it is fitted, and after a kill.
    """

    metric: str
    judged_before: int
    rows: int
    learnt_rows: int
    champion: float
    value: float | None = None
    worse_by: float | None = None
    standard_error: float | None = None
    p: float = 1.0
    fits: int = 0
    why: str = ""
    is_over: bool = True

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON types."""
        return asdict(self)

    @property
    def sentence(self) -> str:
        """What it says of the champion, or why it says nothing."""
        if self.value is None or self.worse_by is None:
            return f"There is no shadow to compare with: {self.why}."
        said = f"{self.metric} {self.champion:.4f}, of its shadow {self.value:.4f} on the same {self.rows:,} rows"
        if self.fits == 0:
            return f"{said}: {self.why}."
        way = "worse" if self.worse_by > 0 else "better"
        error = "" if self.standard_error is None else f" (standard error {self.standard_error:.4f}; tested for worse: {chance(self.p)})"
        recipe = f"The shadow is the champion's recipe, fitted on {self.learnt_rows:,} rows."
        return f"{said}: {way} by {abs(self.worse_by):.4f}{error}. {recipe}"
