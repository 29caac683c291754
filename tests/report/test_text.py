"""Text for a terminal: nothing that a candidate wrote may move its cursor, and columns are straight."""

from kernelsmith.report.text import columns, entries, one_line, printable


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
    assert columns(rows, width=17) == "a    long…  x\nbbb  c      yyyy…"


def test_the_longest_cells_are_shortened_first_and_room_that_is_left_goes_to_the_last_column():
    rows = [("7", "x" * 40, "passed", "y" * 300), ("8", "", "", "")]
    row = columns(rows, width=50).split("\n")[0]
    assert len(row) == 50
    assert row == f"7  {'x' * 17}…  passed  {'y' * 18}…"
    assert columns(rows) == f"7  {'x' * 40}  passed  {'y' * 300}\n8"


def test_a_terminal_that_is_too_narrow_for_all_columns_still_gets_no_longer_line():
    assert max(map(len, columns([["column"] * 9], width=20).splitlines())) == 20


def test_entries_wrap_their_last_cell_below_its_beginning():
    rows = [("best", "one two three four five six seven"), ("to", "x")]
    assert entries(rows, width=30) == "best  one two three four five\n      six seven\nto    x"
    assert entries(rows) == "best  one two three four five six seven\nto    x"
    assert entries([("a sentence that is longer than its line",)], width=26) == (
        "a sentence that is longer\nthan its line"
    )
