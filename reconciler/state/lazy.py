"""The records of a state, each read when it is first asked for: most plans look at few of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from reconciler.model.address import Address
from reconciler.model.record import Record

_FEW = 8
"""So many are read one by one; who asks for more gets all the rest at once."""


class LazyRecords(Mapping[Address, Record]):
    """The records at `addresses`. `read` gives those at some of them, and raises what it must."""

    def __init__(
        self, addresses: Collection[Address], read: Callable[[Sequence[Address]], Mapping[Address, Record]]
    ) -> None:
        self._addresses = addresses
        self._read = read
        self._known: dict[Address, Record] = {}

    def __getitem__(self, address: Address) -> Record:
        if address not in self._known:
            if address not in self._addresses:
                raise KeyError(address)
            few = len(self._known) < _FEW
            self._known.update(self._read([address] if few else [*self._addresses]))
        return self._known[address]

    def __contains__(self, address: object) -> bool:
        return address in self._addresses

    def __iter__(self) -> Iterator[Address]:
        return iter(self._addresses)

    def __len__(self) -> int:
        return len(self._addresses)
