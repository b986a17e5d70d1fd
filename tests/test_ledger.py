"""Verdicts side by side, from tables made by hand: the page's own profile from this machine, all others as kept."""

import os

import pandas as pd
import pytest

from chromolib import load_profile, plots
from chromolib.analysis import claims, ledger

CLAIM = next(claim for claim in claims.of_notebook("04_window_size") if (claim.direction, claim.threshold) == ("above", 0))
HEAD = "id,figure,first,second,value,low,high,n,p,q,verdict,why\n"


def row(verdict, value=0.1, *, q=0.02, name=CLAIM.id):
    numbers = "," * 5 if verdict == "not testable" else f"{value},{value - 0.05},{value + 0.05},40,0.01,{q}"
    return f"{name},3a,Chromoformer,,{numbers},{verdict},\n"


@pytest.fixture
def kept(monkeypatch, tmp_path):
    """An empty folder of kept tables, and an empty data folder."""
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(ledger, "KEPT", tmp_path / "kept")
    return tmp_path / "kept"


def keep(folder, text):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "04_claims.csv").write_text(HEAD + text)
    (folder / "made.csv").write_text('table,made\n04_claims.csv,"`a command`, 2026-11-24, commit 849a63d. A machine."\n')


def make(profile, text):
    folder = load_profile(profile).work_dir / "results"
    folder.mkdir(parents=True)
    (folder / "04_claims.csv").write_text(HEAD + text)
    os.utime(folder / "04_claims.csv", (1_700_000_000, 1_700_000_000))


def collect(profile="sim"):
    return ledger.collect(load_profile(profile))


def of_claim(found):
    return found.verdicts[found.verdicts["id"] == CLAIM.id].set_index("column")


def test_own_profile_is_read_from_this_machine_and_all_others_as_kept(kept):
    for name, value in (("sim", 0.01), ("h1-demo", 0.01), ("h1-demo/full", 0.02)):
        keep(kept / name, row("not seen", value))
    make("sim", row("seen"))
    make("h1-demo", row("seen"))                                                 # another one's, on this page
    found = collect()
    assert found.verdicts["column"].unique().tolist() == ["h1-demo", "h1-demo, full", "sim"]
    assert of_claim(found)["verdict"].tolist() == ["not seen", "not seen", "seen"]
    assert of_claim(found)["from"].tolist() == ["data/results", "data/results", "this machine"]
    assert found.files["made"].tolist() == ["2026-11-24, commit 849a63d", "2026-11-24, commit 849a63d", "2023-11-14 22:13"]
    assert [profile.name for profile in found.profiles] == ["h1-demo", "sim"]
    assert (found.verdicts.loc[found.verdicts["id"] != CLAIM.id, "verdict"] == "not run").all()
    n = len(claims.of_notebook())
    assert (found.verdicts.groupby("column").size() == n).all() and n == len(ledger.stated("paper")) + len(ledger.stated("ours"))


def test_kept_table_of_which_nothing_is_noted_stops_nothing(kept):
    for name in ("sim", "null"):
        keep(kept / name, row("seen"))
    (kept / "sim" / "made.csv").unlink()
    (kept / "null" / "made.csv").write_text("table,made\n05_claims.csv,x\n")
    assert collect("smoke").files["made"].tolist() == ["not known", "not known"]


@pytest.mark.parametrize(("direction", "value", "verdict"), [("above", -0.1, "ruled out"), ("above", 0.01, "not seen"), ("below", 0.1, "ruled out"), ("either", 0.1, "not seen")])
def test_what_lies_on_the_other_side_is_ruled_out(direction, value, verdict):
    claim = CLAIM.model_copy(update={"direction": direction, "threshold": 0.0})
    found = next(pd.DataFrame({"verdict": ["not seen"], "low": [value - 0.05], "high": [value + 0.05]}).itertuples())
    assert ledger._verdict(found, claim) == verdict


def test_short_of_a_threshold_of_ours_is_not_ruled_out():
    claim = CLAIM.model_copy(update={"direction": "above", "threshold": 0.2, "nothing": 0.0})
    rows = pd.DataFrame({"verdict": ["not seen"] * 2, "low": [-0.1, -0.2], "high": [0.1, -0.1]}).itertuples()
    assert [ledger._verdict(row, claim) for row in rows] == ["not seen", "ruled out"]


def test_full_budget_that_says_the_same_is_no_second_column(kept):
    keep(kept / "h1-demo", row("seen"))
    keep(kept / "h1-demo" / "full", row("seen"))
    assert collect().verdicts["column"].unique().tolist() == ["h1-demo"]
    make("h1-demo", row("not seen"))                                             # shown there in place of what is kept
    assert collect("h1-demo").verdicts["column"].unique().tolist() == ["h1-demo", "h1-demo, full"]


def test_controls_are_held_against_what_is_seen_and_ruled_out(kept):
    keep(kept / "h1-demo", row("seen"))
    keep(kept / "null", row("seen"))
    assert "1 are seen wherever they could be tested (1 of these also on `null`, where" in ledger.in_words(collect().verdicts)
    for name in ("h1-demo", "sim"):
        keep(kept / name, row("not seen", -0.1))
    assert "1 are ruled out on at least one (1 of these also on `sim`" in ledger.in_words(collect().verdicts)


def test_seen_alone_but_not_among_all_claims_has_its_q_beside_it(kept):
    keep(kept / "h1-demo", row("seen", q=0.07))
    keep(kept / "pilot-40kb", row("seen", q=0.03))
    numbers = ledger.in_numbers(collect().verdicts).set_index("id").loc[CLAIM.id]
    assert numbers[["h1-demo", "pilot-40kb"]].tolist() == ["seen: 0.100 [0.050, 0.150], q 0.070", "seen: 0.100 [0.050, 0.150]"]


def test_nothing_kept_and_nothing_made_is_an_empty_page(kept):
    found = collect()
    assert found.profiles == [] and found.verdicts.empty and found.files.empty
    assert ledger.counts(found.verdicts).empty and ledger.in_numbers(found.verdicts).empty
    assert ledger.in_words(found.verdicts).startswith("Of 0 claims, real data could test 0:")
    _, ax = plots.new_figure(size=(3, 3))
    plots.plot_verdicts(found.verdicts, ax)


def test_damaged_tables_and_claims_of_before_are_named_and_left_out(kept):
    keep(kept / "h1-demo", row("seen") + row("seen", name="a-claim-of-before"))
    keep(kept / "sim", "")
    (kept / "sim" / "04_claims.csv").write_text("id,verdict\nx,seen\n")
    found = collect("smoke")
    assert found.files["state"].tolist() == ["read; claims that data/paper.yml does not have: 1", "damaged: no column 'low'"]
    assert found.verdicts["column"].unique().tolist() == ["h1-demo"]


def test_words_and_numbers_say_what_real_profiles_saw(kept):
    keep(kept / "h1-demo", row("not seen", -0.1))
    keep(kept / "pilot-40kb", row("seen"))
    keep(kept / "sim", row("seen"))
    found = ledger.of_paper(collect().verdicts)
    n = found["id"].nunique()
    assert ledger.in_words(found) == (
        f"Of {n} claims, real data could test 1: 0 are seen wherever they could be tested (0 of these also on `null`, where expression follows the promoter alone), 1 on some profiles and not on others, 0 on none; "
        "1 are ruled out on at least one (0 of these also on `sim`, where most were planted)."
    )
    numbers = ledger.in_numbers(found).set_index("id").loc[CLAIM.id]
    assert numbers[["h1-demo", "pilot-40kb"]].tolist() == ["ruled out: -0.100 [-0.150, -0.050]", "seen: 0.100 [0.050, 0.150]"]
    counts = ledger.counts(found)
    assert counts["profile"].tolist() == ["h1-demo", "pilot-40kb", "sim"] and (counts["claims"] == n).all()
    assert counts["ruled out"].tolist() == [1, 0, 0] and counts["not run"].tolist() == [n - 1] * 3


def test_kept_tables_are_all_read_whole():
    found = collect("smoke")
    assert (found.files["state"] == "read").all() and {"h1-demo", "promoters-18k", "sim"} <= set(found.files["profile"])
    assert not ledger.of_ours(found.verdicts).empty and set(found.verdicts["verdict"]) <= set(ledger.VERDICTS) == set(plots.VERDICTS)


def test_every_verdict_has_a_shape_of_its_own(kept):
    keep(kept / "h1-demo", row("not seen", -0.1))
    keep(kept / "sim", row("seen"))
    table = ledger.of_paper(collect().verdicts)
    _, ax = plots.new_figure(size=(6, 12))
    plots.plot_verdicts(table, ax)
    shapes = {line.get_label(): line.get_marker() for line in ax.lines if not line.get_label().startswith("_")}
    assert set(shapes) == {"seen", "ruled out", "not run"} and len(set(shapes.values())) == 3
    assert [text.get_text() for text in ax.get_xticklabels()] == ["h1-demo", "sim\n(simulated)"]
    assert len({shape for _, shape in plots.VERDICTS.values()}) == len(plots.VERDICTS)


def test_damaged_numbers_and_notes_are_named_and_stop_nothing(kept):
    keep(kept / "h1-demo", row("seen").replace("0.05", "a word"))
    keep(kept / "sim", row("seen"))
    (kept / "sim" / "made.csv").write_text("table,made\n04_claims.csv,\n")
    found = collect("null")
    assert found.files["state"].tolist() == ["damaged: column 'low' holds something other than numbers", "read"]
    assert found.files["made"].tolist() == ["2026-11-24, commit 849a63d", "not known"]
    assert found.verdicts["column"].unique().tolist() == ["sim"]
