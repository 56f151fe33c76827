import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from ml.settings import Settings
from ml.validation import checks, docs
from ml.validation.suites import Suite

EVIL = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)> https://evil.example/x"
SUITE = Suite(
    "loans",
    {
        "name": "loans",
        "expectations": [
            {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "kind", "value_set": ["a", "<b>b</b>"]}},
            {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "kind", "regex": "(?<!x)a$"}, "severity": "warning"},
            {"type": "expect_column_distinct_values_to_be_in_set", "kwargs": {"column": "kind", "value_set": ["a"]}},
            {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "kind", "min_value": 0}},
            {
                "type": "expect_column_kl_divergence_to_be_less_than",
                "kwargs": {"column": "kind", "partition_object": {"values": ["a", "b"], "weights": [0.5, 0.5]}, "threshold": 0.1},
            },
            {"type": "expect_column_pair_values_to_be_equal", "kwargs": {"column_A": "kind", "column_B": "age"}},
            {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}, "meta": {"notes": "<i>why</i>"}},
            {"type": "expect_column_median_to_be_between", "kwargs": {"column": "age", "min_value": 5, "max_value": 6}},
        ],
        "meta": {},
    },
)


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def verdict() -> checks.Verdict:
    frame = pd.DataFrame({"kind": ["a", EVIL], "age": [1.0, 2.0]})
    return checks.validate(frame, suite=SUITE, batch="ab" * 16, source=f"in/{EVIL}.csv")


def written(settings: Settings, verdict: checks.Verdict, batch: str = "ab" * 16) -> Path:
    return Path(docs.write(settings, model="loans", batch=batch, verdict=verdict, suite=SUITE))


def test_the_page_lies_below_the_home_and_says_what_failed(settings: Settings, verdict: checks.Verdict) -> None:
    path = written(settings, verdict)
    assert path == settings.home / "data_docs" / "loans" / f"{'ab' * 16}.html"
    page = Page(path.read_text())
    assert "median is 1.5, expected between 5 and 6" in page.text
    assert "values must belong to this set" in " ".join(page.text.split())


def test_values_of_the_data_are_shown_as_text(settings: Settings, verdict: checks.Verdict) -> None:
    path = written(settings, verdict)
    for text in (path.read_text(), path.with_name("index.html").read_text()):
        page = Page(text)
        assert not {"script", "img", "b", "i onclick"} & {tag for tag, _ in page.tags}
        assert not [attributes for _, attributes in page.tags if any(name.startswith("on") for name in attributes)]
        assert EVIL in page.text


def test_the_page_asks_for_nothing_outside_itself(settings: Settings, verdict: checks.Verdict) -> None:
    path = written(settings, verdict)
    for file in (path, path.with_name("index.html")):
        text = file.read_text().replace("https://evil.example/x", "")
        assert "http:" not in text
        assert "https:" not in text
        assert not re.search(r"url\(|@import", text)
        page = Page(text)
        assert not [tag for tag, _ in page.tags if tag in {"script", "link", "iframe", "img", "object"}]
        links = [str(attributes["href"]) for _, attributes in page.tags if "href" in attributes]
        assert all(link == "index.html" or link.startswith("#") or (path.parent / link).is_file() for link in links)


def test_a_delivery_that_could_not_be_read_has_a_page_too(settings: Settings) -> None:
    refused = checks.Verdict(passed=False, reasons=["the file is <empty>"], failures=pd.DataFrame(), failing_rows=0, result={})
    assert "the file is <empty>" in Page(written(settings, refused).read_text()).text


def test_writing_twice_gives_the_same_page_and_one_line_in_the_index(settings: Settings, verdict: checks.Verdict) -> None:
    path = written(settings, verdict)
    before = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "", path.read_text())
    assert re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "", written(settings, verdict).read_text()) == before
    written(settings, verdict, "cd" * 16)
    index = path.with_name("index.html").read_text()
    assert index.count(f'href="{"ab" * 16}.html"') == 1
    assert index.count(f'href="{"cd" * 16}.html"') == 1
    assert sorted(one.suffix for one in path.parent.iterdir()) == [".html"] * 3
