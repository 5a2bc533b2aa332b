"""The operations that every surface calls: compile, plan, apply, and the executor that carries a plan out.

Everything outside is reached through the ports, so a whole apply also runs with a store, drivers and a clock made up
for a test.
"""
