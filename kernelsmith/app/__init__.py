"""Start, resume and replay runs, judge files, and look at the machine: the functions behind every face.

A face (the command line; later a web page and an agent's tools) parses its input, calls these functions, and shows
the result.
"""
