"""A real Chromium that is logged in to the running Airflow, and what it has complained of."""

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Frame, Page

from demo.installation import Installation

# Chromium says so of each frame of Airflow's own for a plugin.
KNOWN = "An iframe which has both allow-scripts and allow-same-origin"


@dataclass
class Watched:
    """A context of the browser, and what went wrong in any of its pages."""

    context: BrowserContext
    url: str
    complaints: list[str] = field(default_factory=list)

    def page(self, **options: Any) -> Page:
        """A new tab whose errors, dialogs, and requests to any other machine are written down."""
        page = self.context.new_page()
        host = urlsplit(self.url).netloc
        page.on("console", lambda said: self._note(said.type in {"error", "warning"} and KNOWN not in said.text, said.text))
        page.on("pageerror", lambda error: self._note(True, str(error)))
        page.on("dialog", lambda dialog: (self._note(True, f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda one: self._note(urlsplit(one.url).netloc not in {host, ""}, f"request to {one.url}"))
        return page

    def _note(self, is_wrong: bool, text: str) -> None:
        if is_wrong:
            self.complaints.append(text)


def logged_in(browser: Browser, installation: Installation, **options: Any) -> Watched:
    """A context in which a person has logged in through Airflow's own form."""
    watched = Watched(browser.new_context(**options), installation.addresses.airflow)
    page = watched.page()
    page.goto(watched.url)
    page.get_by_label("Username").fill(installation.addresses.user)
    page.locator("input[type=password]").fill(installation.addresses.password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Dags").first.wait_for(timeout=60_000)
    page.close()
    watched.complaints.clear()  # of Airflow's own pages
    return watched


def serious(frame: Page | Frame) -> list[str]:
    """What axe-core finds serious or critical on a page."""
    spec = find_spec("axe_playwright_python")
    if spec is None or spec.origin is None:
        pytest.fail("the package axe-playwright-python is missing, which brings axe-core: `make test` installs it")
    frame.evaluate(Path(spec.origin).with_name("axe.min.js").read_text(encoding="utf-8"))
    found = frame.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
    return [
        f"{one['id']} ({one['impact']}): {[node['target'] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in {"serious", "critical"}
    ]
