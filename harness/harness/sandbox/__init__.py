"""Starts builds and workers in a sandbox: the launcher and the guards that it sets up."""
