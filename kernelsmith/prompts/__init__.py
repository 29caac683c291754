"""What a model is told and how its reply is read: pure functions between the history and plain text; no network."""
