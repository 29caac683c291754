"""Models behind one method: an OpenAI-compatible endpoint, or a script; what they cost and when to ask again."""
