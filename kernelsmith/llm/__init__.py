"""Ask a model, at an OpenAI-compatible endpoint or from a script: calls, retries, failures and costs."""
