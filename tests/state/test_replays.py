"""What replays found is kept, the newest counts, and old ones go."""

from datetime import UTC, datetime

from ml.state import State, replays, specs
from ml.state.forget import forget
from tests.state.made import declared

AT = datetime(2026, 1, 1, tzinfo=UTC)
SPEC = declared(model="shop")


def test_the_newest_replay_counts_and_only_some_are_kept(state: State) -> None:
    assert replays.newest(state, "shop") is None
    key = specs.remember(state, SPEC, at=AT)
    for number in range(replays.KEPT + 3):
        kept = replays.keep(state, model="shop", at=AT, spec_hash=key, result={"html": None, "number": number})
    found = replays.newest(state, "shop")
    assert found == kept == replays.numbered(state, "shop", kept.number)
    assert replays.numbered(state, "shop", 1) is None
    assert (replays.exists(state, "shop"), replays.exists(state, "other")) == (True, False)
    assert found.result["number"] == replays.KEPT + 2
    replays.shown_at(state, found.number, html="page.html")
    shown = replays.newest(state, "shop")
    assert shown is not None
    assert shown.result == {"html": "page.html", "number": replays.KEPT + 2}
    with state.begin() as connection:
        count = connection.exec_driver_sql("SELECT count(*) FROM replays").scalar_one()
    assert count == replays.KEPT
    forget(state, "shop")
    assert replays.newest(state, "shop") is None
