"""The catalog's schema, step by step; docs/catalog.md says how to add a step."""
