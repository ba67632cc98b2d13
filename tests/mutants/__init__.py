"""The mutation check: safeguards of the product are removed, one at a time, and generated histories must notice.

``catalogue/*.toml`` says which, ``python -m tests.mutants`` hunts them all and writes the table of
docs/topics/reliability.md.
"""
