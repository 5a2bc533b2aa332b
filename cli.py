"""The front door: the table of commands, each loaded only when it is called, and what becomes of their failures."""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, NamedTuple, NoReturn

import click

from reconciler.commands.options import Group


class Row(NamedTuple):
    """One command: its name, its module below `reconciler.commands`, and what it does in a few words."""

    name: str
    module: str
    summary: str


COMMANDS = (
    Row("init", "init", "Make a folder a registry"),
    Row("validate", "validate", "Check every manifest and schema"),
    Row("plan", "plan", "Show what apply would change"),
    Row("apply", "apply", "Make everything as the manifests say"),
    Row("destroy", "destroy", "Remove everything that is recorded"),
    Row("drift", "drift", "Show where git, the record and the world part"),
    Row("health", "health", "Ask how components are right now"),
    Row("logs", "logs", "Show what a component wrote"),
    Row("restart", "restart", "Restart components as they were last applied"),
    Row("watch", "watch", "Plan or apply whenever a manifest changes"),
    Row("status", "status", "Show how the registry is, and why"),
    Row("suspend", "suspend", "Tell the daemon to leave something alone"),
    Row("resume", "resume", "Let the daemon look after it again"),
    Row("wait", "wait", "Wait until the daemon has done its work"),
    Row("agent", "agent", "Carry out what is asked of a grid node"),
    Row("show", "show", "Show the state or a saved plan"),
    Row("get", "get", "List components and their states"),
    Row("graph", "graph", "Draw what depends on what"),
    Row("state", "state", "Look at and edit the recorded state"),
    Row("import", "import_", "Record a component as applied without acting"),
    Row("registry", "registry", "List sub-registries and move their pins"),
    Row("feature", "feature", "Evaluate feature flags as a client would"),
    Row("diff", "diff", "Show what lies between two commits"),
    Row("rollback", "rollback", "Go back to an earlier commit"),
    Row("runs", "runs", "Show what was run on the state"),
    Row("history", "history", "Show what happened to a component"),
    Row("events", "events", "Show and check the event log"),
    Row("lock", "lock", "Show who holds the lock of the state"),
    Row("force-unlock", "force_unlock", "Take the lock away from its holder"),
    Row("fmt", "fmt", "Format manifests"),
    Row("schema", "schema", "Show the schema of a kind"),
    Row("lifecycle", "lifecycle", "Draw the states and verbs of a kind"),
    Row("completion", "completion", "Print a shell completion script"),
    Row("version", "version", "Show the version"),
)

EXIT_ERROR, EXIT_BUG, EXIT_INTERRUPTED = 1, 3, 130

_SINGLE_DASH = re.compile(r"-[A-Za-z][\w-]+(=.*)?", re.DOTALL)
_BOOLEAN = re.compile(r"--([A-Za-z][\w-]*)=(true|false)", re.IGNORECASE)


class FrontDoor(Group):
    """The commands of the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [row.name for row in COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        row = next((row for row in COMMANDS if row.name == cmd_name), None)
        if row is None:
            return None
        command: click.Command = import_module(f"reconciler.commands.{row.module}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and self.get_command(ctx, args[0]) is None:
            from difflib import get_close_matches

            near = get_close_matches(args[0], self.list_commands(ctx), n=1)
            ctx.fail(f"There is no command {args[0]!r}" + (f". Did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(row.name, row.summary) for row in COMMANDS])


def _change_folder(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None:
        try:
            os.chdir(value)
        except OSError as error:
            raise click.UsageError(f"-chdir: {value}: {error.strerror}") from error


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        ctx.invoke(import_module("reconciler.commands.version").command)
        ctx.exit()


@click.group(cls=FrontDoor, context_settings={"help_option_names": ["--help", "-h"]})
@click.option("--chdir", metavar="DIR", is_eager=True, expose_value=False, callback=_change_folder,
              help="Work in DIR instead of the current folder.")  # fmt: skip
@click.option("--version", is_flag=True, expose_value=False, callback=_print_version, help="Show the version.")
def ureg() -> None:
    """Keep a registry of components true to what a git repository says.

    Manifests live as YAML under registry.d/. `ureg plan` shows what would change, `ureg apply` changes it.
    Options may be written with one dash or two.
    """


def normalise(args: Sequence[str]) -> list[str]:
    """Arguments as click takes them: `-out=x` as `--out=x`, `-lock=false` as `--no-lock`."""
    rest: list[str] = []
    if "--" in args:
        end = list(args).index("--")
        args, rest = args[:end], list(args[end:])
    dashed = [f"-{arg}" if _SINGLE_DASH.fullmatch(arg) else arg for arg in args]
    return [_BOOLEAN.sub(_flag, arg) if _BOOLEAN.fullmatch(arg) else arg for arg in dashed] + rest


def _flag(match: re.Match[str]) -> str:
    return f"--{match[1]}" if match[2].lower() == "true" else f"--no-{match[1]}"


def main(argv: Sequence[str] | None = None) -> NoReturn:
    # A command makes many values and no cycles among them, and soon ends: looking for cycles costs a third of its time.
    gc.disable()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever called
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace", line_buffering=True)
    code = run(sys.argv[1:] if argv is None else argv)
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    # Everything is written and closed by now; taking a large registry apart value by value would be the longest step.
    os._exit(code)


def run(argv: Sequence[str]) -> int:
    """Runs one command and returns its exit code."""
    try:
        result: Any = ureg.main(normalise(argv), prog_name="ureg", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return EXIT_ERROR
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_ERROR
    except (click.ClickException, OSError) as error:
        from reconciler.commands.failure import show

        show(error)
        return EXIT_ERROR
    except Exception as error:  # noqa: BLE001 - the last boundary: a bug is reported, never thrown at the user
        from reconciler.commands.bug import report

        report(error, argv)
        return EXIT_BUG
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    main()
