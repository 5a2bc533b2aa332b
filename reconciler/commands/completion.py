"""`ureg completion`: the script that lets a shell complete ureg's commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from reconciler.commands import options


@click.command("completion", cls=options.Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script for SHELL.

    For bash put `eval "$(ureg completion bash)"` in ~/.bashrc, for zsh the same with zsh in ~/.zshrc, and for fish
    `ureg completion fish | source` in ~/.config/fish/config.fish.
    """
    completion = get_completion_class(shell)
    root = click.get_current_context().find_root().command
    if completion is not None:
        click.echo(completion(root, {}, "ureg", "_UREG_COMPLETE").source())
