"""Writing a recommended policy into `model.yaml`, as a diff that a person reviews."""

import difflib
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ml import specfile
from ml.errors import CallError, ConcurrentChange, ModelOwnerError
from ml.jobs.replaying import edit
from ml.monitoring.replayed.facts import CostFacts, ReplayFacts
from ml.settings import Settings
from ml.spec import ModelSpec, Retraining, Span
from ml.spec.replay import span

OTHER_ROWS = (
    "Trainings of this model learn from all rows (training.history_rows is null), this replay's models from the last {} windows: --growing "
    "replays what would happen."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A changed declaration that is not written yet. `notes`: what it does not say by itself."""

    path: Path
    before: str
    after: str
    notes: tuple[str, ...]

    @property
    def diff(self) -> str:
        """Unified; empty where the file says it already."""
        name = "/".join(self.path.parts[-3:])
        lines = difflib.unified_diff(self.before.splitlines(), self.after.splitlines(), f"a/{name}", f"b/{name}", lineterm="")
        return "\n".join(lines)


def rules_of(path: Path, spec: ModelSpec) -> Retraining:
    """The `retraining` section of a YAML file, in place of the declared one; at the declared cost where it has none.

    Raises:
        CallError: It cannot be read, or is none.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CallError(f"--policy {path} cannot be read: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("retraining"), dict):
        raise CallError(f"--policy {path}: write a `retraining:` section, as in model.yaml")
    try:
        rules = Retraining.model_validate({"cost": spec.retraining.cost, **content["retraining"]})
        if rules.cost is not None:
            rules.cost.check(spec.metric)
    except ValidationError as error:
        first = error.errors()[0]
        raise CallError(f"--policy {path}: retraining.{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except ValueError as error:
        raise CallError(f"--policy {path}: {error}") from error
    return rules


def proposal(settings: Settings, facts: ReplayFacts) -> Proposal:
    """The declaration with the recommended policy, alone: all other causes are off, the training's own calendar too.

    Raises:
        CallError: No cost is declared, and the replay was of several.
        ModelOwnerError: The changed declaration would not be valid.
    """
    spec, path = specfile.load(settings, facts.model), specfile.spec_path(settings, facts.model)
    chosen = facts.chosen
    if spec.retraining.cost is None and len(facts.cells) > 1:
        raise CallError(
            "--apply needs to know what a retraining costs: declare retraining.cost in model.yaml, or give one cost, such as --costs 0.1"
        )
    before = _text(path)
    after = edit.changed(before, _changes(spec, chosen))
    _check(after, facts.model)
    return Proposal(path=path, before=before, after=after, notes=_notes(facts, spec))


def write(found: Proposal) -> None:
    """Writes it in one step. `ConcurrentChange` where the file is not any more as it was read."""
    if _text(found.path) != found.before:
        raise ConcurrentChange(f"{found.path} was changed meanwhile; replay again")
    part = found.path.with_name(f".{found.path.name}-{uuid.uuid4().hex}")
    part.write_text(found.after, encoding="utf-8", newline="")
    os.chmod(part, found.path.stat().st_mode)  # noqa: PTH101 - the mode of a file that exists
    part.replace(found.path)


def _text(path: Path) -> str:
    """With the ends of lines as they are."""
    return path.read_bytes().decode("utf-8")


def _changes(spec: ModelSpec, chosen: CostFacts) -> dict[tuple[str, str], Any]:
    """Only what differs from what is declared now; nothing where the history is too short to tell."""
    declared, wanted = spec.retraining, Retraining.model_validate({**spec.retraining.model_dump(mode="json"), **chosen.rules})
    found: dict[tuple[str, str], Any] = {
        ("retraining", key): value for key, value in chosen.rules.items() if getattr(wanted, key) != getattr(declared, key)
    }
    if chosen.rules and spec.training.schedule is not None:
        found["training", "schedule"] = None
    return found


def _check(text: str, model: str) -> None:
    try:
        ModelSpec.model_validate(yaml.safe_load(text))
    except (ValidationError, yaml.YAMLError) as error:
        raise ModelOwnerError(
            f"the recommended policy would make model.yaml of {model} invalid, so nothing was written: {error}"
        ) from error


def _notes(facts: ReplayFacts, spec: ModelSpec) -> tuple[str, ...]:
    size = facts.settings.get("window")
    return (
        f"A window of the replay was {size}: monitoring takes one at each look (monitoring.schedule) that has monitoring.minimum_rows "
        "rows; let both mean the same.",
        "The policy was judged alone, so the other causes and the training's own calendar are switched off; minimum_rows, cooldown and "
        "budget still hold trainings back.",
        *_shadow(facts),
        *_learnt(facts, spec),
        *([] if facts.length is None or not facts.length.better else [facts.length.better]),
    )


def _learnt(facts: ReplayFacts, spec: ModelSpec) -> tuple[str, ...]:
    """Where trainings would learn from other rows than the replay's models.

    `training.history_rows` is not proposed: it is another recipe, so the gate would ask more of the policy's trainings than was replayed.
    """
    if spec.training.history_rows is not None or facts.settings.get("growing"):
        return ()
    windows, size = int(facts.settings["history"]), span(facts.settings["window"])
    rows = f": {windows * size.count}" if isinstance(size, Span) and size.unit == "rows" else ""
    return (
        f"{OTHER_ROWS.format(windows)} `training.history_rows{rows}` would make trainings learn from about as much; a changed recipe, "
        "of which the gate asks that the first challenger be significantly better.",
    )


def _shadow(facts: ReplayFacts) -> tuple[str, ...]:
    every = (facts.chosen.vote or {}).get("shadow_windows")
    if not every:
        return ()
    when = "each" if every == 1 else f"the first of every {every}"
    return (f"The vote looks at a shadow: monitoring will fit the champion's recipe anew in {when} of its judged windows.",)
