"""From source to artifact and facts, inside the sandbox: one module a language."""
