"""Asks whether to go on. Only a literal `yes` does."""

from __future__ import annotations

import sys

from reconciler.commands.view import View
from reconciler.model.diagnostics import Diagnostic, Invalid

_APPLY = ("Do you want to carry this out?", "ureg will do what is shown above.")
_DESTROY = ("Do you really want to remove everything shown above?", "There is no undo.")


def confirmed(view: View, auto_approve: bool, may_ask: bool, destroy: bool = False) -> bool:
    """Whether the user agrees. Raises Invalid where nobody can be asked."""
    if auto_approve:
        return True
    if view.stream is not None or not may_ask or sys.stdin is None or sys.stdin.closed:
        raise Invalid(_cannot_ask())
    question, consequence = _DESTROY if destroy else _APPLY
    view.write(f"\n{view.style.bold(question)}\n  {consequence} Only 'yes' is accepted.\n")
    sys.stdout.write(f"  {view.style.bold('Enter a value:')} ")
    sys.stdout.flush()
    answer = sys.stdin.readline()
    if not answer:
        view.write("")
        raise Invalid(_cannot_ask())
    view.write("")
    if answer.rstrip("\r\n") == "yes":
        return True
    view.write("Cancelled: nothing was changed.")
    return False


def _cannot_ask() -> Diagnostic:
    return Diagnostic("no-answer", "Nobody answered", hint="Run it in a terminal, or say yes with -auto-approve.")
