"""How the package is cut: imports point up the list of modules only, and importing it does nothing else."""

import ast
import importlib
import json
import subprocess
import sys

import pytest

import chromolib
from chromolib.config import ROOT

# design.md's list, from what knows nothing to what knows everything; the analyses share a place.
ORDER = [
    "config", "sections", "profile", "files", "genome", "registry", "integrity", "downloads", "sources",
    "readers", "ontology", "depth", "align", "contacts", "inputs", "features", "simulate", "companions", "products", "stack",
    "attention", "batch",
    "pooling", "dataset", "cell_types", "embedded", "resampling", "evaluation", "model", "baselines", "checkpoints", "machine", "train", "released", "runs", "jobs", "workers", "grid", "pretrained",
    "estimates", "studies", "answers",
    "analysis", "browser", "plans", "workflow", "prose",
    "plots", "book", "cli",
]  # fmt: skip
PACKAGE = ROOT / "chromolib"
TAG = f".{sys.implementation.cache_tag}.pyc"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def place(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path):
    """Names of this package's modules that a file imports, anywhere in it."""
    found = set()
    depth = len(path.relative_to(PACKAGE).parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == depth:             # from . or, in a folder, from ..
            found |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "chromolib":
            found |= {node.module.split(".")[1]} if "." in node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("chromolib.")}
    return found - {"__version__"}


def test_every_module_has_its_place_in_the_list():
    assert {place(path) for path in MODULES} <= set(ORDER)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_only_point_up_the_list(path):
    above = ORDER[: ORDER.index(place(path))]
    assert imported(path) <= set(above)


def test_this_test_sees_the_imports_there_are():
    assert {"config", "attention", "batch"} <= imported(PACKAGE / "model.py")
    assert {"sources", "config", "dataset", "evaluation"} <= imported(PACKAGE / "analysis" / "comparison.py")
    assert {"dataset", "pretrained"} <= imported(PACKAGE / "cli.py")             # inside functions too


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_opens_with_what_it_is(path):
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert text is not None or not path.read_text(encoding="utf-8").strip()


LOOK = """
import json, sys
import numpy, pandas, torch
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
def state(): return numpy.random.get_state()[1].tolist(), torch.random.get_rng_state().tolist(), torch.get_num_threads()
before = state()
import importlib
for name in sys.argv[1:]: importlib.import_module(name)
print(json.dumps({"opened": opened, "same": before == state(), "cuda": torch.cuda.is_initialized()}))
"""


def test_importing_sets_no_seed_touches_no_gpu_and_reads_no_file_of_the_project(tmp_path):
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in MODULES]
    done = subprocess.run([sys.executable, "-c", LOOK, *names], capture_output=True, text=True, cwd=tmp_path, check=True)
    seen = json.loads(done.stdout)
    assert seen["same"] and not seen["cuda"]
    modules = {path.replace("__pycache__/", "").replace(TAG, ".py") for path in seen["opened"]}
    assert str(PACKAGE / "config.py") in modules                                 # the list does hold what is opened
    allowed = (str(PACKAGE), str(ROOT / ".venv"), str(ROOT / "chromolib.egg-info"))
    own = [path for path in seen["opened"] if path.startswith(f"{ROOT}/")]  # papermill tries whether the folder itself is a zip
    assert [path for path in own if not path.startswith(allowed)] == []
    assert list(tmp_path.iterdir()) == []


HELP = """
import sys
from chromolib.cli import main
sys.argv = ["chromolib", *sys.argv[1:]]
try:
    main()
finally:
    print("loaded:", *sorted(sys.modules))
"""


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (["--help"], {"torch", "pandas", "numpy", "chromolib.config", "chromolib.profile"}),
        (["train", "--help"], {"torch", "pandas", "numpy", "chromolib.config", "chromolib.profile"}),
        (["fetch", "sim"], {"torch", "chromolib.model"}),  # which needs no download
    ],
)
def test_a_command_loads_no_more_than_it_needs(arguments, absent):
    done = subprocess.run([sys.executable, "-c", HELP, *arguments], capture_output=True, text=True, check=True)
    told, loaded = done.stdout.rsplit("loaded:", 1)
    assert told.strip() and absent.isdisjoint(loaded.split())


def test_editors_and_type_checkers_are_told_of_every_public_name():
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    told = {alias.asname: node.module for node in imports for alias in node.names}
    assert told == chromolib._MODULES and set(told) == set(chromolib.__all__)
    for name, module in told.items():
        assert getattr(chromolib, name) is getattr(importlib.import_module(f"chromolib.{module}"), name)
        assert name in dir(chromolib)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(chromolib, "nothing")  # noqa: B009
