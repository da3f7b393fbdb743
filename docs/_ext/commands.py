"""The command reference: `{commands}` writes what the command line says of itself."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from docutils import nodes
from docutils.parsers.rst import Directive

from harness.cli.app import app as harness

#: What an option takes, by the type of its parameter.
_TAKES = {str: "TEXT", int: "INTEGER", float: "NUMBER", Path: "PATH"}


class Commands(Directive):
    """A section for every command."""

    def run(self) -> list[nodes.Node]:
        """Called by docutils."""
        return [section(name, command) for name, command in commands()]


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its whole name, those of groups too."""
    yield from _below("harness", typer.main.get_command(harness))


def _below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "commands"):
        for each, inner in command.commands.items():
            yield from _below(f"{name} {each}", inner)
    else:
        yield name, command


def section(name: str, command: Any) -> nodes.section:
    """What a command does, how it is called, and its options."""
    types = typing.get_type_hints(command.callback)
    given = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and not p.hidden]
    usage = " ".join([name, *map(_argument, given), *(["[OPTIONS]"] if options else [])])
    items = [_item([nodes.literal("", p.name.upper())], p) for p in given]
    items += [_item(_option(p, types[p.name]), p) for p in options]
    return nodes.section(
        "",
        nodes.title("", "", nodes.literal("", name)),
        *(_paragraph(text) for text in (command.help or "").split("\n\n")),
        nodes.literal_block(usage, usage, language="text"),
        *([nodes.definition_list("", *items, classes=["options"])] if items else []),
        ids=[nodes.make_id(name)],
        names=[name],
    )


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
    """The types that an annotation is made of."""
    return {annotation}.union(*map(_plain, typing.get_args(annotation)))


def _item(names: list[nodes.Node], parameter: Any) -> nodes.definition_list_item:
    text = _paragraph(parameter.help or "")
    default = parameter.default
    if not (default is None or default is False or default in ("", ())):
        text += [nodes.Text("; default: "), nodes.literal("", str(default))]
    return nodes.definition_list_item("", nodes.term("", "", *names), nodes.definition("", text))


def _paragraph(text: str) -> nodes.paragraph:
    """Text as the terminal shows it: --seed in it is an option, not a dash."""
    line = " ".join(text.split())
    return nodes.paragraph("", "", nodes.Text(line), support_smartquotes=False)


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True}
