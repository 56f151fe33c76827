"""The pages as HTML, from facts. Whatever came from outside is shown as text."""

import math
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from ml.monitoring import NOT_FEATURES, page, report_sections
from ml.monitoring.history.facts import Seen, Value
from ml.monitoring.history.words import number
from ml.monitoring.looks import told
from ml.monitoring.pages import standing, words
from ml.monitoring.pages.facts import BatchFacts, IndexRow, ModelFacts, WindowFacts
from ml.monitoring.pages.frame import SANDBOX, STILL, TONES, Way, Ways, means, nav
from ml.state.records import Decision, Drift
from ml.wording import moment

LISTED_COLUMNS = 200
"""So many columns of a window are listed, the farthest first."""
LATEST = "latest.html"
ALL = Way("All models", "../index.html")


def index(rows: Sequence[IndexRow]) -> str:
    """The page of all models."""
    meaning = standing.of_all(rows)
    dated = sorted(((row.newest.at, row.model, row) for row in rows if row.newest is not None), reverse=True, key=lambda one: one[:2])
    ordered = [*(row for _, _, row in dated), *(row for row in rows if row.newest is None)]
    at = max([at for at, _, _ in dated] + [row.since for row in rows if row.since is not None], default=None)
    return _page("index.html.j2", title="Reports", ways=Ways(up=(Way("All models"),)), meaning=meaning, rows=ordered, at=at)


def model(facts: ModelFacts) -> str:
    """The page of one model: how it stands, and the way to each of its pages, by date."""
    name = facts.history.model
    return _page(
        "model.html.j2",
        title=name,
        ways=Ways(up=(ALL, Way(name))),
        meaning=standing.of_model(facts),
        facts=facts,
        history=facts.history,
        windows=facts.history.windows[::-1],
        at=_last(facts),
    )


def window(facts: WindowFacts) -> str:
    """The page of one window: what it means, the decision and all numbers, with Evidently's plots in a frame."""
    drifts = sorted(facts.drifts, key=_place)
    return _page(
        "window.html.j2",
        title=f"{facts.model}: window {facts.seen.number}",
        ways=of_window(facts),
        meaning=words.of_window(facts),
        facts=facts,
        seen=facts.seen,
        drifts=drifts[:LISTED_COLUMNS],
        left_out=max(0, len(drifts) - LISTED_COLUMNS),
        alarms=[said for one in drifts for said in _alarms(one)],
        sections=report_sections.rendered(facts.sections),
        sandbox=SANDBOX,
    )


def deliveries(model_name: str, batches: Sequence[BatchFacts], *, quarantined: int, is_cut: bool) -> str:
    """The page of a model's checked deliveries, one folder below the model's."""
    return _page(
        "docs.html.j2",
        title=f"{model_name}: checks of the deliveries",
        ways=of_page(model_name, "Checks of the deliveries").below(),
        meaning=standing.of_deliveries(batches, quarantined=quarantined, model=model_name),
        batches=batches,
        is_cut=is_cut,
    )


def of_delivery(model_name: str, batch: str) -> Ways:
    """The ways from the page of a delivery's checks."""
    up = of_page(model_name, "").below().up[:2]
    return Ways(up=(*up, Way("Checks of the deliveries", "index.html"), Way(f"Delivery {batch[:12]}")))


def of_window(facts: WindowFacts) -> Ways:
    """The ways from a window's page."""
    beside = [Way("‹ window before", f"{facts.before}.html")] if facts.before else []
    beside += [Way("window after ›", f"{facts.after}.html")] if facts.after else []
    return Ways(up=(ALL, Way(facts.model, "index.html"), Way(f"Window {facts.seen.number}")), beside=tuple(beside))


def of_page(model_name: str, here: str) -> Ways:
    """The ways from another page in a model's folder."""
    return Ways(up=(ALL, Way(model_name, "index.html"), Way(here)))


def verdict(made: Decision | None) -> str:
    """A decision in two words."""
    if made is None:
        return "not decided yet"
    if made.kind == "rollback":
        return "rolled back"
    if made.policy == words.GIVEN_UP:
        return "given up"
    return "retraining asked for" if made.retrain else "not retrained"


def spanned(value: Value | None) -> str:
    """A metric with its interval."""
    if value is None:
        return "–"
    if not math.isfinite(value.value):
        return "not a number"
    around = "" if value.low is None or value.high is None else f" ({number(value.low)} to {number(value.high)})"
    return number(value.value) + around


def metrics(seen: Seen, first: str) -> list[tuple[str, Value | None, Value | None]]:
    """Each metric of a window with what was measured and what was estimated, the one that counts first."""
    names = dict.fromkeys([first, *(one.metric for one in seen.qualities), *(one.metric for one in seen.estimates)])
    found = ((name, seen.quality(name), seen.estimate(name)) for name in names)
    return [one for one in found if one[1] is not None or one[2] is not None]


def _last(facts: ModelFacts) -> datetime | None:
    """When the newest of what a model's page tells happened: unlike the time of the call, it changes only with the page."""
    history = facts.history
    found = [one.at for one in history.windows] + [one.at for one in history.changes] + [one.decided_at for one in history.decisions]
    found += [one.at for one in facts.batches] + [one.made_at for one in facts.versions]
    return max(found, default=None)


def _alarms(one: Drift) -> list[str]:
    said = [str(found["sentence"]) for found in told(one) if found["is_alarm"]]
    fixed = f"{one.column}: {one.method} {one.value:.3g} ≥ {one.threshold:.3g}, a fixed threshold"
    return said or ([fixed] if one.drifted else [])


def _place(one: Drift) -> tuple[bool, bool, float, str]:
    far = one.value / one.threshold if one.threshold > 0 and math.isfinite(one.value) else math.inf
    return one.kind not in NOT_FEATURES, not one.drifted, -far, one.column


def _said(one: Drift) -> str:
    found = told(one)
    return str(found[0]["sentence"]).removeprefix(f"{one.column}: ") if found else ""


def _page(template: str, **content: Any) -> str:
    meaning, ways = content.pop("meaning"), content.pop("ways")
    parts = {"policy": STILL, "style": page.style(), "ways": nav(ways), "means": means(meaning)}
    made: str = _templates().get_template(template).render(**parts, **content)
    return made


@cache
def _templates() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    found = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), undefined=StrictUndefined, autoescape=True, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    found.filters |= {"moment": moment, "spanned": spanned, "verdict": verdict, "number": number, "said": _said}
    found.globals |= {"metrics": metrics, "tones": TONES, "not_features": NOT_FEATURES}
    return found
