"""Reading `model.yaml`: the declaration, or every fault in it with file, line, key and cure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ml.errors import SpecError, UnknownModel
from ml.settings import Settings
from ml.spec import ModelSpec

FILE_NAME = "model.yaml"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a declaration. `line` counts from 1."""

    file: str
    line: int
    key: str
    problem: str
    cure: str

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        return f"{self.file}:{self.line}: {key}{self.problem}. {self.cure}"


def model_names(settings: Settings) -> list[str]:
    """The names of the declared models, sorted: folders of `dags/` with a `model.yaml`."""
    return sorted(path.parent.name for path in settings.dags.glob(f"*/{FILE_NAME}"))


def spec_path(settings: Settings, model: str) -> Path:
    """Where the model is declared; `UnknownModel` with the near names if it is not."""
    path = settings.dags / model / FILE_NAME
    if "/" in model or "\\" in model or not path.is_file():
        known = ", ".join(model_names(settings)) or "none"
        raise UnknownModel(
            f"no model {model!r}: {path} does not exist. Declared models: {known}. "
            f"`perennial new {model} --from FILE --target COLUMN` makes one."
        )
    return path


def load(settings: Settings, model: str) -> ModelSpec:
    """The declaration of a model; `SpecError` lists every fault."""
    return read(spec_path(settings, model))


def read(path: Path) -> ModelSpec:
    """The declaration in a file; `SpecError` lists every fault."""
    spec, faults = inspect(path)
    if spec is None:
        raise SpecError("\n".join(str(fault) for fault in faults))
    return spec


def inspect(path: Path) -> tuple[ModelSpec | None, list[Fault]]:
    """The declaration in a file, or None and every fault that was found."""
    name = _shown(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return None, [Fault(name, 1, "", f"cannot be read: {error}", "Make it a readable UTF-8 file")]
    try:
        root, content = _parsed(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        return None, [Fault(name, line, "", f"not valid YAML: {error.problem or error}", "Check the indentation and quotes near this line")]
    except (yaml.YAMLError, ValueError) as error:
        return None, [Fault(name, 1, "", f"not valid YAML: {error}", "Save it as plain UTF-8 text")]
    if not isinstance(content, dict) or not isinstance(root, yaml.MappingNode):
        return None, [Fault(name, 1, "", "does not hold keys and values", "Start with `model:`; `perennial new` writes an example")]
    faults = [
        Fault(name, line, key, f"the key {key!r} stands twice, and the first one is lost", "Keep one of them")
        for line, key in _doubled(root)
    ]
    try:
        spec = ModelSpec.model_validate(content)
    except ValidationError as error:
        return None, faults + [_fault(name, root, detail) for detail in _causes(error.errors())]
    if spec.model != path.parent.name:
        cure = f"Write `model: {path.parent.name}`, or rename the folder"
        faults.append(
            Fault(name, _line(root, ("model",)), "model", f"{spec.model!r} is not the name of its folder, {path.parent.name!r}", cure)
        )
    return (None if faults else spec), faults


def _parsed(text: str) -> tuple[yaml.Node | None, Any]:
    """The tree of a text and what it says. Read by libyaml where PyYAML has it; a fault is told in the words of PyYAML's own parser."""
    try:
        return _with(getattr(yaml, "CSafeLoader", yaml.SafeLoader), text)
    except (yaml.YAMLError, ValueError):
        return _with(yaml.SafeLoader, text)


def _with(kind: Any, text: str) -> tuple[yaml.Node | None, Any]:
    loader = kind(text)
    try:
        root = loader.get_single_node()
        return root, None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()


def line_of(path: Path, *loc: int | str) -> int:
    """The line, counted from 1, of a key in a file that is valid YAML."""
    root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    return _line(root, loc) if isinstance(root, yaml.MappingNode) else 1


def _shown(path: Path) -> str:
    """`dags/<model>/model.yaml`: the same wherever the project lies."""
    return "/".join(path.parts[-3:])


def _causes(details: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Without those that only follow from others: pydantic also calls a list too short when its parts are wrong."""
    places = [detail["loc"] for detail in details]
    return [
        detail
        for detail in details
        if detail["type"] != "too_short"
        or not any(len(loc) > len(detail["loc"]) and loc[: len(detail["loc"])] == detail["loc"] for loc in places)
    ]


def _fault(file: str, root: yaml.MappingNode, detail: ErrorDetails) -> Fault:
    loc = tuple(part for part in detail["loc"] if part not in {"files", "sql", "int", "float", "choice"} or _has(root, detail["loc"], part))
    problem, cure = _words(detail)
    key = ".".join(str(part) for part in loc)
    if detail["type"] == "value_error" and not loc and ":" in problem:
        key, problem = (part.strip() for part in problem.split(":", 1))
        loc = tuple(key.split("."))
        problem, _, rest = problem.partition(";")
        rest = rest.strip()
        cure = rest[:1].upper() + rest[1:] or cure
    return Fault(file, _line(root, loc), key, problem, cure)


def _has(root: yaml.Node, loc: tuple[int | str, ...], part: int | str) -> bool:
    """Whether the file itself has this key: pydantic adds the name of a union's branch to the location."""
    node: yaml.Node | None = root
    for step in loc[: loc.index(part)]:
        node = _child(node, step) or node
    return _child(node, part) is not None


def _words(detail: ErrorDetails) -> tuple[str, str]:
    context: Mapping[str, Any] = detail.get("ctx") or {}
    match detail["type"]:
        case "missing":
            return "is missing", "Add it"
        case "extra_forbidden":
            return "is not a known key", "Check its spelling, or take it out; docs/model.schema.json lists the keys"
        case "literal_error" | "enum":
            return f"{detail['input']!r} is not allowed", f"Write one of {context['expected']}"
        case "string_pattern_mismatch":
            return f"{detail['input']!r} has a wrong form", f"It must match {context['pattern']}"
        case "union_tag_not_found" | "union_tag_invalid":
            return "needs a known `kind`", f"Write `kind:` with one of {context.get('expected_tags', 'files, sql, int, float, choice')}"
        case "value_error":
            return str(context.get("error", detail["msg"])), "Correct it"
        case _:
            return f"{_bounded(detail['input'])} is wrong: {detail['msg'][:1].lower()}{detail['msg'][1:]}", "Correct the value"


def _bounded(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _child(node: yaml.Node | None, step: int | str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if str(key.value) == str(step)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        child: yaml.Node = node.value[step]
        return child
    return None


def _line(root: yaml.MappingNode, loc: tuple[int | str, ...]) -> int:
    """The line of the last key of `loc` that the file has, counted from 1."""
    node: yaml.Node = root
    line = root.start_mark.line + 1
    for step in loc:
        if isinstance(node, yaml.MappingNode):
            line = next((key.start_mark.line + 1 for key, _ in node.value if str(key.value) == str(step)), line)
        child = _child(node, step)
        if child is None:
            break
        if isinstance(node, yaml.SequenceNode):
            line = child.start_mark.line + 1
        node = child
    return line


def _doubled(node: yaml.Node) -> Iterator[tuple[int, str]]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield key.start_mark.line + 1, str(key.value)
            seen.add(key.value)
            yield from _doubled(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _doubled(value)
