"""Options as Terraform writes them, and the ones that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reconciler.engine.settings import KNOBS

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])
Decorator = Callable[[F], F]

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?")


class Setting(click.Option):
    """An option that says a setting for one run."""


class Command(click.Command):
    """A command whose help shows one dash, and lists the settings apart from the command's own options."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        for title, among in (("Options", False), ("Settings, else of UREG_... or ureg.yaml, else [the default]", True)):
            rows = [_row(option, ctx) for option in options if isinstance(option, Setting) is among]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows, col_max=min(34, formatter.width // 2))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Options as the help shows them: with one dash, and of a flag the side that one would type."""
        if not incomplete.startswith("-") or incomplete.startswith("--"):
            return super().shell_complete(ctx, incomplete)
        from click.shell_completion import CompletionItem

        rows = [_row(param, ctx) for param in self.get_params(ctx) if isinstance(param, click.Option)]
        shown = [(name.partition(" ")[0], text) for names, text in rows for name in names.split(", ")]
        return [CompletionItem(name, help=text) for name, text in shown if name.startswith(incomplete)]


class Group(Command, click.Group):
    """A group of commands, with the same help."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


def _row(option: click.Option, ctx: click.Context) -> tuple[str, str]:
    """An option in a help. Of a flag it shows only the side that one would type: so the text of a flag that is on by
    default says what its absence does."""
    names, text = option.get_help_record(ctx) or ("", "")
    on, _, off = names.partition(" / ")
    shown = f"{on}=false" if off and option.default is True else on
    return re.sub(r"(^|, )--", r"\1-", shown), text


class Duration(click.ParamType[float]):
    """Seconds, written as Go does: `30s`, `5m`, `1h30m`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        match = _DURATION.fullmatch(str(value))
        if not match or not value:
            self.fail(f"{value!r} is not a duration (like 30s, 5m or 1h30m)", param, ctx)
        hours, minutes, seconds, milliseconds = (float(part or 0) for part in match.groups())
        return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000


def option(name: str, text: str, *names: str, **more: Any) -> Decorator[Any]:
    return click.option(f"--{name}", *names, help=text, **more)


def flag(name: str, text: str, *names: str, default: bool = False) -> Decorator[Any]:
    return click.option(f"--{name}/--no-{name}", *names, default=default, help=text)


def together(*decorators: Decorator[Any]) -> Decorator[Any]:
    """Several options as one decorator, in their order in the help."""

    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


settings = together(
    *(click.option(f"--{k.name}", cls=Setting, help=f"{k.text} [{k.default}]", metavar="VALUE") for k in KNOBS)
)

output = together(
    flag("compact-warnings", "Show warnings as one line each."),
    flag("no-color", "Write no colours."),
)

locking = together(
    flag("lock", "Do not hold the lock of the state.", default=True),
    option("lock-timeout", "How long to wait for the lock.", type=Duration(), default="0s", metavar="DURATION"),
)

planning = together(
    flag("json", "Write machine-readable messages, one object a line."),
    option("target", "Plan only this component and what it depends on. Repeatable.", multiple=True, metavar="ADDRESS"),
    option("exclude", "Leave out this component and what depends on it. Repeatable.", multiple=True, metavar="ADDRESS"),
    option("replace", "Destroy and create this component anew. Repeatable.", multiple=True, metavar="ADDRESS"),
    flag("destroy", "Plan to remove everything that is recorded."),
    flag("refresh-only", "Only bring the record in line with what is really there."),
    flag("refresh", "Do not look at what is really there first.", default=True),
)
