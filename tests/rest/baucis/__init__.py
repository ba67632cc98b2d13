"""What baucis does, asked over HTTP: each behaviour of the table in ``docs/topics/baucis.md``."""
