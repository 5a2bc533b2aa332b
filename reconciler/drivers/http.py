"""The driver for what has an API of its own: a call of a service that the settings permit carries out each verb.

A kind with the driver `http:NAME` is in the hands of the service NAME of the settings (`drivers.http.services`). What
goes to it and what it answers is as `protocol` has it; a service that knows nothing of that is judged by its status.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from reconciler.drivers import http_call, protocol
from reconciler.drivers.http_call import Answer, Request
from reconciler.drivers.protocol import Failed
from reconciler.drivers.secrets import Unresolved, mark
from reconciler.drivers.site import NotPermitted, Site
from reconciler.model.address import Address, parse_address
from reconciler.model.lifecycle import ABSENT
from reconciler.model.outcome import Health, Outcome, Transition
from reconciler.model.record import Observation, Record
from reconciler.model.units import duration
from reconciler.ports import Driver

if TYPE_CHECKING:
    from ssl import SSLContext

_TIMEOUT, _RETRIES = "30s", 2
_CALL = {"method": "POST", "path": "/{verb}"}
_GONE = frozenset({404, 410})
_AT_ONCE = 8


class HttpDriver:
    acts = True
    batches = False

    def __init__(self, site: Site, options: Mapping[str, Any]) -> None:
        self.name = f"http:{site.part}"
        self._site = site
        self._options = options
        self._timeout = duration(options.get("timeout", _TIMEOUT))

    def observe(self, records: Sequence[Record]) -> Sequence[Observation]:
        if "observe" not in self._options or not records:
            return ()
        from concurrent.futures import ThreadPoolExecutor

        try:
            with ThreadPoolExecutor(min(_AT_ONCE, len(records))) as threads:
                return list(threads.map(self._observe, records))
        except Failed as error:
            raise OSError(str(error)) from None

    def execute(self, transitions: Sequence[Transition]) -> Sequence[Outcome]:
        return [Outcome(transition.address, self._execute(transition)) for transition in transitions]

    def health(self, record: Record) -> Health:
        if "health" not in self._options:
            return Health(healthy=True, message=f"{self.name} does not tell")
        try:
            answer = self._get("health", record)
            _refuse(answer)
            told = _told(answer)
            return protocol.health_of(told) if told else Health(healthy=True)
        except Failed as error:
            return Health(healthy=False, message=str(error))

    def logs(self, record: Record, lines: int, follow: bool) -> Iterator[str]:
        if "logs" not in self._options:
            return
        try:
            request = self._request("GET", self._options["logs"]["path"], record.address, lines=str(lines))
            if follow:
                for line in http_call.lines(request, self._timeout, self._tls):
                    yield line.decode(errors="replace").rstrip("\r\n")
            else:
                answer = self._call(request, self._timeout)
                _refuse(answer)
                yield from answer.body.decode(errors="replace").splitlines()[-lines:] if lines else ()
        except Failed as error:
            yield str(error)

    def _observe(self, record: Record) -> Observation:
        answer = self._get("observe", record)
        if answer.status in _GONE:
            return Observation(record.address, ABSENT)
        _refuse(answer)
        return protocol.observation(_told(answer), record)

    def _execute(self, transition: Transition) -> str:
        wanted = {**_CALL, **self._options.get("call", {}), **self._options.get("verbs", {}).get(transition.verb, {})}
        limit = min(self._timeout, transition.timeout or self._timeout)
        try:
            body = orjson.dumps(protocol.to_execute(transition, self._site.secrets))
            request = self._request(wanted["method"], wanted["path"], transition.address, verb=transition.verb)
            headers = {**request.headers, "Content-Type": "application/json", "Idempotency-Key": transition.key}
            answer = self._call(request._replace(headers=headers, body=body), limit)
            if transition.target == ABSENT and answer.status in _GONE:
                return ""
            _refuse(answer)
            return protocol.error_of(_told(answer))
        except (Failed, Unresolved) as error:
            return str(error)

    def _get(self, operation: str, record: Record) -> Answer:
        """Raises Failed."""
        return self._call(self._request("GET", self._options[operation]["path"], record.address), self._timeout)

    def _call(self, request: Request, limit: float) -> Answer:
        """Raises Failed, for a redirect and an answer that is too large too."""
        answer = http_call.call(request, limit, self._options.get("retries", _RETRIES), self._tls)
        if len(answer.body) > protocol.MOST_BYTES:
            raise Failed(f"{request.method} {request.url}: the answer is larger than {protocol.MOST_BYTES // 1024} KiB")
        return answer

    def _request(self, method: str, path: str, address: Address, **more: str) -> Request:
        """Raises Failed."""
        try:
            headers = self._site.secrets.fill(mark(dict(self._options.get("headers", {}))))
        except Unresolved as error:
            raise Failed(f"drivers.http.services.{self._site.part}.headers: {error}") from None
        if any(not text.isprintable() or not text.isascii() for text in headers.values()):
            raise Failed(f"drivers.http.services.{self._site.part}.headers: a value is no line of ASCII characters")
        url = f"{self._options['url'].rstrip('/')}{_filled(path, address, more)}"
        return Request(method, url, {"User-Agent": "ureg", "Accept": "application/json", **headers})

    @cached_property
    def _tls(self) -> SSLContext | None:
        """None for a service without TLS. Raises Failed where the certificates of the settings cannot be read."""
        if not self._options["url"].startswith("https://"):
            return None
        from ssl import create_default_context

        authority = self._options.get("authority")
        try:
            return create_default_context(cafile=self._site.root / authority if authority else None)
        except OSError as error:
            raise Failed(f"{authority}: {error.strerror or error}") from None


def open_driver(site: Site) -> Driver:
    services = site.options.get("services", {})
    if site.part not in services:
        example = f"drivers: {{http: {{services: {{{site.part or 'NAME'}: {{url: 'https://...'}}}}}}}}"
        raise NotPermitted("http", site.part, "service", services, example)
    return HttpDriver(site, services[site.part])


def _filled(path: str, address: Address, more: Mapping[str, str]) -> str:
    """`path` with what it names in braces. Raises Failed for a name that would change the path."""
    registry, kind, name = parse_address(address)
    known = {"registry": registry, "kind": kind, "name": name, "address": address, **more}
    for word, text in known.items():
        if f"{{{word}}}" in path:
            if text in (".", ".."):
                raise Failed(f"{address} has a name that cannot stand in a URL")
            path = path.replace(f"{{{word}}}", quote(text, safe=""))
    return path


def _refuse(answer: Answer) -> None:
    """Raises Failed for an answer that is no success."""
    if http_call.is_good(answer.status):
        return
    if answer.location and 300 <= answer.status < 400:  # noqa: PLR2004 - HTTP's own
        raise Failed(f"the service answers with {answer.status} and sends elsewhere, which is not followed")
    told = ""
    try:
        told = protocol.error_of(protocol.read_answer(answer.body))
    except Failed:
        told = protocol.first_line(answer.body)
    raise Failed(f"the service answers with {answer.status} {answer.reason}{': ' if told else ''}{told}")


def _told(answer: Answer) -> Mapping[str, Any]:
    """What a service that speaks the protocol says; nothing of another one. Raises Failed."""
    if not answer.body.lstrip().startswith(b"{"):
        return {}
    told = protocol.read_answer(answer.body)
    return told if told.get("protocol") == protocol.VERSION else {}
