"""What components claim, judged across a whole registry. What was found in a manifest once is not read again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

from reconciler.compiler.claims import Claims, claimants, claims, may_claim
from reconciler.model.diagnostics import Diagnostics
from reconciler.model.kind import Catalogue
from reconciler.model.resource import Resource
from reconciler.ports import CompileCache

Kept: TypeAlias = Mapping[str, Mapping[str, Sequence[Any]]]
"""What components claim, by their state and their manifest's fingerprint."""


@runtime_checkable
class KeepsClaims(Protocol):
    """A cache that also keeps what components claim. It may forget at any time and never raises."""

    def load_claims(self, schemas: str) -> Kept:
        """What is kept for the schemas with the digest `schemas`."""

    def store_claims(self, schemas: str, claims: Kept) -> None:
        """Keeps `claims` and nothing else."""


def claiming_kinds(catalogue: Catalogue) -> frozenset[str]:
    """The names of the kinds whose components can claim something."""
    return frozenset(kind.name for kind in catalogue.kinds.values() if may_claim(kind))


def check_across(resources: Sequence[Resource], cache: CompileCache, catalogue: Catalogue) -> Diagnostics:
    """What is wrong between `resources` that each is right by itself. Costs next to nothing where none can claim
    anything."""
    claiming = claimants(resources, catalogue.kinds.values())
    if not claiming:
        return ()
    from reconciler.compiler.across import check_claims

    return check_claims(resources, _claimed(claiming, cache, catalogue), catalogue)


def _claimed(resources: Sequence[Resource], cache: CompileCache, catalogue: Catalogue) -> list[tuple[Resource, Claims]]:
    """`resources` with what they claim."""
    keeper = cache if isinstance(cache, KeepsClaims) else None
    known = keeper.load_claims(catalogue.digest) if keeper else {}
    rows = [known.get(resource.state, {}).get(resource.fingerprint) for resource in resources]
    claimed = [
        (resource, Claims._make(row) if row else claims(resource, catalogue.kinds[resource.kind.lower()]))
        for resource, row in zip(resources, rows, strict=True)
    ]
    if keeper and not all(rows):
        keeper.store_claims(catalogue.digest, _kept(claimed))
    return claimed


def _kept(claimed: Iterable[tuple[Resource, Claims]]) -> Kept:
    kept: dict[str, dict[str, Sequence[Any]]] = {}
    for resource, claim in claimed:
        kept.setdefault(resource.state, {})[resource.fingerprint] = tuple(claim)
    return kept
