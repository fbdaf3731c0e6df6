"""Proofs that take minutes: what must hold while processes are killed. `python -m bench.chaos --help`."""
