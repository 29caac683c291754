"""A task's inputs and references, and whether outputs are right."""
