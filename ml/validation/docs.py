"""Data Docs: one page a batch, by Great Expectations' own renderers, and an index for each model.

The pages ask for nothing outside themselves and run no script, so they work in a closed network. Whatever came with the data is
shown as text: Great Expectations' templates escape only in part, so every sign that means something in HTML is taken out before they
see it, and put back as an entity when they are done.
"""

import json
import logging
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ml.settings import Settings
from ml.validation import quiet
from ml.validation.checks import Verdict
from ml.validation.suites import Suite

log = logging.getLogger(__name__)

_TEMPLATES = Path(__file__).parent / "templates"
_LISTED = 500
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}
_STAND_INS = {sign: chr(0xE000 + place) for place, sign in enumerate(_ENTITIES)}
"""Signs from a private range of Unicode: nothing in HTML."""
_TO_STAND_INS = str.maketrans(_STAND_INS)
_TO_ENTITIES = str.maketrans({_STAND_INS[sign]: entity for sign, entity in _ENTITIES.items()})
_OUTSIDE = re.compile(r"<script\b.*?</script\s*>|<link\b[^>]*>|\s(?:href|src)=\"(?!#|index\.html\")[^\"]*\"", re.DOTALL | re.IGNORECASE)
_SUMMARY = re.compile(r'<meta name="perennial" content="([^"]*)">')


def folder(settings: Settings, model: str) -> Path:
    """Where the pages of a model lie: `<batch>.html` and `index.html`."""
    return settings.home / "data_docs" / model


def write(settings: Settings, *, model: str, batch: str, verdict: Verdict, suite: Suite) -> str:
    """Writes the page of a batch and renews the model's index; the path of the page. The same verdict gives the same page."""
    page = folder(settings, model) / f"{batch}.html"
    with quiet.silenced():
        _replace(page, _page(model=model, batch=batch, verdict=verdict, suite=suite))
    _replace(page.with_name("index.html"), _index(model, page.parent))
    return str(page)


def _page(*, model: str, batch: str, verdict: Verdict, suite: Suite) -> str:
    meta = verdict.result.get("meta", {})
    outcome = "passed" if verdict.passed else "failed"
    facts = [
        ("source", meta.get("source", "–")),
        ("rows", meta.get("rows", "–")),
        ("failing rows", verdict.failing_rows),
        ("expectations", len(suite.expectations)),
        ("suite", f"expectations/{model}.json, {suite.hash}"),
        ("batch", batch),
    ]
    content = {
        "model": model,
        "batch": batch,
        "outcome": outcome,
        "summary": json.dumps({"outcome": outcome, "rows": meta.get("rows"), "source": meta.get("source", "")}, ensure_ascii=False),
        "facts": facts,
        "lists": [("Why it failed", verdict.reasons), ("Only warnings", verdict.warnings)],
    }
    html = _view("batch_page.j2").render({"sections": _sections(verdict.result), **_disarmed(content)})
    return _OUTSIDE.sub("", html).translate(_TO_ENTITIES)


def _view(template: str) -> Any:
    quiet.load()
    from great_expectations.render.view.view import DefaultJinjaPageView

    view = DefaultJinjaPageView(custom_views_directory=str(_TEMPLATES))
    return view._get_template(template)


def _sections(result: Mapping[str, Any]) -> list[Any]:
    """What Great Expectations renders of its own result; nothing where no expectation could be evaluated."""
    if not result.get("results"):
        return []
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult, ExpectationValidationResult
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer

    safe = _disarmed(result)
    results = [
        ExpectationValidationResult(
            success=one["success"],
            expectation_config=ExpectationConfiguration(**one["expectation_config"]),
            result={"unexpected_percent": 0.0, **one["result"]} if "unexpected_count" in one["result"] else one["result"],
            meta=one["meta"],
            exception_info=one["exception_info"],
        )
        for one in safe["results"]
    ]
    whole = ExpectationSuiteValidationResult(
        success=safe["success"],
        results=results,
        suite_name=safe["suite_name"],
        statistics=safe["statistics"],
        meta={},
    )
    document = ValidationResultsPageRenderer(run_info_at_end=True).render(whole).to_json_dict()
    return [section for section in document["sections"] if section.get("section_name") not in {"Overview", "Run Info"}]


def _disarmed(value: Any) -> Any:
    """The same value, without any sign that means something in HTML."""
    if isinstance(value, str):
        return value.translate(_TO_STAND_INS)
    if isinstance(value, Mapping):
        return {_disarmed(key): _disarmed(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_disarmed(one) for one in value]
    return value


def _index(model: str, pages: Path) -> str:
    found = [(page.stat().st_mtime, page) for page in pages.glob("*.html") if page.name != "index.html"]
    newest = sorted(found, reverse=True)[:_LISTED]
    content = {"model": model, "pages": list(_listed(newest)), "more": len(found) - len(newest)}
    html: str = _view("batches_page.j2").render(_disarmed(content))
    return html.translate(_TO_ENTITIES)


def _listed(pages: list[tuple[float, Path]]) -> Iterator[dict[str, object]]:
    import html

    for changed_at, page in pages:
        with page.open(encoding="utf-8") as file:
            match = _SUMMARY.search(file.read(4096))
        summary = json.loads(html.unescape(match[1])) if match else {}
        yield {
            "name": page.stem,
            "at": f"{datetime.fromtimestamp(changed_at, UTC):%Y-%m-%d %H:%M:%S}",
            "outcome": summary.get("outcome", ""),
            "rows": "–" if summary.get("rows") is None else summary["rows"],
            "source": summary.get("source", ""),
        }


def _replace(path: Path, text: str) -> None:
    """Whole or not at all, also when two processes write it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(name).chmod(0o644)
    Path(name).replace(path)
