"""Makes the couriers that the settings ask for (`watch: {notify: [...]}`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.daemon.notify import content
from reconciler.daemon.notify.command import command
from reconciler.daemon.notify.courier import Courier, Tell
from reconciler.daemon.notify.letter import Letter, Send
from reconciler.daemon.notify.post import Address, post, read_address
from reconciler.daemon.notify.signature import read_key, signed
from reconciler.model.daemon import NoticeKind
from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.model.units import duration

PRIVATE_HOSTS = "UREG_PRIVATE_HOSTS"
"""Names the hosts that notices may be sent to although they are private, with commas between. Only the environment can:
those who write `ureg.yaml` need not be those who may reach into the daemon's network."""

_TIMEOUT = "10s"
_BODIES: Mapping[str, tuple[Callable[[Letter], bytes], str]] = {
    "webhook": (content.cloudevent, content.CLOUDEVENT),
    "slack": (content.slack, content.JSON),
    "teams": (content.teams, content.JSON),
}


class Around(NamedTuple):
    """What a courier needs beside its settings. `source` names the registry, `root` is its folder; `read_secret` gives
    the secret at a place ("env:NAME") and raises ValueError; `now` gives the time of day in RFC 3339."""

    source: str
    root: Path
    environment: Mapping[str, str]
    read_secret: Callable[[str], str]
    now: Callable[[], str]


def open_couriers(notify: Sequence[Mapping[str, Any]], around: Around, tell: Tell) -> list[Courier]:
    """A courier for each item of `notify`, which is sound by the schema. What comes of each attempt is told to `tell`.
    Raises Invalid, which tells of every one that cannot be made."""
    couriers, faults = [], []
    for number, item in enumerate(notify, 1):
        ((medium, wanted),) = item.items()
        name = wanted.get("name", f"{medium}-{number}")
        try:
            send = _sender(medium, wanted, around)
        except ValueError as error:
            faults.append(_fault(name, error))
        else:
            kinds = [NoticeKind(kind) for kind in wanted.get("on", NoticeKind)]
            couriers.append(Courier(name, send, kinds, around.source, around.now, tell))
    if faults:
        raise Invalid(*faults)
    return couriers


def _fault(name: str, error: ValueError) -> Diagnostic:
    hint = "Mend it in ureg.yaml below watch.notify, or set what it names."
    return Diagnostic("notify", f"No notice can be sent to {name}", detail=f"{error}.", hint=hint)


def _sender(medium: str, wanted: Mapping[str, Any], around: Around) -> Send:
    timeout = duration(wanted.get("timeout", _TIMEOUT))
    if medium == "command":
        return command(wanted["run"], around.root, timeout)
    url = wanted["url"] if isinstance(wanted["url"], str) else around.read_secret(wanted["url"]["secretRef"]).strip()
    address = read_address(url, wanted.get("insecure", False), frozenset(_private_hosts(around.environment)))
    keys = [read_key(around.read_secret(secret["secretRef"])) for secret in wanted.get("secrets", ())]
    return _poster(medium, address, keys, timeout)


def _private_hosts(environment: Mapping[str, str]) -> Iterator[str]:
    yield from (host.strip().lower() for host in environment.get(PRIVATE_HOSTS, "").split(","))


def _poster(medium: str, address: Address, keys: Sequence[bytes], timeout: float) -> Send:
    write, media_type = _BODIES[medium]

    def send(letter: Letter) -> None:
        body = write(letter)
        headers = signed(f"msg_{letter.id}", int(time.time()), body, keys) if medium == "webhook" else {}
        post(address, body, {"Content-Type": media_type, **headers}, timeout)

    return send
