"""Text for a terminal: nothing that a candidate wrote may move its cursor, and columns are straight."""

from kernelsmith.report.text import columns, one_line, printable


def test_a_long_line_is_cut_to_the_width_asked_for():
    assert one_line("a\n b\tc\x00") == "a b c\\x00"
    assert one_line("abcdef", 4) == "abc…"
    assert one_line("abcd", 4) == "abcd"


def test_every_control_character_becomes_visible(hostile, assert_harmless):
    assert_harmless(one_line(hostile))
    assert_harmless(printable(hostile))


def test_lines_and_indentation_stay_as_they_are():
    assert printable("void f(void)\n{\n\treturn; /* größer ✓ */\n}\n") == (
        "void f(void)\n{\n        return; /* größer ✓ */\n}"
    )


def test_columns_are_aligned_and_cut_where_a_width_is_given():
    rows = [("a", "long cell", "x"), ("bbb", "c", "yyyyyy")]
    assert columns(rows) == "a    long cell  x\nbbb  c          yyyyyy"
    assert columns(rows, width=10) == "a    long…\nbbb  c   …"
