"""OpenAPI against what is served: a run of schemathesis, and TypeScript's types."""
