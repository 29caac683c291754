"""The application functions of kernelsmith: start, resume and replay runs, judge files, and examine the machine. Every
user interface calls them.

A user interface (the command line; later a web page and tools for agents) parses its input, calls these functions,
and shows the result.
"""
