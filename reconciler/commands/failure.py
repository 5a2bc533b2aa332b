"""What a user sees of a command line that is wrong, and of a machine that does not play along: one finding, like any
other."""

from __future__ import annotations

import re
import sys

import click

from reconciler.commands.view import make_view
from reconciler.model.diagnostics import Diagnostic

_NEGATIVE = re.compile(r"(?<![\w-])--no-([a-z][\w-]*)")
_OPTION = re.compile(r"(?<![\w-])--(?=[a-z])", re.IGNORECASE)


def show(error: click.ClickException | OSError) -> None:
    """Says on standard error what went wrong."""
    found = _usage(error) if isinstance(error, click.ClickException) else _machine(error)
    make_view(json=False, color=sys.stderr.isatty()).report((found,))


def _usage(error: click.ClickException) -> Diagnostic:
    text = " ".join(error.format_message().split()).removesuffix(".")
    text = text.replace("does not take a value", "takes no value but true and false")
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context else "ureg"
    return Diagnostic("usage", _as_typed(text), hint=f"`{command} -help` tells more.")


def _machine(error: OSError) -> Diagnostic:
    place = f": {error.filename}" if error.filename else ""
    return Diagnostic("machine", f"{error.strerror or error}{place}")


def _as_typed(text: str) -> str:
    """`text` with its options as our help shows them: with one dash, and `-lock=false` for `--no-lock`."""
    return _OPTION.sub("-", _NEGATIVE.sub(r"-\1=false", text))
