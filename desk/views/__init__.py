"""The desk's pages: one module a story, each with its own addresses."""
