"""The ledger under any interleaving: lost events, doubled ones, two schedulers, kills, retries, time that goes on.

Each decision that asks for a training ends in exactly one finished training, or one explained failure, or in the hands of a newer one.
"""

import subprocess
import sys
from collections import Counter
from datetime import datetime, timedelta
from itertools import count
from typing import ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from ml.settings import Settings
from ml.state import State, ledger, suggestions
from ml.state.records import Decision
from ml.state.sql import insert_once
from ml.state.tables import specs
from tests.state import made
from tests.state.test_ledger import NOW

LEASE = timedelta(hours=8)
ANSWER = timedelta(days=2)
FINAL = {"done", "failed", "superseded", "declined", "expired"}
NUMBERS = count()


class Ledger(RuleBasedStateMachine):
    """What monitor runs, training runs and people do, in any order, each of them at any time or never again: that is a kill.

    `work` is what each run believes that it works on, `until` how long its claim holds.
    """

    state: ClassVar[State]

    def __init__(self) -> None:
        super().__init__()
        self.model, self.now = f"m{next(NUMBERS)}", NOW
        self.windows = 0
        self.work: dict[str, str] = {}
        self.until: dict[str, datetime] = {}
        self.finished: Counter[str] = Counter()
        self.ended: dict[str, Decision] = {}
        with self.state.begin() as connection:
            insert_once(connection, specs, {"hash": "0" * 16, "model": "m", "text": "{}", "first_used_at": NOW})
        self.add("open")

    def decisions(self) -> dict[str, Decision]:
        return {one.id: one for one in ledger.recent_decisions(self.state, self.model, limit=99)}

    def add(self, state: str) -> Decision:
        self.now += timedelta(minutes=10)
        start = self.windows = self.windows + 1
        window = ledger.open_window(self.state, made.window(start, model=self.model, as_of=self.now))
        until = self.now + ANSWER if state == "suggested" else None
        decision = made.asked(window, state=state, decided_at=self.now, policy="p", until=until)
        assert ledger.decide(self.state, decision) == ledger.decide(self.state, decision), "a step that is run twice"
        return decision

    def run(self, index: int) -> str:
        runs = sorted(self.work)
        return runs[index % len(runs)]

    def holds(self, run: str) -> bool:
        """The first thing that each step of a run does, also of one that was taken for dead. One that has lost its decision ends."""
        if ledger.hold(self.state, self.work[run], run=run, at=self.now, lease=LEASE) is None:
            del self.work[run]
            return False
        self.until[self.work[run]] = self.now + LEASE
        return True

    @precondition(lambda self: self.windows < 4)
    @rule()
    def decide(self) -> None:
        self.add("open")

    @rule(run=st.integers(0, 4))
    def wake(self, run: int) -> None:
        """An event: the first, a doubled one, one of long ago. Any run of any scheduler may be the one that it starts, also again."""
        name = f"{self.model}-r{run}"
        before = self.decisions()
        claimed = ledger.claim(self.state, self.model, run=name, at=self.now, lease=LEASE)
        if claimed is None:
            return
        held = before[claimed.id]
        assert held.state == "open" or held.claimed_by == name or self.until[claimed.id] < self.now, "nobody living is robbed"
        self.work[name], self.until[claimed.id] = claimed.id, self.now + LEASE

    @precondition(lambda self: self.work)
    @rule(index=st.integers(0, 3))
    def go_on(self, index: int) -> None:
        run = self.run(index)
        decision, before = self.work[run], self.decisions()[self.work[run]]
        if self.holds(run):
            assert before.state == "open" or before.claimed_by == run, f"{decision} is another's"

    @precondition(lambda self: self.work)
    @rule(index=st.integers(0, 3), killed=st.booleans())
    def finish(self, index: int, killed: bool) -> None:
        """The last step. Killed after it has closed the decision, it comes again."""
        run = self.run(index)
        decision = self.work[run]
        if not self.holds(run):
            return
        if ledger.finish(self.state, run=run, outcome={"version": 1}):
            self.finished[decision] += 1
        if not killed:
            del self.work[run]

    @precondition(lambda self: self.work)
    @rule(index=st.integers(0, 3))
    def fail(self, index: int) -> None:
        run = self.run(index)
        ledger.give_back(self.state, run=run, at=self.now, error="a candidate failed")
        del self.work[run]

    @rule(hours=st.sampled_from([1, 9]))
    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule()
    def look(self) -> None:
        """What each monitor run does."""
        ledger.reconcile(self.state, self.model, at=self.now)
        suggestions.expire(self.state, self.model, at=self.now)
        ids = [one.id for one in ledger.open_decisions(self.state, self.model, at=self.now)]
        ledger.announced(self.state, ids, at=self.now)

    @precondition(lambda self: self.windows < 4)
    @rule(approved=st.booleans(), by=st.sampled_from(["ada", None]), days=st.sampled_from([0, 1, 3]))
    def suggest(self, approved: bool, by: str | None, days: int) -> None:
        """A suggestion, a question, and an answer in time, too late, or none."""
        one = self.add("suggested")
        asked = suggestions.ask(self.state, self.model, run="confirm", at=self.now)
        assert asked is not None
        assert asked.id == one.id
        self.now += timedelta(days=days)
        now = suggestions.answer(self.state, one.id, approved=approved, by=by, at=self.now)
        assert now.state == ("expired" if by is None or days > 2 else "open" if approved else "declined")

    @invariant()
    def each_run_holds_one_decision_and_what_has_ended_stays(self) -> None:
        found = self.decisions()
        holders = Counter(one.claimed_by for one in found.values() if one.state == "claimed")
        assert all(number == 1 for number in holders.values())
        for name, one in self.ended.items():
            assert found[name] == one
        for one in found.values():
            assert one.tries <= ledger.MOST_TRIES
            assert self.finished[one.id] == (one.state == "done")
            if one.state == "failed":
                assert one.outcome is not None
                assert one.tries == ledger.MOST_TRIES <= len(one.failures)
                assert {"run", "at", "error", "cure"} <= set(one.outcome)
        self.ended = {name: one for name, one in found.items() if one.state in FINAL}

    def teardown(self) -> None:
        """In the end the killers rest: workers that live pick up what is announced, and nothing may be left over."""
        for number in range(3):
            self.now += timedelta(days=3)
            self.look()
            self.wake(100 + number)
            for run in [run for run in self.work if run == f"{self.model}-r{100 + number}"]:
                assert ledger.hold(self.state, self.work[run], run=run, at=self.now, lease=LEASE) is not None
                assert ledger.finish(self.state, run=run, outcome={"version": 1})
                self.finished[self.work.pop(run)] += 1
        self.each_run_holds_one_decision_and_what_has_ended_stays()
        found = self.decisions()
        for one in found.values():
            last = one
            while last.state == "superseded":
                assert last.outcome is not None
                last = found[last.outcome["superseded_by"]]
            assert last.state in {"done", "failed", "declined", "expired"}, last
            assert self.finished[last.id] == (last.state == "done")


def test_each_decision_ends_in_one_finished_training_or_one_explained_failure(state: State) -> None:
    machine = type("OnThisDatabase", (Ledger,), {"state": state})
    few = state.engine.dialect.name == "postgresql"
    bounded = settings(
        max_examples=15 if few else 60,
        stateful_step_count=30,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=bounded)


CLAIM = """
import sys
from datetime import datetime
from ml.settings import Settings
from ml.state import State, ledger
state = State.open(Settings.from_env())
print("ready", flush=True)
sys.stdin.readline()
for number in range(40):
    claimed = ledger.claim(state, f"m{number}", run=sys.argv[1], at=datetime.fromisoformat(sys.argv[2]))
    print(number if claimed else "-", flush=True)
"""


def test_two_processes_that_claim_at_the_same_time_never_hold_the_same_decision(settings: Settings) -> None:
    state = State.open(settings)
    for number in range(40):
        ledger.decide(state, lone(f"m{number}", NOW))
    both = [
        subprocess.Popen([sys.executable, "-c", CLAIM, name, NOW.isoformat()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in ("one", "two")
    ]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    taken = [number for process in both for number in process.communicate(timeout=60)[0].split() if number != "-"]
    assert sorted(map(int, taken)) == list(range(40))


def lone(model: str, at: datetime) -> Decision:
    return made.asked(made.window(model=model), id=f"d-{model}", window=None, decided_at=at)
