"""Judge a candidate kernel in stages (admit, build, check, time, compare) and make its verdict. The module judge.py
lists the stages in order; read it first.
"""
