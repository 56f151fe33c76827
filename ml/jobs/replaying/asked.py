"""How a replay is asked for: the declaration's `replay`, with the command's options above it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ml.errors import CallError
from ml.spec import ModelSpec, Replay


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """As the command takes them; None: as declared.

    Args:
        window: How the history is cut, such as `336rows`.
        history: Windows that a model learns from.
        growing: It learns from all before it.
        lengths: Other lengths to compare with, such as `4` or `growing`.
        costs: Of a retraining.
        shadow: Which share of them a fit costs.
        tune_share: The share of the windows that policies are chosen on.
        label_delay: How late labels come, such as `2d`.
        sample: The share of each window's rows.
        policy: A YAML file with a `retraining` section, to be played beside the declared one.
    """

    window: str | None = None
    history: int | None = None
    growing: bool | None = None
    lengths: Sequence[int | str] | None = None
    costs: Sequence[float] | None = None
    shadow: float | None = None
    tune_share: float | None = None
    label_delay: str | None = None
    sample: float | None = None
    policy: Path | None = None

    def over(self, spec: ModelSpec) -> Replay:
        """The declared replay with these options.

        Raises:
            CallError: An option cannot be read.
        """
        given: dict[str, Any] = {name: getattr(self, name) for name in Replay.model_fields if getattr(self, name, None) is not None}
        try:
            return Replay.model_validate(spec.replay.model_dump(mode="json") | given)
        except ValidationError as error:
            found = error.errors()[0]
            name = "--" + str(found["loc"][0] if found["loc"] else "costs").replace("_", "-")
            said = str(found.get("ctx", {}).get("error", found["msg"]))
            raise CallError(f"{name} {found['input']!r} cannot be used: {said}") from error


def numbers(text: str, *, option: str) -> list[float]:
    """Numbers that are written with commas between them; `CallError` for anything else."""
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise CallError(f"{option} {text!r}: write numbers with commas between them, such as 0.02,0.05") from error


def lengths(text: str) -> list[int | str]:
    """Lengths of history that are written with commas between them."""
    return [int(part) if part.strip().isdigit() else part.strip() for part in text.split(",") if part.strip()]
