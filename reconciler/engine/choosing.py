"""Which components a user means by the words of a command line: addresses, or kinds for all of their components."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from reconciler.model.address import Address, parse_address
from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.model.kind import Catalogue


def choose(words: Sequence[str], known: Collection[Address], catalogue: Catalogue) -> tuple[Address, ...]:
    """The addresses of `known` that `words` mean, sorted; all where there are none. Raises Invalid with every word
    that means nothing."""
    if not words:
        return tuple(sorted(known))
    chosen: set[Address] = set()
    unknown: list[Diagnostic] = []
    for word in words:
        kind = catalogue.find(word)
        if word in known:
            chosen.add(word)
        elif kind is not None:
            chosen.update(address for address in known if parse_address(address).kind == kind.slug)
        else:
            unknown.append(_unknown_word(word, known, catalogue))
    if unknown:
        raise Invalid(*unknown)
    return tuple(sorted(chosen))


def unknown_component(address: str, known: Collection[Address]) -> Diagnostic:
    hint = "`ureg get` lists the components."
    return _unknown("address-unknown", f"There is no component {address}", address, known, hint)


def _unknown_word(word: str, known: Collection[Address], catalogue: Catalogue) -> Diagnostic:
    if "/" in word:
        return unknown_component(word, known)
    kinds = [name for kind in catalogue.kinds.values() for name in (kind.slug, kind.plural)]
    return _unknown("kind-unknown", f"There is no kind {word!r}", word, kinds, "`ureg schema` lists the kinds.")


def _unknown(code: str, summary: str, word: str, known: Iterable[str], otherwise: str) -> Diagnostic:
    from difflib import get_close_matches

    close = get_close_matches(word, list(known), n=1)
    return Diagnostic(code, summary, hint=f"Did you mean {close[0]}?" if close else otherwise)
