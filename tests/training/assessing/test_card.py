"""A card says all that is known of a version, and shows whatever came with the data as text."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from markdown_it import MarkdownIt

from ml.training.assessing import card
from ml.training.assessing.card import CardFacts, Check, Compared, DataFacts, GateFacts, Origin, TrainingFacts
from ml.training.assessing.facts import (
    Assessment,
    ColumnImportance,
    Fairness,
    GroupRates,
    Importance,
    Interval,
    Latency,
    Measured,
    Slice,
    Suspicion,
)

EVIL = "<script>alert('x')</script>\n# up & | away [here](https://evil.example) `x` <img src=x onerror=alert(1)> **b**"
SHOWN = " ".join(EVIL.split())
PIXEL = b"\x89PNG\r\n\x1a\n"


def assessment(**changes: Any) -> Assessment:
    metrics = {"roc_auc": Interval(value=0.9123456, low=0.9, high=0.92), "log_loss": Interval(value=0.25)}
    content: dict[str, Any] = {
        "metric": "roc_auc",
        "measured": Measured(rows=12_345, drawn="rows", units=9, drawn_rows=5_000, resamples=1000, confidence=0.95, metrics=metrics),
        "baseline": {"roc_auc": 0.5},
        "slices": (
            Slice(column="city", value="Rome", rows=4_000, metrics=metrics),
            Slice(column="city", value="Oslo", rows=12, metrics=None),
        ),
        "fairness": (
            Fairness(
                column="sex",
                outcome="yes",
                groups=(GroupRates(value="f", rows=400, selection_rate=0.25, true_positive_rate=0.5, false_positive_rate=None),),
                demographic_parity_difference=0.125,
                equalised_odds_difference=None,
                note="Not tested, with fewer than 200 rows: x.",
            ),
        ),
        "importance": Importance(
            metric="roc_auc", rows=500, repeats=5, columns=(ColumnImportance(column="age", mean=0.2, deviation=0.01),)
        ),
        "suspicions": (Suspicion(kind="like_an_id", column="visit", value=1.0, sentence="Column 'visit' is like an id."),),
        "latency": Latency(single_ms=3.21, single_p95_ms=4.5, single_repeats=100, batch_us_per_row=12.3, batch_rows=10_000),
    }
    return Assessment(**{**content, **changes})


def facts(**changes: Any) -> CardFacts:
    content: dict[str, Any] = {
        "model": "shop",
        "version": 7,
        "owner": "sales",
        "description": "Who will buy.",
        "task": "binary",
        "target": "bought",
        "positive": "yes",
        "made_at": datetime(2026, 1, 3, 12, tzinfo=UTC),
        "data": DataFacts(
            dataset_version=12,
            rows=60_000,
            development_rows=47_655,
            test_rows=12_345,
            batches=4,
            oldest=datetime(2025, 1, 1, tzinfo=UTC),
            newest=datetime(2026, 1, 1, tzinfo=UTC),
            features={"numeric": ("age",), "text": ()},
        ),
        "training": TrainingFacts(
            candidate="tree",
            class_path="sklearn.tree.DecisionTreeClassifier",
            params={"max_depth": 3},
            seed=42,
            folds=3,
            trials=8,
            threshold=0.37,
            seconds=90,
            commit="19f9fb6",
            lock="abcd",
            spec_hash="0123",
        ),
        "assessment": assessment(),
        "gate": GateFacts(
            wins=True, sentence="Not significantly worse.", checks=(Check(name="latency", outcome="passed", sentence="3 ms"),)
        ),
        "champion": {"roc_auc": 0.8},
        "champion_version": 6,
        "size_mb": 1.5,
        "origins": (Origin(name="report", text="window 41", url="https://example.com/r?a=1&b=2"), Origin(name="reason", text="drift")),
    }
    return CardFacts(**{**content, **changes})


class Page(HTMLParser):
    """The tags, attributes and text of a page as a browser reads them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: dict[str, list[str]] = {}
        self.text = ""
        self.feed(page)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def pages(told: CardFacts) -> dict[str, Page]:
    rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(card.markdown(told))
    return {"html": Page(card.html(told, {"roc": PIXEL})), "markdown": Page(rendered)}


@pytest.mark.parametrize("kind", ["html", "markdown"])
def test_everything_that_is_known_is_said(kind: str) -> None:
    page = pages(facts())[kind]
    for said in (
        "Who will buy.",
        "sales",
        "It won. Not significantly worse.",
        "roc_auc (decides)",
        "0.9123 (0.9000 to 0.9200)",
        "champion, version 6",
        "On 12,345 test rows that no tuning saw. In brackets the 95 % bootstrap interval: 1,000 resamples of rows, from 5,000 rows",
        "not tested",
        "demographic parity difference 0.1250, equalised odds difference –. Not tested, with fewer than 200 rows: x.",
        "Column 'visit' is like an id.",
        "500 test rows, 5 repeats",
        "2025-01-01T00:00:00+00:00 to 2026-01-01T00:00:00+00:00",
        "47,655 rows",
        "sklearn.tree.DecisionTreeClassifier",
        "max_depth",
        "0.3700",
        "19f9fb6",
        "3.2 ms",
        "12.3 µs",
        "1.50 MB",
        "window 41",
        "drift",
        "perennial reproduce shop 7",
        "perennial rollback shop",
    ):
        assert " ".join(said.split()) in page.text, said
    assert page.attributes["href"] == ["https://example.com/r?a=1&b=2"]


@pytest.mark.parametrize("kind", ["html", "markdown"])
def test_what_came_with_declaration_and_data_is_shown_as_text(kind: str) -> None:
    metrics = {"roc_auc": Interval(value=0.9)}
    group = GroupRates(value=EVIL, rows=1, selection_rate=None, true_positive_rate=None, false_positive_rate=None)
    fairness = Fairness(
        column=EVIL, outcome=EVIL, groups=(group,), demographic_parity_difference=None, equalised_odds_difference=None, note=EVIL
    )
    told = facts(
        description=EVIL,
        owner=EVIL,
        target=EVIL,
        positive=EVIL,
        assessment=assessment(
            slices=(Slice(column=EVIL, value=EVIL, rows=1, metrics=metrics),),
            fairness=(fairness,),
            suspicions=(Suspicion(kind="like_an_id", column=EVIL, value=1.0, sentence=EVIL),),
            importance=Importance(metric="roc_auc", rows=1, repeats=1, columns=(ColumnImportance(column=EVIL, mean=0.1, deviation=0.0),)),
        ),
        gate=GateFacts(wins=False, sentence=EVIL, checks=(Check(name=EVIL, outcome="failed", sentence=EVIL),)),
        training=facts().training.model_copy(update={"params": {EVIL: EVIL}, "commit": EVIL}),
        origins=(Origin(name=EVIL, text=EVIL, url="https://example.com/"),),
    )
    page, harmless = pages(told)[kind], pages(facts())[kind]
    assert page.text.count(SHOWN) >= 20
    assert not {"script", "code"} & ({*page.tags} - {*harmless.tags})
    assert "script" not in page.tags
    assert page.tags.count("img") == harmless.tags.count("img")
    assert page.tags.count("h1") == harmless.tags.count("h1") == 1
    assert not [name for name in page.attributes if name.startswith("on")]
    assert page.attributes["href"] == ["https://example.com/"]


@pytest.mark.parametrize("kind", ["html", "markdown"])
@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "https://a b",
        "https://x/)[y](javascript:z",
        'https://x/"onclick="y',
    ],
)
def test_only_web_addresses_become_links(kind: str, url: str) -> None:
    page = pages(facts(origins=(Origin(name="report", text="window", url=url),)))[kind]
    assert "href" not in page.attributes
    assert f"window ({url})" in page.text


def test_the_page_asks_nobody_for_anything_and_carries_its_figures() -> None:
    page = Page(card.html(facts(), {"roc": PIXEL, "importance": PIXEL, "unknown": PIXEL}))
    assert page.attributes["src"] == ["data:image/png;base64,iVBORw0KGgo="] * 2
    assert not {"link", "script", "iframe", "object"} & {*page.tags}
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page.attributes["content"]
    assert "width=device-width, initial-scale=1" in page.attributes["content"]
    assert not re.search(r"@import|url\(", card.html(facts()))


@pytest.mark.parametrize("kind", ["html", "markdown"])
def test_what_is_not_known_is_said_too(kind: str) -> None:
    nothing = assessment(
        measured=Measured(rows=0, drawn="rows", units=0, drawn_rows=0, resamples=100, confidence=0.9, metrics={}),
        slices=(),
        fairness=(),
        suspicions=(),
        latency=None,
        importance=Importance(metric="roc_auc", rows=0, repeats=0, columns=(), note="Not measured: no rows."),
    )
    told = facts(description=" ", assessment=nothing, champion=None, champion_version=None, size_mb=None, origins=())
    page = pages(told)[kind]
    for said in (
        "does not describe an intended use",
        "The declaration names no slices",
        "no sensitive columns",
        "Nothing looks like leakage.",
        "Not measured: no rows.",
    ):
        assert said in page.text


def test_markdown_tables_have_as_many_cells_in_each_row() -> None:
    tables = re.findall(r"(?:^\|.*\|\n)+", card.markdown(facts()), flags=re.MULTILINE)
    assert len(tables) >= 8
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


@pytest.mark.parametrize("kind", ["html", "markdown"])
def test_a_champion_that_knew_some_test_rows_stands_beside_this_version_on_the_others_only(kind: str) -> None:
    both = Compared(rows=1_409, challenger={"roc_auc": 0.91}, champion={"roc_auc": 0.87}, baseline={"roc_auc": 0.5})
    text = pages(facts(champion=None, compared=both))[kind].text
    first, second = text.split("Compared on 1,409 of these rows, from which neither version had learnt:")
    assert "champion, version 6" not in first
    cells = "".join(second.split())
    assert cells.startswith("metricthisversionchampion,version6baselineroc_auc(decides)0.91000.87000.5000")


def test_slices_that_are_all_untested_fill_their_rows() -> None:
    told = facts(assessment=assessment(slices=(Slice(column="city", value="Oslo", rows=12, metrics=None),)))
    assert "| city | Oslo | 12 | not tested |" in card.markdown(told)


def test_a_card_comes_back_from_json() -> None:
    assert CardFacts.model_validate_json(facts().model_dump_json()) == facts()
