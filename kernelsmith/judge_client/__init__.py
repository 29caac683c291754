"""Talk to the harness: start the judge, hand it candidates, read its verdicts, and share the device with other runs."""
