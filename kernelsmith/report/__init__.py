"""Reads the log back: plain data first, then the text that a terminal shows. It knows no command and prints nothing."""
