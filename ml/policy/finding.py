"""What one rule says."""

from dataclasses import dataclass
from typing import Any, Literal

Role = Literal["asks", "holds_back", "mode"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule says about a window.

    Args:
        rule: Its name, which stays: for machines.
        role: Whether it asks for a training, or holds one back; `mode` does neither: it says what a yes leads to.
        fired: Whether it asks, or holds back, here.
        sentence: Why, or why not, with the numbers.
        declared: Whether `retraining` has the rule switched on.
        worth_saying: Whether the sentence stands among the reasons; else it stands with the rules only.
    """

    rule: str
    role: Role
    fired: bool
    sentence: str
    declared: bool = True
    worth_saying: bool = True

    def to_json(self) -> dict[str, Any]:
        """As the ledger keeps it: `fired` is None for a rule that is not declared."""
        return {"rule": self.rule, "role": self.role, "fired": self.fired if self.declared else None, "reason": self.sentence}


def undeclared(rule: str, role: Role, key: str, subject: str) -> Finding:
    """What a rule says that is not switched on."""
    verb = "asks for" if role == "asks" else "holds back"
    return Finding(rule, role, False, f"retraining.{key} is null: {subject} {verb} nothing", declared=False, worth_saying=False)
