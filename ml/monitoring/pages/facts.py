"""What the pages are made from: recorded facts, and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from ml.monitoring.history.facts import History, Seen
from ml.monitoring.report_sections import Section
from ml.state.records import Drift

Tone = Literal["good", "look", "bad", "unknown", "plain"]
"""How something stands: nothing speaks against it, somebody should look, it is worse than it should be, too little is known; `plain`: not
judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What numbers mean, in plain words: one line, what it rests on (paragraphs of sentences), and what to do."""

    tone: Tone
    headline: str
    paragraphs: tuple[Sequence[str], ...] = ()
    to_do: str

    @property
    def sentences(self) -> list[str]:
        """Every sentence, in the order of reading."""
        return [self.headline, *(one for paragraph in self.paragraphs for one in paragraph), self.to_do]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A version beside the champion of its day on the same test rows: `gain` is better where positive, with its interval."""

    gain: float
    low: float
    high: float
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFacts:
    """One version of a model, and what became of it.

    Args:
        model: Whose.
        version: Its number.
        made_at: When its training began.
        reason: Why it was trained.
        state: As in `ml.state.records.Training`.
        verdict: The gate's sentence; empty where it said nothing.
        wins: Whether it won at the gate; None where nothing was judged.
        metric: The metric that decided,
        value: what it was on the compared test rows; None where that is not known,
        rows: and how many they were.
        former: The champion's version on the same rows, with
        former_value: its metric; None where there was none.
        comparison: What the paired test found; None where nothing could be compared.
        baseline: What a model without features reaches.
        warnings: Signs of leakage.
        served: When it was champion: from and until; `until` None: it still is.
        ended: Why it stopped serving, in words; empty where it did not.
        has_card: Whether its model card can be opened.
    """

    model: str
    version: int
    made_at: datetime
    reason: str
    state: str
    verdict: str = ""
    wins: bool | None = None
    metric: str = ""
    value: float | None = None
    rows: int = 0
    former: int | None = None
    former_value: float | None = None
    comparison: Comparison | None = None
    baseline: float | None = None
    warnings: tuple[str, ...] = ()
    served: tuple[tuple[datetime, datetime | None], ...] = ()
    ended: str = ""
    has_card: bool = False

    @property
    def is_champion(self) -> bool:
        """Whether it serves now."""
        return any(until is None for _, until in self.served)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFacts:
    """A delivery and what became of it. `page`: the name of its Data Docs page; None where there is none."""

    id: str
    at: datetime
    source: str
    status: str
    rows: int | None
    failing_rows: int
    reasons: tuple[str, ...]
    page: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowFacts:
    """One window in full.

    Args:
        seen: What was measured, and the decision about it.
        metric: The metric that counts.
        is_lower_better: Whether a small value of it is good.
        drift_limit: From which share (0-1) of drifted columns on the policy asks for a training; None: never for drift alone.
        promise: How many alarms chance may raise, such as `1 per 90d`; empty under fixed thresholds.
        drifts: Of every column, the farthest first.
        sections: What else was measured: estimates, fresh models, ranking, segments.
        happened: When its rows happened, from and until; None where they have no time.
        champion: The version that serves now; None: nobody.
        before: The id of the window before it,
        after: and of the one after it.
        plots: Whether Evidently's plots can be opened.
    """

    model: str
    seen: Seen
    metric: str
    is_lower_better: bool
    drift_limit: float | None
    promise: str = ""
    drifts: tuple[Drift, ...] = ()
    sections: Sequence[Section] = ()
    happened: tuple[datetime, datetime] | None = None
    champion: int | None = None
    before: str | None = None
    after: str | None = None
    plots: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """All that the page of a model leads to.

    Args:
        history: Its newest windows, changes of champion and decisions.
        description: What the declaration says that it is for.
        owner: Whom to ask.
        left_out: How many older windows are not listed.
        versions: The newest first.
        batches: The newest deliveries, the newest first.
        quarantined: How many deliveries wait in quarantine.
        has_docs: Whether there are Data Docs.
        has_replay: Whether there is a replay's page.
    """

    history: History
    description: str = ""
    owner: str = ""
    left_out: int = 0
    versions: tuple[VersionFacts, ...] = ()
    batches: tuple[BatchFacts, ...] = ()
    quarantined: int = 0
    has_docs: bool = False
    has_replay: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRow:
    """A model in the index: its newest measured window, who serves, and what that means. `has_report`: the window's page may be led to."""

    model: str
    champion: int | None
    since: datetime | None
    newest: Seen | None
    metric: str
    meaning: Meaning
    has_report: bool = True


def rule(decision_rules: Sequence[dict[str, Any]], name: str) -> bool:
    """Whether a rule of the policy asked for a training."""
    return any(one.get("rule") == name and one.get("fired") for one in decision_rules)
