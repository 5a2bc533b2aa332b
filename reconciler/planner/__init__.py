"""Desired and recorded state in, a plan out: what differs, which verbs close the gap, in which order.

Pure: `build` puts a plan together from `select`, `decide` (over `route` and `diff`), `order` and `guards`; `codec` is
its file format.
"""
