"""The script that sends what a person does: what it tells of an answer is what Airflow has said."""

import json
from pathlib import Path

import pytest
from perennial_airflow import pages as package
from playwright.sync_api import Route

from tests.chromium import chromium

SCRIPT = Path(package.__file__).parent / "static" / "acts.js"
PAGE = """<form data-act="/hitlDetails" data-kind="answer"><button name="answer" value="Approve">Yes</button><span data-said></span></form>
<script src="/acts.js"></script>"""


@pytest.mark.parametrize(
    ("status", "told", "said"),
    [
        (500, {}, "Airflow answered with status 500. Whether the answer was taken, the page shows when it is loaded again."),
        (401, {}, "Your login has ended: log in to Airflow again, then repeat it. Whether the answer was taken"),
        (200, {"response_received": True, "chosen_options": ["Reject"]}, "Answered: no. The run goes on."),
    ],
)
def test_an_answer_is_told_only_as_airflow_has_kept_it(status: int, told: dict[str, object], said: str) -> None:
    def answered(route: Route) -> None:
        if route.request.method == "PATCH":
            route.fulfill(status=409, json={})
        elif route.request.url.endswith("/hitlDetails"):
            route.fulfill(status=status, body=json.dumps(told), content_type="application/json")
        elif route.request.url.endswith("/acts.js"):
            route.fulfill(path=SCRIPT, content_type="text/javascript")
        else:
            route.fulfill(body=PAGE, content_type="text/html")

    with chromium() as browser:
        page = browser.new_page()
        page.add_init_script("const later = window.setTimeout; window.setTimeout = (done) => later(done, 1);")
        page.route("**/*", answered)
        page.goto("http://airflow.test/")
        page.get_by_role("button").click()
        page.wait_for_function("!/Working|^$/.test(document.querySelector('[data-said]').textContent)")
        assert (page.locator("[data-said]").text_content() or "").startswith(said)
