"""A key-value engine: GET and PUT of JSON values below /keys/, kept in a file in its data folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from threading import Lock
from typing import Any

from shop import Request, serve


class Store:
    def __init__(self, file: Path, most_keys: int) -> None:
        self._file = file
        self._most_keys = most_keys
        self._lock = Lock()
        self._values: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}

    def answer(self, request: Request) -> Any:
        key = request.path.removeprefix("/keys/")
        if request.method == "GET":
            return self._values.get(key)
        with self._lock:
            if key not in self._values and len(self._values) >= self._most_keys:
                return {"error": f"there are {self._most_keys} keys, and there may be no more"}
            self._values[key] = json.loads(request.body)
            unfinished = self._file.with_suffix(".new")
            unfinished.write_text(json.dumps(self._values))
            unfinished.replace(self._file)
        return {"stored": key}


if __name__ == "__main__":
    configuration = json.loads(Path(sys.argv[1]).read_text())
    serve(Store(Path(configuration["folder"], "values.json"), configuration["maxKeys"]).answer)
