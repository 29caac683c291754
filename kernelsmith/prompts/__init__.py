"""Build prompts for a language model from a run's history, and parse the model's replies. All functions are pure and
use no network.
"""
