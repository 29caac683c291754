"""The harness as a program: the server of requests and the report on this machine."""
