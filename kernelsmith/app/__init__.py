"""What a program does with the parts: start, resume and replay a run, judge a file, look at the machine.

The command line, a web page and an agent's tools are faces of these functions: they parse, call and show.
"""
