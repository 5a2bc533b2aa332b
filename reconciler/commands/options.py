"""Options as Terraform writes them, and the ones that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from reconciler.engine.settings import KNOBS

F = TypeVar("F", bound=Callable[..., Any])
Decorator = Callable[[F], F]

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?")


class Option(click.Option):
    """An option whose help shows one dash, and of a flag only the side that one would type: so the text of a flag that
    is on by default says what its absence does."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        record = super().get_help_record(ctx)
        if record is None:
            return None
        names, text = record
        on, _, off = names.partition(" / ")
        shown = f"{on}=false" if off and self.default is True else on
        return re.sub(r"(^|, )--", r"\1-", shown), text


class Setting(Option):
    """An option that says a setting for one run."""


class Command(click.Command):
    """A command whose help lists the settings apart from its own options."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        params = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        for title, among in (("Options", False), ("Settings, else of ureg.yaml or UREG_...", True)):
            records = (param.get_help_record(ctx) for param in params if isinstance(param, Setting) is among)
            rows = [record for record in records if record]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows, col_max=34)


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
    return click.option(f"--{name}", *names, cls=Option, help=text, **more)


def flag(name: str, text: str, *names: str, default: bool = False) -> Decorator[Any]:
    return click.option(f"--{name}/--no-{name}", *names, cls=Option, default=default, help=text)


def together(*decorators: Decorator[Any]) -> Decorator[Any]:
    """Several options as one decorator, in their order in the help."""

    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


settings = together(*(click.option(f"--{knob.name}", cls=Setting, help=knob.text, metavar="VALUE") for knob in KNOBS))

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
