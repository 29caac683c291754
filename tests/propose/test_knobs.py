"""Tests of families: what counts as a knob, which combinations are allowed, and how values are written."""

import pytest

from kernelsmith.core.candidate import Language
from kernelsmith.core.task_folder import find_task, task_names
from kernelsmith.errors import TaskError
from kernelsmith.propose.knobs import Knob, read_family


@pytest.fixture
def family_of(tmp_path):
    """Return a function that reads a family with a given source from a file named `tiled`."""

    def read(source: str, *, suffix: str = ".c"):
        path = tmp_path / f"tiled{suffix}"
        path.write_text(source, encoding="utf-8")
        return read_family(path)

    return read


# --- knobs ---


def test_a_marked_define_is_a_knob_and_other_defines_are_not(family_of):
    family = family_of(
        "#define ROWS 2    // knob: 1 2 4\n#define SCALE 0.5 // knob: 0.5 1.5\n#define LIMIT 64  // not a knob\n"
    )
    assert family.knobs == (Knob("ROWS", 2, (1, 2, 4)), Knob("SCALE", 0.5, (0.5, 1.5)))
    assert family.defaults == {"ROWS": 2, "SCALE": 0.5}
    assert (family.name, family.language) == ("tiled", Language.C)


def test_a_marked_assignment_is_a_knob_of_a_python_family(family_of):
    family = family_of("BLOCK = 64  # knob: 32 64 128\nMODE = fast  # knob: fast slow\nOTHER = 3\n", suffix=".py")
    assert family.knobs == (Knob("BLOCK", 64, (32, 64, 128)), Knob("MODE", "fast", ("fast", "slow")))
    assert family.language is Language.TRITON


def test_a_cuda_family_marks_its_knobs_as_in_c(family_of):
    family = family_of("#define STAGES 4 // knob: 2 4\n", suffix=".cu")
    assert family.knobs == (Knob("STAGES", 4, (2, 4)),)


def test_marks_of_another_language_are_ignored(family_of):
    assert family_of("BLOCK = 64  # knob: 32 64\n").knobs == ()
    assert family_of("#define ROWS 2 // knob: 1 2\n", suffix=".py").knobs == ()


@pytest.mark.parametrize("values", ["1 3", "1 2 2", "", "2.0 2"])
def test_the_default_is_one_of_the_values_and_each_is_listed_once(family_of, values):
    with pytest.raises(TaskError, match=r"tiled\.c:2: knob ROWS: list each value once, including the default 2"):
        family_of(f"// a kernel\n#define ROWS 2 // knob: {values}\n")


# --- rendering ---


def test_rendering_changes_only_the_values_of_a_c_family(family_of):
    source = "#define ROWS 2    // knob: 1 2 16\n#define COLS 2 // knob: 2 3\nint rows = ROWS; /* 2 */\n"
    candidate = family_of(source).candidate({"ROWS": 16, "COLS": 3})
    assert candidate.source == (
        "#define ROWS 16    // knob: 1 2 16\n#define COLS 3 // knob: 2 3\nint rows = ROWS; /* 2 */\n"
    )
    assert candidate.params == {"family": "tiled", "ROWS": 16, "COLS": 3}


def test_rendering_changes_only_the_values_of_a_python_family(family_of):
    source = "import triton\nBLOCK = 64  # knob: 32 64\nMODE = 'a'  # knob: 'a' 'b'\n"
    candidate = family_of(source, suffix=".py").candidate({"BLOCK": 32, "MODE": "'b'"})
    assert candidate.source == "import triton\nBLOCK = 32  # knob: 32 64\nMODE = 'b'  # knob: 'a' 'b'\n"
    assert candidate.language is Language.TRITON


def test_the_defaults_render_the_file_as_it_is(family_of):
    source = "#define ROWS 2 // knob: 1 2\n#define HEX 0x10 // knob: 0x10 0x20\n\n\tint x;"
    family = family_of(source)
    assert family.candidate(family.defaults).source == source


# --- requirements ---


def test_requirements_exclude_combinations(family_of):
    family = family_of(
        "#define ROWS 1 // knob: 1 2 3\n#define COLS 1 // knob: 1 2 3\n"
        "// require: ROWS * COLS <= 6\n  // require: ROWS >= COLS\n"
    )
    assert [tuple(values.values()) for values in family.combinations] == [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2)]


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("1 < ROWS <= 3", {2, 3}),
        ("ROWS % 2 == 0", {2, 4}),
        ("ROWS // 2 != 1", {1, 4}),
        ("ROWS + 1 > 3 and ROWS - 1 < 3", {3}),
        ("ROWS == 1 or ROWS == 4", {1, 4}),
        ("12 % (ROWS - 2) == 0", {1, 3, 4}),
    ],
)
def test_requirements_compare_sums_products_and_remainders_of_knobs(family_of, expression, allowed):
    default = min(allowed)
    family = family_of(f"#define ROWS {default} // knob: 1 2 3 4\n// require: {expression}\n")
    assert {values["ROWS"] for values in family.combinations} == allowed


def test_a_python_family_can_have_requirements(family_of):
    family = family_of("A = 1  # knob: 1 2\nB = 1  # knob: 1 2\n# require: A + B <= 3\n", suffix=".py")
    assert len(family.combinations) == 3


def test_without_requirements_every_combination_is_allowed(family_of):
    family = family_of("#define A 1 // knob: 1 2\n#define B 1 // knob: 1 2 3\n#define C 1 // knob: 1\n")
    assert len(family.combinations) == 6
    assert family.defaults in family.combinations


def test_a_family_without_knobs_has_one_combination(family_of):
    family = family_of("void matmul(void) {}\n")
    assert family.combinations == ({},)
    assert family.candidate({}).source == family.source


@pytest.mark.parametrize(
    "expression",
    [
        "ROWS.real > 0",
        "abs(ROWS) > 0",
        "__import__('os').getpid() > 0",
        "ROWS > 1 and __import__('os')",
        "ROWS == 1 or ROWS.denominator",
        "[ROWS][0] > 0",
        "ROWS ** ROWS < 9",
        "(lambda: 1)() > 0",
        "ROWS in (1, 2)",
        "COLS > 0",
        "ROWS > 1 and COLS > 0",
        "ROWS <",
        "",
    ],
)
def test_a_requirement_with_a_call_an_attribute_or_an_unknown_name_is_refused(family_of, expression):
    with pytest.raises(
        TaskError, match=r"tiled\.c:2: require:.*compare sums and products of knobs; the knobs above this line are ROWS"
    ):
        family_of(f"#define ROWS 1 // knob: 1 2\n// require: {expression}\n")


def test_a_requirement_above_the_knob_that_it_names_is_refused(family_of):
    with pytest.raises(TaskError, match=r"tiled\.c:1: .*no knob is above this line"):
        family_of("// require: ROWS > 0\n#define ROWS 1 // knob: 1 2\n")


@pytest.mark.parametrize("expression", ["ROWS > 2", "8 % (ROWS - 2) == 0"])
def test_defaults_that_break_a_requirement_are_refused(family_of, expression):
    with pytest.raises(TaskError, match=r"tiled\.c: the default values break a `require:` line"):
        family_of(f"#define ROWS 2 // knob: 2 4\n// require: {expression}\n")


def test_a_text_value_does_not_meet_a_numeric_requirement(family_of):
    family = family_of("#define MODE 1 // knob: 1 fast\n// require: MODE * 2 <= 4\n")
    assert family.combinations == ({"MODE": 1},)


def test_more_than_a_million_combinations_are_refused(family_of):
    values = " ".join(map(str, range(101)))
    with pytest.raises(TaskError, match=r"tiled\.c: more than 1,000,000 combinations of knobs; list fewer values"):
        family_of("".join(f"#define {name} 1 // knob: {values}\n" for name in "ABC"))


def test_a_family_file_that_is_missing_or_no_text_is_a_one_line_task_error(tmp_path):
    path = tmp_path / "tiled.c"
    with pytest.raises(TaskError, match=r"tiled\.c: No such file"):
        read_family(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TaskError, match=r"tiled\.c: not UTF-8 text"):
        read_family(path)


# --- hypotheses ---


@pytest.mark.parametrize(
    ("source", "suffix", "hypothesis"),
    [
        (
            "// hypothesis: registers are faster\n//   than memory.\n\nint x;\n",
            ".c",
            "registers are faster than memory.",
        ),
        ("/* A kernel.\n *\n * hypothesis: one line\n */\nint x;\n", ".c", "one line"),
        ("# A kernel.\n# Hypothesis: one line\n\nimport triton\n", ".py", "one line"),
        ("int x; // hypothesis: not in the leading comment\n", ".c", "the tiled family"),
    ],
)
def test_the_hypothesis_of_a_family_comes_from_its_leading_comment(family_of, source, suffix, hypothesis):
    assert family_of(source, suffix=suffix).hypothesis == hypothesis


@pytest.mark.parametrize("name", task_names())
def test_the_families_of_all_installed_tasks_are_well_formed(name):
    for path in find_task(name).families:
        family = read_family(path)
        assert not family.hypothesis.endswith("family"), f"{path} states no hypothesis"
        assert family.candidate(family.defaults).source == family.source
        assert family.defaults in family.combinations
