"""Our side of the process boundary: lease a device, speak to the harness, read the verdict."""
