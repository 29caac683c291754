"""Talk to the harness, the program that judges kernels: start it, hand it candidates, read its verdicts, and share the
device with other runs.
"""
