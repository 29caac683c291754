"""The messages between the agent and the judge."""
