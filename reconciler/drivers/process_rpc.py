"""Speaks with supervisord: XML-RPC over the unix socket in its folder, one connection an operation.

The socket is reached by the folder's descriptor, since a path may have any length and a socket's address has not.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple
from xml.parsers.expat import ExpatError
from xmlrpc.client import Error, dumps, loads

SOCKET = "supervisord.sock"
SOCKET_FROM_INSIDE = f"/proc/self/cwd/{SOCKET}" if sys.platform == "linux" else SOCKET
"""The socket's path for a process that has the folder as its working directory."""
_TIMEOUT = 30.0


class Fault(NamedTuple):
    """What supervisord refused, with its number for it."""

    code: int
    text: str


BAD_NAME, NOT_RUNNING, ALREADY_STARTED = 10, 70, 60


class Down(Exception):
    """No supervisord listens."""


class Call(NamedTuple):
    method: str
    arguments: Sequence[Any] = ()


def call(folder: Path, calls: Sequence[Call]) -> list[Any]:
    """What supervisord answers to each call, or a Fault. All are one request. Raises Down, and OSError where it does
    not answer as it should."""
    structs = [{"methodName": f"supervisor.{method}", "params": list(arguments)} for method, arguments in calls]
    connection = _Connection(folder)
    try:
        connection.request("POST", "/RPC2", dumps((structs,), "system.multicall"), {"Content-Type": "text/xml"})
        (answers,), _ = loads(connection.getresponse().read())
    except (ConnectionError, FileNotFoundError) as error:  # it was not there, or ended in mid-sentence
        raise Down from error
    except (OSError, HTTPException, Error, ExpatError, ValueError) as error:
        raise OSError(f"supervisord in {folder} does not answer: {str(error) or type(error).__name__}") from error
    finally:
        connection.close()
    return [_answer(answer) for answer in answers]  # type: ignore[union-attr] # a list, by the protocol


def _answer(answer: Any) -> Any:
    if isinstance(answer, dict) and "faultCode" in answer:
        return Fault(answer["faultCode"], answer["faultString"])
    return answer


class _Connection(HTTPConnection):
    def __init__(self, folder: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT)
        self._folder = folder

    def connect(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(_TIMEOUT)
            place = f"/proc/self/fd/{folder}" if sys.platform == "linux" else str(self._folder)
            self.sock.connect(f"{place}/{SOCKET}")
        finally:
            os.close(folder)
