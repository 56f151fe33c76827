"""Changing single keys of a YAML text: comments, order and quotes of all else stay as they are."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from ml.errors import ModelOwnerError

_WIDTH = 120


def changed(text: str, changes: Mapping[tuple[str, str], Any]) -> str:
    """The text with new values of `(section, key)`; sections and keys that are not there are added at the end.

    Args:
        text: A mapping of mappings, as block style writes it.
        changes: By section and key: JSON-able values.

    Raises:
        ModelOwnerError: The text is no such mapping.
    """
    ending = "\r\n" if 0 < text.count("\r\n") == text.count("\n") else "\n"
    found = text.replace(ending, "\n")
    for (section, key), value in changes.items():
        found = _changed(found, section, key, value)
    return found.replace("\n", ending) if changes else text


def _changed(text: str, section: str, key: str, value: Any) -> str:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ModelOwnerError(f"the file cannot be changed by a program ({error}); change it by hand") from error
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        raise ModelOwnerError("the file is not written as keys, one a line, and cannot be changed by a program; change it by hand")
    named = _entry(root, section)
    if named is None:
        ends = text if text.endswith("\n") else text + "\n"
        return f"{ends}\n{section}:\n{_lines(key, value, indent=2)}"
    head, body = named
    if not isinstance(body, yaml.MappingNode) or body.flow_style:
        return _rewritten(text, head, body, section, {key: value})
    indent = body.value[0][0].start_mark.column
    found = _entry(body, key)
    if found is None:
        end = _line_end(text, _last(body))
        return text[:end] + "\n" + _lines(key, value, indent=indent).rstrip("\n") + text[end:]
    name, old = found
    if _is_plain(value) and (isinstance(old, yaml.ScalarNode) or getattr(old, "flow_style", False)):
        start, end = (old.start_mark.index, _last(old)) if _holds(old) else (name.end_mark.index + 1, name.end_mark.index + 1)
        return text[:start] + ("" if _holds(old) else " ") + _dumped(value) + text[end:]
    start, end = name.start_mark.index, max(_last(old), name.end_mark.index + 1)
    return text[:start] + _lines(key, value, indent=indent).strip() + text[end:]


def _rewritten(text: str, head: yaml.Node, body: yaml.Node, section: str, changes: Mapping[str, Any]) -> str:
    """A section that is empty or stands in braces becomes one with a key a line; a comment behind it stays."""
    content = yaml.safe_load(text)[section] or {}
    lines = "".join(_lines(key, value, indent=2) for key, value in {**content, **changes}.items())
    last = max(_last(body), head.end_mark.index + 1)
    end = _line_end(text, last)
    return text[: head.end_mark.index + 1] + text[last:end].rstrip() + "\n" + lines.rstrip("\n") + text[end:]


def _entry(node: yaml.MappingNode, key: str) -> tuple[yaml.Node, yaml.Node] | None:
    return next(((name, value) for name, value in node.value if name.value == key), None)


def _holds(node: yaml.Node) -> bool:
    """Whether anything stands there at all."""
    return _last(node) > node.start_mark.index


def _last(node: yaml.Node) -> int:
    """Where the last of its content ends: a block's own end mark lies behind comments and blank lines that follow it."""
    return max((leaf.end_mark.index for leaf in _leaves(node)), default=node.start_mark.index)


def _leaves(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.ScalarNode) or getattr(node, "flow_style", False):
        yield node
        return
    for child in node.value:
        for part in child if isinstance(child, tuple) else (child,):
            yield from _leaves(part)


def _line_end(text: str, place: int) -> int:
    found = text.find("\n", place)
    return len(text) if found < 0 else found


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _lines(key: str, value: Any, *, indent: int) -> str:
    """The key with its value, each line indented; a list's items stand on a line each."""
    pad = " " * indent
    if _is_plain(value):
        return f"{pad}{key}: {_dumped(value)}\n"
    dumped = yaml.dump(value, Dumper=_Indented, default_flow_style=None, sort_keys=False, allow_unicode=True, width=_WIDTH)
    if dumped.startswith(("{", "[")):  # a mapping or list of plain values
        return f"{pad}{key}: {' '.join(dumped.split())}\n"
    return f"{pad}{key}:\n" + "".join(f"{pad}  {line}\n" for line in dumped.splitlines())


def _dumped(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, allow_unicode=True).removesuffix("\n...\n").strip()


class _Indented(yaml.SafeDumper):
    """Indents the items of a list below their key, as the scaffold does."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - the library's signature
        super().increase_indent(flow, False)
