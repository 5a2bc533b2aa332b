"""The search service: finds products in the index, by words that the tokenizer plugin makes of a question."""

from __future__ import annotations

from contextlib import suppress

from shop import NAME, VERSION, Request, ask, flags, plugins, serve, settings

TOKENIZERS = list(plugins("shop.tokenizers"))
LISTENERS = list(plugins("shop.search.listeners"))


def answer(request: Request) -> object:
    words = [word for tokenize in TOKENIZERS for word in tokenize(request.query.get("q", ""))]
    found = sorted({product for word in words for product in _products(word)})
    for listener in LISTENERS:
        listener(words, len(found))
    limit = min(settings()["limit"], flags()["results-per-page"])
    return {"service": NAME, "version": VERSION, "words": words, "found": found[:limit]}


def is_ready() -> bool:
    """Once there is an index."""
    with suppress(OSError):
        return ask(settings()["index"], "GET", "/keys/words") is not None
    return False


def _products(word: str) -> list[str]:
    return list(ask(settings()["index"], "GET", f"/keys/word.{word}") or ())


if __name__ == "__main__":
    serve(answer, is_ready)
