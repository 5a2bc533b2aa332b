"""What drivers cost, one module a question; each runs as `python -m benchmarks.drivers.NAME`."""
