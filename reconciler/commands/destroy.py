"""`ureg destroy`: removes everything that is recorded. The same as `ureg apply -destroy`."""

from __future__ import annotations

from typing import Any

import click

from reconciler.commands import options
from reconciler.commands.apply import command as apply


def _command() -> click.Command:
    left_out = {"file", "destroy", "refresh_only"}

    def destroy(**flags: Any) -> Any:
        return click.get_current_context().invoke(apply, file=None, destroy=True, refresh_only=False, **flags)

    return options.Command(
        "destroy",
        params=[param for param in apply.params if param.name not in left_out],
        callback=destroy,
        help="Remove everything that is recorded, dependents first. Shows what goes and asks.",
    )


command = _command()
