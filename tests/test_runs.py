"""Runs have a readable id of their own for each setting, know what they start from, and refuse what cannot be."""

from dataclasses import replace

import pytest

from chromolib import InputError, Run

RUN = Run(profile="smoke", cell_type="S01", fold=1)


def test_id_is_readable():
    assert RUN.id == "S01-clf-chromoformer-fold1-seed42"
    run = Run(profile="smoke", cell_type="S01", fold=2, task="reg", recipe="paper", window_bp=10_000, bin_bp=(500, 100),
              marks=("H3K27ac", "H3K4me3"), max_pcres=0, seed=7)  # fmt: skip
    assert run.id == (
        "S01-reg-chromoformer-fold2-seed7-paper-recipe-window10000-bins500+100-marksH3K27ac+H3K4me3-pcres0"
    )
    assert replace(RUN, precision="bfloat16").id == "S01-clf-chromoformer-fold1-seed42-bfloat16"
    assert replace(RUN, marks=["H3K27ac"], bin_bp=[500]) == replace(RUN, marks=("H3K27ac",), bin_bp=(500,))


def test_each_setting_gives_another_id():
    changes = [
        {"cell_type": "S02"}, {"fold": 2}, {"task": "reg"}, {"recipe": "paper"}, {"window_bp": 2000}, {"seed": 1},
        {"bin_bp": (500,)}, {"bin_bp": (100,)}, {"marks": ("H3K27ac",)}, {"marks": ("H3K9ac",)},
        {"max_pcres": 0}, {"max_pcres": 2}, {"task": "diff", "other": "S02"}, {"task": "diff", "other": "S03"},
        {"precision": "bfloat16"}, {"precision": "float16"}, {"signal": "float16"}, {"precision": "float16", "signal": "float16"},
    ]  # fmt: skip
    ids = [RUN.id, *(Run(**(vars(RUN) | change)).id for change in changes)]
    assert len(set(ids)) == len(ids)
    assert Run(**vars(RUN)).id == RUN.id


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"model": "deepchrom"}, "unknown model 'deepchrom'"),
        ({"task": "dif"}, "Run: task='dif', expected one of clf, reg, diff"),
        ({"task": "diff"}, "task='diff' with other=None, expected a second cell type"),
        ({"task": "reg", "other": "S02"}, "task='reg' with other='S02', expected a second cell type for task diff and for no other"),
        ({"recipe": "mine"}, "recipe='mine', expected one of paper, profile, better"),
        ({"log_base": "10"}, "log_base='10', expected one of e, 2, none, None"),
        ({"signal": "half"}, "signal='half', expected one of float32, float16"),
        ({"precision": "half"}, "precision='half', expected one of float32, tf32, bfloat16, float16"),
    ],
)
def test_run_that_cannot_be_is_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        Run(**(vars(RUN) | wrong))


# From other cell types

TUNED = replace(RUN, cell_type="S03", start="S01", n_genes=20)
HEAD = replace(TUNED, frozen=True)
AGNOSTIC = replace(RUN, learn_from=("S02", "S03"))


def test_id_tells_what_a_run_learned_from():
    assert AGNOSTIC.id == f"{RUN.id}-learned-from-S02+S03"
    assert replace(RUN, learn_from="S02").id == f"{RUN.id}-learned-from-S02"
    assert TUNED.id == "S03-clf-chromoformer-fold1-seed42-start-S01-20-genes"
    assert HEAD.id == "S03-clf-chromoformer-fold1-seed42-start-S01-frozen-20-genes"
    assert replace(RUN, start=["S02"]) == replace(RUN, start="S02") != replace(RUN, start=("S02", "S03"))


def test_source_is_the_same_run_of_another_cell_type_or_of_several():
    assert RUN.source is None and AGNOSTIC.source is None
    about = {"fold": 2, "task": "reg", "max_pcres": 2, "seed": 7}
    assert replace(HEAD, **about).source == replace(RUN, **about)
    of_two = replace(HEAD, start=("S01", "S02"))
    assert of_two.source == replace(RUN, cell_type="S03", learn_from=("S01", "S02"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"learn_from": ()}, r"learn_from=\(\), expected cell types, each once"),
        ({"learn_from": ("S02", "S02")}, r"learn_from=\('S02', 'S02'\), expected cell types, each once"),
        ({"learn_from": "S02", "task": "diff", "other": "S02"}, r"learn_from=\('S02',\) with task='diff', expected clf or reg"),
        ({"start": "S02", "task": "diff", "other": "S02"}, r"start=\('S02',\) with task='diff', expected clf or reg"),
        ({"start": "S02", "learn_from": "S02"}, r"start=\('S02',\) with learn_from=\('S02',\), expected one of them"),
        ({"start": "S02", "recipe": "better"}, r"start=\('S02',\) with recipe 'better'"),
        ({"frozen": True}, "frozen without start"),
        ({"n_genes": 1}, "n_genes=1, expected 2 or more"),
        ({"n_genes": 20, "select": "best-inner"}, "n_genes=20 with select='best-inner' and genes='all', expected last and all"),
        ({"model": "deepchrome", "start": "S02", "frozen": True}, "frozen=True, but DeepChrome has no such choice"),
        ({"model": "gc-merge", "learn_from": "S02"}, r"learn_from=\('S02',\), but GC-MERGE has no such choice"),
    ],
)
def test_run_from_other_cell_types_that_cannot_be_is_refused(wrong, message):
    with pytest.raises(InputError, match=f"^Run: {message}"):
        Run(**(vars(RUN) | wrong))
