"""The stages that turn a candidate into a verdict; read judge.py first."""
