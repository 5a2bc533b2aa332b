"""Posts a body to a web address, and to no place that the address only pretends to be.

The name is looked up once, every answer must be a public address, and the connection goes to one of these. Redirects
are not followed, proxies are not asked, and an answer's body is not read.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Collection, Mapping
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from reconciler.daemon.notify.letter import Undelivered

_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
# The standard library's own table differs from one Python to the next.
_RESERVED = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
            "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
            "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
        ),
    )
)  # fmt: skip
_FIRST_FREE_PORT = 1024
_PORTS = {"http": 80, "https": 443}
_RETRIED = {408, 425, 429}
_LONGEST_WAIT = 600.0


class Address(NamedTuple):
    """A web address that was looked at. `private` allows for a host that is not public."""

    scheme: str
    host: str
    port: int
    path: str
    private: bool

    @property
    def shown(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def read_address(url: str, plain: bool, private: Collection[str]) -> Address:
    """The address in `url`. http is allowed where `plain` says so, the hosts in `private` may be private ones. Raises
    ValueError, which holds no part of the address beyond its host."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("a web address is made of printable ASCII characters")
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        raise ValueError("this is no web address") from None
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in _PORTS or not host or parts.username is not None:
        raise ValueError("a web address is https://HOST/PATH, without a password")
    if parts.scheme == "http" and not plain:
        raise ValueError(f"http to {host} can be read by others: use https, or say `insecure: true`")
    if port < _FIRST_FREE_PORT and port not in _PORTS.values():
        raise ValueError(
            f"port {port} is that of another service: 80, 443 and those from {_FIRST_FREE_PORT} can be used"
        )
    return Address(parts.scheme, host, port, _path(parts), host in private)


def _path(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def is_public(address: str) -> bool:
    """Whether a numeric address is one of the public internet."""
    try:
        number = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if number.version == 6 and number not in _PUBLIC_V6:  # noqa: PLR2004
        return False
    return not any(number in network for network in _RESERVED if network.version == number.version)


def post(address: Address, body: bytes, headers: Mapping[str, str], timeout: float) -> None:
    """Posts `body` and returns when the receiver took it. Takes at most about `timeout` seconds and the time of a
    name's look-up. Raises Undelivered."""
    try:
        connection = _connect(address, timeout)
    except (OSError, UnicodeError) as error:
        raise Undelivered(f"{address.shown}: {_explain(error)}", again=not isinstance(error, ssl.SSLError)) from error
    # A timeout of the socket alone starts anew with each byte that a slow receiver sends.
    deadline = threading.Timer(timeout, _shut, [connection.sock])
    deadline.daemon = True
    deadline.start()
    try:
        connection.request("POST", address.path, body, {"Host": address.authority, "User-Agent": "ureg", **headers})
        answer = connection.getresponse()
        _judge(address, answer.status, answer.getheader("Retry-After", ""))
    except (OSError, http.client.HTTPException) as error:
        raise Undelivered(f"{address.shown}: {_explain(error)}", again=True) from error
    finally:
        deadline.cancel()
        connection.close()


def _connect(address: Address, timeout: float) -> http.client.HTTPConnection:
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    places = list(dict.fromkeys(str(item[4][0]) for item in found))
    hidden = [place for place in places if not is_public(place)]
    if hidden and not address.private:
        raise Undelivered(
            f"{address.host} is {hidden[0]}, which is not a public address. Where that is meant, name the host in the "
            "environment variable UREG_PRIVATE_HOSTS",
            again=False,
        )
    sock = _open(places, address.port, timeout)
    connection = http.client.HTTPConnection(address.host, address.port, timeout=timeout)
    connection.sock = _secured(sock, address.host) if address.scheme == "https" else sock
    return connection


def _open(places: list[str], port: int, timeout: float) -> socket.socket:
    for place in places[:-1]:
        try:
            return socket.create_connection((place, port), timeout / len(places))
        except OSError:
            continue
    return socket.create_connection((places[-1], port), timeout / len(places))


def _secured(sock: socket.socket, host: str) -> socket.socket:
    try:
        return ssl.create_default_context().wrap_socket(sock, server_hostname=host)
    except BaseException:
        sock.close()
        raise


def _shut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def _judge(address: Address, status: int, retry_after: str) -> None:
    if 200 <= status < 300:  # noqa: PLR2004
        return
    again = status >= 500 or status in _RETRIED  # noqa: PLR2004
    more = ", a redirect, which is not followed" if 300 <= status < 400 else ""  # noqa: PLR2004
    after = min(float(retry_after), _LONGEST_WAIT) if retry_after.isascii() and retry_after.isdecimal() else 0.0
    raise Undelivered(f"{address.shown} answered with {status}{more}", again, after)


def _explain(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"it did not answer as a web server does ({type(error).__name__})"
