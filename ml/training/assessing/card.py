"""The model card of a version (Mitchell et al. 2019), as Markdown and as one HTML page that asks nobody for anything."""

import base64
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from ml.training.assessing.facts import Assessment, Fact

_TEMPLATES = Path(__file__).parent / "templates"
_MARKS = re.compile(r"([\\`*_\[\]|~#])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_WEB = re.compile(r"https?://[^\s<>()\"'|\\]+")


class DataFacts(Fact):
    """What the model learnt from. `oldest` and `newest` are in the model's own time, None where it has none; `features` kind → columns."""

    dataset_version: int
    labels_version: int | None = None
    rows: int
    development_rows: int
    test_rows: int
    batches: int
    oldest: datetime | None = None
    newest: datetime | None = None
    features: dict[str, tuple[str, ...]]


class TrainingFacts(Fact):
    """How it was made. `threshold` is the probability from which on a binary model says yes; `seconds` what the training took."""

    candidate: str
    class_path: str
    params: dict[str, Any]
    seed: int
    folds: int
    trials: int
    calibration: str | None = None
    threshold: float | None = None
    seconds: float | None = None
    commit: str
    lock: str
    spec_hash: str


class Check(Fact):
    """One check of the gate, in words."""

    name: str
    outcome: Literal["passed", "failed", "not tested"]
    sentence: str


class GateFacts(Fact):
    """What the gate said."""

    wins: bool
    sentence: str
    checks: tuple[Check, ...] = ()


class Origin(Fact):
    """One step back from the model to its cause. A URL that is not http or https is shown as text."""

    name: str
    text: str
    url: str | None = None

    @property
    def link(self) -> str | None:
        """The URL, if a browser may be sent there."""
        return self.url if self.url is not None and _WEB.fullmatch(self.url) else None


class Compared(Fact):
    """What the gate compared, where that was not all test rows: metrics on the `rows` that neither version had learnt from."""

    rows: int
    challenger: dict[str, float]
    champion: dict[str, float]
    baseline: dict[str, float]


class CardFacts(Fact):
    """All that a card says; `origins` are decision, reason, run, report.

    `champion` has the former champion's metrics on all test rows, those of `assessment`; where it had learnt from some of these it is
    None, and `compared` says what both did on the others.
    """

    model: str
    version: int
    owner: str
    description: str
    task: str
    target: str
    positive: str | None = None
    made_at: datetime
    data: DataFacts
    training: TrainingFacts
    assessment: Assessment
    gate: GateFacts
    champion: dict[str, float] | None = None
    compared: Compared | None = None
    champion_version: int | None = None
    size_mb: float | None = None
    origins: tuple[Origin, ...] = ()


def markdown(facts: CardFacts) -> str:
    """The card as Markdown. Whatever came from the declaration or the data is shown as text, never as markup."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(  # noqa: S701 - Markdown: `finalize` does what autoescape does for HTML
        loader=FileSystemLoader(_TEMPLATES), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_escaped
    )
    return _rendered(environment, "card.md.j2", facts, {})


def html(facts: CardFacts, figures: Mapping[str, bytes] | None = None) -> str:
    """The card as one HTML page: no script, nothing fetched, figures (name → PNG) inside; for screens, phones and paper."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=True
    )
    pictures = {name: f"data:image/png;base64,{base64.b64encode(picture).decode()}" for name, picture in (figures or {}).items()}
    return _rendered(environment, "card.html.j2", facts, pictures)


def _rendered(environment: Any, template: str, facts: CardFacts, pictures: Mapping[str, str]) -> str:
    from ml.training.assessing.card_sections import sections

    text: str = environment.get_template(template).render(facts=facts, sections=sections(facts, pictures), pictures=pictures)
    return text


def _escaped(value: object) -> object:
    """One line of text in which no sign means anything to Markdown or HTML; a template's own `|safe` text stays."""
    from markupsafe import Markup

    if isinstance(value, Markup):
        return value
    text = " ".join(str(value).split())
    return _MARKS.sub(r"\\\1", "".join(_ENTITIES.get(sign, sign) for sign in text))
