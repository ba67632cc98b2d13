"""The databases that tests over HTTP run on: SQLite, PostgreSQL and MongoDB, each with an empty one for each test."""
