"""Sections of a profile: what each may hold, and one line for what it may not."""

import pytest

from chromolib.profile import load_profile
from tests.test_profile import check_refused, published, write


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"inputs": {"kind": "raw", "simulation": {"genes": 7}}}, "inputs.raw.simulation.genes: .*8"),
        ({"inputs": {"kind": "raw", "simulation": {"genes": 9, "effects": "none"}}}, "simulation.effects: .*promoter"),
        ({"inputs": {"kind": "raw", "simulation": {"genes": 9, "share": {"S02": 1.5}}}}, "simulation.share.S02: .*1"),
        ({"inputs": {"kind": "raw", "simulation": {"genes": 9}, "cohort": "sim"}}, "found simulation and cohort='sim', expected one of them"),
        ({"inputs": {"kind": "raw", "cohort": "a/b.yml"}}, "inputs.raw.cohort: "),
        ({"second_species": {"profile": "mouse"}}, "second_species.orthologues: Field required"),
        ({"second_species": {"profile": "mouse", "orthologues": "{mark}.csv"}}, "second_species.orthologues: .*found {mark}, expected no braces"),
        ({"inputs": {"kind": "raw", "reads": "{celltype}.gz"}}, "found {celltype}, expected only {cell_type} and {mark} in braces"),
        ({"inputs": {"kind": "raw", "contacts": ["{cell_type"]}}, "'{cell_type': found expected '}' before end of string, expected only"),
        *((published(inputs={"signal": signal}), f"inputs.published.signal: .*{found}, expected only {{sample}} and {{mark}} in braces")
          for signal, found in (
              ("x/{foo}", "found {foo}"), ("x/{", "found Single '{'.*"), ("x/}", "found Single '}'.*"), ("x/{}", "found {}"),
              ("x/{sample.a}", "found {sample.a}"), ("x/{mark:d}", "found {mark:d}"), ("x/{mark!r}", "found {mark!r}"),
          )),
        *((published(format, inputs={"contacts": {"C1": "x"}}), f"contacts: found links of C1, expected none: format {format} holds")
          for format in ("patternchrome", "deepdiff")),
    ],
)
def test_setting_of_a_section_that_does_not_fit_is_named_with_its_file(tmp_path, changed, message):
    check_refused(tmp_path / "mine.yml", changed, message)


def test_only_pilot_signal_has_contacts(tmp_path):
    profile = load_profile(write(tmp_path / "mine.yml", **published(base_bp=25, bin_bp=[100, 25], inputs={"contacts": {"C1": "x"}})))
    assert profile.inputs.contacts == {"C1": "x"}
