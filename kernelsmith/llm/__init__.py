"""Ask a language model, at an OpenAI-compatible endpoint or from a script of replies: calls, retries, failures and
costs.
"""
