"""What is found out about a machine, each with its remedy; the command line shows these findings."""

import os

from kernelsmith.app.doctor import disk_finding, endpoint_finding, gpu_findings, machine_findings, write_finding


def test_a_folder_that_will_be_made_can_be_written_where_its_nearest_parent_can(tmp_path):
    finding = write_finding(tmp_path / "runs" / "of" / "mine")
    assert (finding.ok, finding.required, finding.remedy) == (True, True, "")
    assert not (tmp_path / "runs").exists(), "nothing is made by looking"


def test_a_folder_that_cannot_be_written_has_a_remedy(tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    if os.access(locked, os.W_OK):  # root may write anywhere: a folder that the kernel refuses for everybody
        locked = type(tmp_path)("/proc")
    finding = write_finding(locked)
    assert not finding.ok
    assert "--db" in finding.remedy


def test_free_space_is_said_in_gibibytes(tmp_path):
    assert disk_finding(tmp_path / "runs").found.endswith(" GiB free")


def test_a_machine_without_a_model_lacks_nothing_and_is_told_how_to_name_one():
    finding = endpoint_finding(None, {})
    assert (finding.ok, finding.required) == (True, False)
    assert "--model NAME --base-url URL" in finding.remedy


def test_an_endpoint_that_answers_is_named_and_one_that_does_not_has_a_remedy(fake):
    fake.answers = [fake.whole({"data": [{"id": "m"}]})]
    found = endpoint_finding(fake.url, {"KERNELSMITH_API_KEY": "sk-secret"})
    assert found.ok
    assert fake.url in found.found
    assert "sk-secret" not in found.found
    missing = endpoint_finding(None, {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"})
    assert not missing.ok
    assert "OPENAI_BASE_URL" in missing.remedy


def test_a_harness_that_does_not_start_is_the_one_finding():
    (finding,) = machine_findings("/no/python")
    assert (finding.name, finding.ok, finding.required) == ("harness", False, True)
    assert "--harness-python" in finding.remedy


def test_gpu_libraries_are_looked_for_in_the_interpreter_that_is_named():
    gpu, libraries = gpu_findings("/no/python")
    assert (gpu.name, libraries.name) == ("GPU", "GPU libraries")
    assert "/no/python" in libraries.found
    assert not libraries.required
