"""What somebody may be told of a model, and what it is told from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ml.state.records import Batch, Decision, Drift, Promotion, Training, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a model at one moment.

    Args:
        model: Whose.
        champion: The version that serves; None before the first.
        judged: The newest decision in which rules were asked, and the champion whose window it judged.
        decisions: The newest decisions of kind `retrain`, newest first.
        training: The newest training that came to an end.
        quarantined: The batches that stand in quarantine.
        batches: Batch → its status now, of those that stood in quarantine when somebody was told.
        change: The newest change of champion.
        looked: The newest window that was measured, and the drift of its columns.
        concept: The concept drift in it, as `ml.monitoring.concept.ConceptDrift` has it; None where it was not looked at.
        newest: The newest window, measured or not, with the decision about it, if there is one.
        overdue: Since when the newest window should have been decided at the latest; None as long as there is time.
    """

    model: str
    champion: int | None = None
    judged: tuple[Decision, int] | None = None
    decisions: Sequence[Decision] = ()
    training: Training | None = None
    quarantined: Sequence[Batch] = ()
    batches: Mapping[str, str] = field(default_factory=dict)
    change: Promotion | None = None
    looked: tuple[Window, Sequence[Drift]] | None = None
    concept: Mapping[str, Any] | None = None
    newest: tuple[Window, Decision | None] | None = None
    overdue: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something that needs a person, or that a person wants to know, as long as it lasts."""

    key: str
    kind: str
    title: str
    text: str
    window: str | None = None

    def to_row(self) -> dict[str, Any]:
        """As `ml.state.alerts` keeps it."""
        return {"key": self.key, "kind": self.kind, "title": self.title, "text": self.text, "window": self.window}


def sentence(text: str) -> str:
    """With a full stop, and on one line."""
    flat = " ".join(text.split())
    return flat if flat.endswith((".", "!", "?")) else f"{flat}."
