"""The indexer: writes into the index which words lead to which products, again and again. It has no port."""

from __future__ import annotations

import json
import time
from pathlib import Path

from shop import LOG, ask, plugins, settings, start_logging

TOKENIZERS = list(plugins("shop.tokenizers"))
PRODUCTS = Path(__file__).with_name("products.json")


def index() -> None:
    told = settings()
    words: dict[str, list[str]] = {}
    for product in json.loads(PRODUCTS.read_text()):
        text = " ".join(str(product[field]) for field in told["fields"])
        for word in {word for tokenize in TOKENIZERS for word in tokenize(text)}:
            words.setdefault(word, []).append(product["title"])
    for word, products in words.items():
        ask(told["index"], "PUT", f"/keys/word.{word}", products)
    ask(told["index"], "PUT", "/keys/words", len(words))
    LOG.info("indexed %d words", len(words))


if __name__ == "__main__":
    start_logging()
    while True:
        try:
            index()
        except OSError as error:
            LOG.warning("the index cannot be reached: %s", error)
        time.sleep(settings()["interval"])
