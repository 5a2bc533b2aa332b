"""How long `ureg` takes, beside the floors it stands on and Terraform doing the same; `python -m benchmarks`."""
