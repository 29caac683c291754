"""The domain: frozen types that every other package speaks in; no I/O but the reading of a task folder."""
