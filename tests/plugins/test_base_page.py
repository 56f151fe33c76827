"""What every page has: a login, a strict policy, and files that browsers keep."""

import re
from html import unescape

import pytest

from ml.settings import Settings
from tests.plugins.server import Pages

pytestmark = pytest.mark.usefixtures("settings")


def policy(headers: dict[str, str]) -> dict[str, str]:
    return dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))


def test_a_page_runs_no_script_but_the_files_that_its_template_names(pages: Pages) -> None:
    page = pages.get("/perennial/models")
    assert page.status == 200
    allowed = policy(page.headers)
    assert allowed["default-src"] == "'none'"
    assert "unsafe" not in allowed["script-src"]
    nonce = re.fullmatch(r"'nonce-([\w-]{20,})'", allowed["script-src"])
    assert nonce is not None
    scripts = re.findall(r"<script[^>]*>", page.text)
    assert scripts
    assert all(f'nonce="{nonce[1]}"' in one and "src=" in one for one in scripts)
    assert nonce[1] not in pages.get("/perennial/models").text, "each answer has its own"


def test_what_a_page_loads_is_kept_until_its_content_changes(pages: Pages) -> None:
    page = pages.get("/perennial/models")
    named = [unescape(one) for one in re.findall(r'(?:href|src)="(/perennial/static/[^"]+)"', page.text)]
    assert {one.rsplit("/", 1)[1] for one in named} == {"pages.css", "pages.js", "perennial.svg"}
    for address in named:
        found = pages.get(address)
        assert found.status == 200
        assert "immutable" in found.headers["cache-control"]
        old = pages.get("/perennial/static/0123456789abcdef/" + address.rsplit("/", 1)[1])
        assert old.headers["cache-control"] == "no-cache", "an address of another version is not kept"


def test_plotly_comes_from_its_own_wheel(pages: Pages) -> None:
    found = pages.get("/perennial/static/any/plotly.min.js")
    assert found.status == 200
    assert found.text.startswith("/**\n* plotly.js v")
    assert pages.get("/perennial/static/any/plotly.min.js", accept_encoding="identity").text == found.text


@pytest.mark.parametrize("name", ["..%2fhtml.py", "base.html", "nothing.js", "%2e%2e"])
def test_no_other_file_is_served(pages: Pages, name: str) -> None:
    assert pages.get(f"/perennial/static/any/{name}").status == 404


@pytest.mark.parametrize("path", ["/perennial/reports", "/perennial/static/any/pages.css"])
def test_without_a_login_a_browser_goes_to_airflows_and_everything_else_is_refused(pages: Pages, settings: Settings, path: str) -> None:
    browser = pages.get(path, user=None, accept="text/html")
    assert browser.status == 307
    assert browser.headers["location"].endswith(f"next=http://testserver{path}".replace(":", "%3A").replace("/", "%2F"))
    assert pages.get(path, user=None, accept="*/*").status == 401
