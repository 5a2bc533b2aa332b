"""Holds back orders that look like fraud."""

from __future__ import annotations


def is_suspicious(orders_in_the_last_hour: int) -> bool:
    return orders_in_the_last_hour > 5
