"""The proposers, one per file. Each answers an ask (a numbered request for a candidate) with a proposal; it neither
judges candidates nor decides what is asked.
"""
