"""What a user sees of a bug: that it is one, and where the report to send lies."""

from __future__ import annotations

import platform
import sys
import tempfile
import traceback
from collections.abc import Sequence

from reconciler import __version__


def report(error: Exception, argv: Sequence[str]) -> None:
    """Writes a report without any values of variables to a file of its own, and says so on standard error."""
    lines = [
        f"ureg {__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"command: {argv[0] if argv else ''}",
        "",
        "".join(traceback.format_exception(error)),
    ]
    with tempfile.NamedTemporaryFile(
        "w", prefix="ureg-bug-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
    ) as file:
        file.write("\n".join(lines))
    sys.stderr.write(
        f"ureg has a bug: {type(error).__name__}. Nothing that was recorded is lost.\n"
        f"Please send the report in {file.name} to the project's issues.\n"
    )
