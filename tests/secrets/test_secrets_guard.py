"""Nothing that a driver says gets past the guard with a secret in it."""

from __future__ import annotations

import json
import traceback
from collections.abc import Sequence
from pathlib import Path

import pytest
from drivers.component import Component
from hypothesis import given
from hypothesis import strategies as st

from reconciler.drivers.guard import DriverFault, GuardedDriver
from reconciler.drivers.secrets import REDACTED, Secrets
from reconciler.model.outcome import Health, Outcome, Transition
from reconciler.model.record import Observation, Record, Seen

NOTE = Component("Note", "a", "present", {})


class Leaky:
    """A driver that says what it must not."""

    name = "leaky"
    acts = True
    batches = False

    def __init__(self, secret: str, error: type[Exception] | None = None) -> None:
        self._secret = secret
        self._error = error

    def _leak(self) -> str:
        if self._error:
            raise self._error(self._secret) from self._error(f"first {self._secret}")
        return f"it is {self._secret}!"

    def observe(self, records: Sequence[Record]) -> Sequence[Observation]:
        pieces = (Seen("spec.token", self._leak(), self._leak()),)
        return [Observation(record.address, record.state, self._leak(), pieces) for record in records]

    def execute(self, transitions: Sequence[Transition]) -> Sequence[Outcome]:
        return [Outcome(transition.address, self._leak()) for transition in transitions]

    def health(self, record: Record) -> Health:
        return Health(healthy=False, message=self._leak())

    def logs(self, record: Record, lines: int, follow: bool) -> Sequence[str]:
        return ["fine", self._leak()]


def guarded(root: Path, secret: str, error: type[Exception] | None = None) -> GuardedDriver:
    secrets = Secrets(root, {"TOKEN": secret})
    secrets.read("env:TOKEN")
    return GuardedDriver(Leaky(secret, error), secrets)


@pytest.mark.parametrize("secret", ["hunter2", 'a "quoted" one', "two\nlines of it", "pä$$wört", "back\\slash"])
def test_texts_come_out_without_it(root: Path, secret: str) -> None:
    driver = guarded(root, secret)
    (seen,) = driver.observe([NOTE.record()])
    said = [
        *(seen.drift, *seen.seen[0][1:]),
        *(outcome.error for outcome in driver.execute([NOTE.apply()])),
        driver.health(NOTE.record()).message,
        list(driver.logs(NOTE.record(), 100, False))[1],
    ]
    assert said == [f"it is {REDACTED}!"] * 6
    assert next(iter(driver.logs(NOTE.record(), 100, False))) == "fine"


@pytest.mark.parametrize("error", [RuntimeError, KeyError, ValueError, OSError, PermissionError])
@pytest.mark.parametrize("secret", ["hunter2", 'a "quoted" one', "two\nlines of it"])
def test_no_exception_tells_it_not_even_in_its_causes(root: Path, secret: str, error: type[Exception]) -> None:
    driver = guarded(root, secret, error)
    wanted = OSError if issubclass(error, OSError) else DriverFault
    for act in (lambda: driver.observe([NOTE.record()]), lambda: driver.execute([NOTE.apply()])):
        with pytest.raises(wanted) as caught:
            act()
        told = "".join(traceback.format_exception(caught.value))
        for form in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]):
            assert form not in told
        assert REDACTED in told
        assert "_leak" in told, "the way to the fault is kept"


def test_an_exception_without_a_secret_stays_as_it_is(root: Path) -> None:
    driver = GuardedDriver(Leaky("nothing", KeyError), Secrets(root, {}))
    with pytest.raises(KeyError, match="nothing"):
        driver.execute([NOTE.apply()])


def test_very_short_secrets_do_not_blot_out_messages(root: Path) -> None:
    secrets = Secrets(root, {"PIN": "42"})
    secrets.read("env:PIN")
    assert secrets.redact("line 42") == "line 42"


SECRET = st.text(alphabet="ABC0123\"\\\n'ä€😀", min_size=8, max_size=30).filter(lambda text: text.strip() == text)


@given(st.lists(SECRET, min_size=1, max_size=3), st.text(alphabet="xyz \n"), st.text(alphabet="xyz \n"))
def test_no_form_of_a_secret_is_left_in_a_text(values: list[str], before: str, after: str) -> None:
    secrets = Secrets(Path("/"), {f"S{number}": value for number, value in enumerate(values)})
    for number in range(len(values)):
        secrets.read(f"env:S{number}")
    for value in values:
        for form in (value, repr(value), json.dumps(value, ensure_ascii=False)):
            assert value not in secrets.redact(f"{before}{form}{after}")
            assert secrets.redact(f"{before}{value}{after}") == f"{before}{REDACTED}{after}"
