"""Groups of commands: one that imports them when they are asked for, one that lists when nothing else is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from redisjobs.errors import did_you_mean


class Group(click.Group):
    """A group that tells which command may have been meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first argument names."""
        name = args[0]
        if name not in self.list_commands(ctx) and not name.startswith("-"):
            there_are = f"; there are: {', '.join(self.list_commands(ctx))}"
            ctx.fail(f"no command is called {name!r}{did_you_mean(name, self.list_commands(ctx), there_are)}")
        return super().resolve_command(ctx, args)


class LazyGroup(Group):
    """Imports a command's module when the command is asked for.

    `lazily`: by name, where the command is (`module:attribute`) and its line in the help, which imports none.
    """

    def __init__(self, *args: Any, lazily: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazily = lazily

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order to show them."""
        return list(self._lazily)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; None if there is none of this name."""
        if cmd_name not in self._lazily:
            return None
        module, _, attribute = self._lazily[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the lines of all commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self._lazily.items()])


class ListGroup(Group):
    """A group that runs its command `ls`, with all that follows, unless another one is named."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("invoke_without_command", True)
        kwargs.setdefault("context_settings", {})["ignore_unknown_options"] = True
        kwargs.setdefault("subcommand_metavar", "[COMMAND] [ARGS]...")
        super().__init__(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order they were added."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first argument names; an option is one of `ls`."""
        return super().resolve_command(ctx, ["ls", *args] if args[0].startswith("-") else args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the group, then the command."""
        result = super().invoke(ctx)
        if ctx.invoked_subcommand is None:
            listing = self.commands["ls"]
            with listing.make_context("ls", [], parent=ctx) as inner:
                return listing.invoke(inner)
        return result
