"""Build prompts from a run's history and parse a language model's replies: pure functions without network access."""
