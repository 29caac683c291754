"""Facts and messages from the output of ptxas and the disassembler, with lines of candidate.cu from the PTX."""

import pytest

from harness.compiling import diagnostics, ptx, sass

SAID = """\
candidate.cu(12): warning #177-D: variable "unused" was declared but never referenced
  int unused;
      ^

ptxas info    : (C7517) warpgroup.wait is injected in around line 6 by compiler in function '_ZN4ours6kernelILi4EEvPf'
ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized in function '_Z2wgPf'
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_Z2wgPf' for 'sm_90a'
ptxas info    : Function properties for _Z2wgPf
    16 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 168 registers, used 1 barriers, 16 bytes cumulative stack size, 4096 bytes smem
ptxas info    : Compiling entry function '_Z5smallPf' for 'sm_90a'
ptxas info    : Function properties for _Z5smallPf
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 32 registers, used 0 barriers
"""
PTX = """\
.visible .entry _Z2wgPf(
.maxntid 128, 3, 1
\t.loc\t1 20 3
\t.loc\t2 900 1, function_name $L__info_string0, inlined_at 1 21 5
\twgmma.fence.sync.aligned;
\tfoo.bar;
.visible .entry _Z5smallPf(
\t.loc\t1 30 3
\t.file\t1 "/private/candidate.cu"
\t.file\t2 "/usr/include/header.h"
"""


def test_resources_are_the_largest_of_all_kernels():
    assert sass.resources(SAID) == sass.Resources(168, 16, 20, 4096)
    assert sass.resources("nothing") == sass.Resources(None, None, None, None)


def test_occupancy_is_the_lowest_of_all_kernels_at_their_launch_bounds():
    assert ptx.block_sizes(PTX) == {"_Z2wgPf": 384}
    assert sass.lowest_occupancy(SAID, block_sizes={"_Z2wgPf": 384}) == 12 / 64
    assert sass.lowest_occupancy(SAID, block_sizes={"_Z5smallPf": 1024, "_Z2wgPf": 256}) == 8 / 64
    assert sass.lowest_occupancy("nothing", block_sizes={}) is None


@pytest.mark.parametrize(("registers", "warps"), [(90, 20), (128, 16), (168, 12), (255, 8), (16, 64), (0, 64)])
def test_every_partition_holds_whole_warps(registers, warps):
    assert sass.occupancy(registers) == warps / 64


def test_a_block_that_does_not_fit_has_no_occupancy():
    assert sass.occupancy(128, threads=1024) == 0
    assert sass.occupancy(32, threads=128, shared_bytes=300_000) == 0


def test_serious_advice_of_the_assembler_comes_first_and_with_lines_of_the_candidate():
    first, second = sass.warnings(ptx.located(SAID, PTX))
    assert first.startswith("C7510: Potential Performance Loss: wgmma")
    assert first.endswith("in function 'wg'")
    assert second == "C7517: warpgroup.wait is injected in around candidate.cu(20) by compiler in function 'kernel'"


def test_a_warning_of_nvcc_is_reported_with_its_line():
    assert diagnostics.warnings(SAID) == ('line 12: variable "unused" was declared but never referenced [#177]',)


def test_an_error_of_the_assembler_is_reported_with_the_candidates_line():
    said = "ptxas candidate.ptx, line 6; error   : Not a name of any known instruction: 'foo.bar'\n"
    said += "ptxas candidate.ptx, line 6; error   : Unknown symbol 'x'\n"
    said += "ptxas fatal   : Ptx assembly aborted due to errors\n"
    found = diagnostics.first_error(ptx.located(said, PTX))
    assert found == "candidate.cu(20): error: Not a name of any known instruction: 'foo.bar'\n  Unknown symbol 'x'"
    assert diagnostics.first_error(ptx.located(said, "")).startswith("candidate.cu: error: Not a name")


MANY_DIGITS = "9" * 9999


@pytest.mark.parametrize(
    "hostile", [f"_Z{MANY_DIGITS}x", f"ptxas info    : Used {MANY_DIGITS} registers", "_Z3ab", "_ZN", ".loc 1 1 1"]
)
def test_hostile_text_does_not_break_the_parsers(hostile):
    said = ptx.located(f"{SAID}\n{hostile}\n", f"{PTX}\n{hostile}\n.maxntid {MANY_DIGITS}\n")
    assert sass.resources(said).registers == 168
    assert ptx.block_sizes(f"{PTX}\n{hostile}\n")


def test_instructions_are_counted_by_their_names():
    listing = [
        "\tcode for sm_90",
        "        /*0000*/                   LDC R1, c[0x0][0x28] ;               /* 0x00000a00ff017b82 */",
        "                                                                        /* 0x000fe20000000800 */",
        "        /*0010*/              @!P0 UTMALDG.2D [UR8], [UR4] ;            /* 0x00000a00ff017b82 */",
        "        /*0020*/                   QGMMA.64x256x32.F32.E4M3.E4M3 R24, gdesc[UR12], R24 ;  /* 0x0 */",
        "        /*0030*/             @UP1 HGMMA.64x256x16.F32.BF16 R24, gdesc[UR12], R24, gsb0 ; /* 0x0 */",
        "        /*0040*/                   STL.128 [R1+0x10], R4 ;              /* 0x00000a00ff017b82 */",
    ]
    assert sass.count(listing) == (80, {"HGMMA": 1, "QGMMA": 1, "UTMALDG": 1, "STL": 1})
