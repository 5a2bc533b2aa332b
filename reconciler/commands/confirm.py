"""Asks whether to go on. Only a literal `yes` does."""

from __future__ import annotations

import sys
from typing import NamedTuple

from reconciler.commands.view import View
from reconciler.model.diagnostics import Diagnostic, Invalid


class Question(NamedTuple):
    """What is asked, what a yes leads to, and the flag that says yes beforehand."""

    text: str
    consequence: str
    flag: str = "-auto-approve"


_APPLY = Question("Do you want to carry this out?", "ureg will do what is shown above.")
_DESTROY = Question("Do you really want to remove everything shown above?", "There is no undo.")


def confirmed(view: View, auto_approve: bool, may_ask: bool, destroy: bool = False) -> bool:
    """Whether the user agrees to a plan. Raises Invalid where nobody can be asked."""
    return agreed(view, _DESTROY if destroy else _APPLY, auto_approve, may_ask)


def agreed(view: View, question: Question, approved: bool, may_ask: bool = True) -> bool:
    """Whether the user says yes, or said so beforehand. Raises Invalid where nobody can be asked."""
    if approved:
        return True
    if view.stream is not None or not may_ask or sys.stdin is None or sys.stdin.closed:
        raise Invalid(_cannot_ask(question))
    view.write(f"\n{view.style.bold(question.text)}\n  {question.consequence} Only 'yes' is accepted.\n")
    sys.stdout.write(f"  {view.style.bold('Enter a value:')} ")
    sys.stdout.flush()
    answer = sys.stdin.readline()
    if not answer:
        view.write("")
        raise Invalid(_cannot_ask(question))
    view.write("")
    if answer.rstrip("\r\n") == "yes":
        return True
    view.write("Cancelled: nothing was changed.")
    return False


def _cannot_ask(question: Question) -> Diagnostic:
    hint = f"Run it in a terminal, or say yes with {question.flag}."
    return Diagnostic("no-answer", "Nobody answered", hint=hint)
