"""The command reference: `{command-reference}` writes what the command line says of itself."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

from _ext import pages, prose
from harness.cli.app import app as harness

#: What an option takes, by the type of its parameter.
_TAKES = {str: "TEXT", int: "INTEGER", float: "NUMBER", Path: "PATH"}


class CommandReference(SphinxDirective):
    """A section for every command."""

    def run(self) -> list[nodes.Node]:
        """The nodes."""
        return [_section(self.env, name, command) for name, command in commands()]


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its whole name, those of groups too."""
    yield from _below("harness", typer.main.get_command(harness))


def _below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "commands"):
        for each, inner in command.commands.items():
            yield from _below(f"{name} {each}", inner)
    else:
        yield name, command


def _section(env: BuildEnvironment, name: str, command: Any) -> nodes.section:
    types = typing.get_type_hints(command.callback)
    given = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and not p.hidden]
    usage = " ".join([name, *map(_argument, given), *(["[OPTIONS]"] if options else [])])
    content: list[nodes.Node] = [
        *prose.docstring(command.help),
        nodes.literal_block(usage, usage, language="text"),
    ]
    if given or options:
        items = [_item([nodes.literal("", p.name.upper())], p) for p in given]
        items += [_item(_option(p, types[p.name]), p) for p in options]
        content.append(nodes.definition_list("", *items, classes=["options"]))
    return pages.section(env, name.replace(" ", "-"), name, content)


def _argument(parameter: Any) -> str:
    name = parameter.name.upper() + ("..." if parameter.nargs == -1 else "")
    return name if parameter.required else f"[{name}]"


def _option(parameter: Any, annotation: Any) -> list[nodes.Node]:
    """Its names, and what it takes: of `list[Path] | None` a path."""
    found: list[nodes.Node] = []
    for number, name in enumerate([*parameter.opts, *parameter.secondary_opts]):
        found += [nodes.Text(", ")] * bool(number)
        found.append(nodes.literal("", name))
    if not parameter.is_flag:
        takes = [kind for each, kind in _TAKES.items() if each in _plain(annotation)]
        found += [nodes.Text(" "), nodes.emphasis("", *map(nodes.Text, takes))]
    return found


def _plain(annotation: Any) -> set[Any]:
    inner = typing.get_args(annotation)
    return {annotation}.union(*map(_plain, inner))


def _item(names: list[nodes.Node], parameter: Any) -> nodes.definition_list_item:
    said = prose.paragraph(_meaning(parameter))
    return nodes.definition_list_item("", nodes.term("", "", *names), nodes.definition("", said))


def _meaning(parameter: Any) -> str:
    text = parameter.help or ""
    default = parameter.default
    if default is None or default is False or default in ("", ()):
        return text
    return f"{text}; default: `{default}`"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("command-reference", CommandReference)
    return {"parallel_read_safe": True}
