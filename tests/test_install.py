"""The install files agree with each other, and `make` says what is missing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from chromolib.config import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
BATCH = EXTRAS.pop("batch")  # has an environment of its own
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())
REQUIREMENTS = [Requirement(line) for line in sum(EXTRAS.values(), PROJECT["dependencies"])]
INSTALLERS = {"pip", "setuptools", "wheel"}  # `pip freeze` leaves them out
PYTHONS = [f"3.{minor}" for minor in range(8, 30)]

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed: apt-get install make")


def read_pins(name: str = "constraints.txt") -> dict[str, Version]:
    lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")]
    pins = dict(line.split("==") for line in lines)
    assert len(pins) == len(lines), "a package is pinned twice"
    return {canonicalize_name(name): Version(version) for name, version in pins.items()}


def test_pinned_versions_run_on_the_python_of_debian_12():
    oldest = "3.11.2"  # within 3.11, which the README promises; a pin for 3.11.5 once sent pip into hours of search
    pins = read_pins()
    installed = {canonicalize_name(package.name): package.metadata["Requires-Python"] for package in metadata.distributions()}
    found = {name: versions for name, versions in installed.items() if name in pins}
    assert len(found) > 100
    assert not [name for name, versions in found.items() if versions and oldest not in SpecifierSet(versions)]


def test_wheel_holds_every_file_of_the_package(tmp_path, monkeypatch):
    # chromolib.plots was once missing in a list of packages; a checkout installed with -e does not notice.
    shutil.copytree(ROOT / "chromolib", tmp_path / "chromolib", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "chromolib" / "plots" / "drawn.js").touch()
    files = {str(path.relative_to(tmp_path)) for path in (tmp_path / "chromolib").rglob("*") if path.is_file()}
    monkeypatch.chdir(tmp_path)
    build_meta = pytest.importorskip("setuptools.build_meta", reason="setuptools is not installed: pip install setuptools")
    wheel = tmp_path / build_meta.build_wheel(tmp_path)
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == files


def conda_requirements() -> list[Requirement]:
    return [Requirement(line) for line in ENVIRONMENT["dependencies"] if isinstance(line, str)]


def pip_lines() -> list[str]:
    (section,) = [entry["pip"] for entry in ENVIRONMENT["dependencies"] if isinstance(entry, dict)]
    return section


def test_pins_are_plain_versions():
    pins = read_pins()
    assert [name for name, version in pins.items() if version.local] == [], "a build such as +cpu excludes the others"
    assert not (INSTALLERS | {PROJECT["name"]}) & set(pins)


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=str)
def test_pin_satisfies_requirement(requirement):
    if requirement.name == PROJECT["name"]:
        assert requirement.extras <= set(EXTRAS)
    else:
        assert read_pins()[canonicalize_name(requirement.name)] in requirement.specifier


@pytest.mark.parametrize("requirement", [Requirement(line) for line in BATCH], ids=str)
def test_pin_of_the_environment_of_batch_satisfies_requirement(requirement):
    assert read_pins("constraints-batch.txt")[canonicalize_name(requirement.name)] in requirement.specifier


def installed_requirements(name: str, extras: set[str], seen: dict[tuple[str, str], Version]) -> None:
    """Walk down from a package over all that its metadata asks for on this machine; fills `seen`."""
    for line in metadata.requires(name) or []:
        requirement = Requirement(line)
        wanted = [extra for extra in extras | {""} if not requirement.marker or requirement.marker.evaluate({"extra": extra})]
        key = canonicalize_name(requirement.name), ",".join(sorted(requirement.extras))
        if not wanted or key in seen:
            continue
        seen[key] = Version(metadata.version(requirement.name))
        installed_requirements(requirement.name, set(requirement.extras), seen)


def test_everything_that_is_installed_for_us_is_pinned_as_it_is():
    seen: dict[tuple[str, str], Version] = {}
    installed_requirements(PROJECT["name"], set(EXTRAS), seen)
    pins = read_pins()
    assert len({name for name, _ in seen}) > 100
    for (name, _), version in seen.items():
        if name not in INSTALLERS | {PROJECT["name"]}:
            assert name in pins, f"{name}: not pinned; renew constraints.txt as its first lines say"
            assert str(pins[name]) == version.public, f"{name}: pinned {pins[name]}, installed {version}; run make again"


def test_environment_has_pythons_that_the_package_accepts_from_the_same_one_on():
    (python,) = [requirement for requirement in conda_requirements() if requirement.name == "python"]
    accepted = SpecifierSet(PROJECT["requires-python"])
    offered = [version for version in PYTHONS if version in python.specifier]
    assert offered[0] == next(version for version in PYTHONS if version in accepted)
    assert set(offered) <= {version for version in PYTHONS if version in accepted}
    assert offered[-1] != PYTHONS[-1], "a Python that is not out yet has no wheels: give an upper bound"


def test_environment_takes_from_conda_only_what_pypi_lacks():
    assert ENVIRONMENT["channels"] == ["conda-forge", "bioconda"]
    assert sorted(requirement.name for requirement in conda_requirements()) == ["bedtools", "bwa", "pip", "python", "samtools"]


def test_environment_installs_every_extra_under_the_constraints():
    constraint, package = pip_lines()
    assert constraint == "-c constraints.txt" and (ROOT / "constraints.txt").is_file()
    assert set(re.fullmatch(r"-e \.\[([\w,]+)\]", package)[1].split(",")) == set(EXTRAS)


def test_citation_has_this_version_and_licence():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert str(citation["version"]) == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["references"][0]["doi"] in (ROOT / "book" / "references.bib").read_text()


# make


def run_make(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    given = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "CONDA"))}
    return subprocess.run(
        [shutil.which("make"), "-C", str(ROOT), *arguments], env=given | environment, capture_output=True, text=True, check=False
    )


def fake_program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


@needs_make
@pytest.mark.parametrize("target", ["book", "test"])
def test_make_installs_the_extra_of_its_target_under_the_constraints(target, tmp_path):
    assert target in EXTRAS
    plan = run_make("--dry-run", target, f"VENV={tmp_path}/venv", "TORCH_FLAGS=--index-url X").stdout
    assert f"-m venv \"{tmp_path}/venv\"" in plan
    installs = re.findall(rf"^{tmp_path}/venv/bin/python -m pip install .*$", plan, flags=re.MULTILINE)
    assert [line.split("-c constraints.txt ")[1] for line in installs] == ["--index-url X torch", f"--quiet -e '.[{target}]'"]


@needs_make
def test_make_installs_once_until_pyproject_or_constraints_change(tmp_path):
    fake_program(tmp_path / "bin", "python", "exit 0")
    stamp = tmp_path / ".installed-book"
    stamp.touch()
    assert "pip install" not in run_make("--dry-run", "book", f"VENV={tmp_path}").stdout
    for name in ("pyproject.toml", "constraints.txt"):
        changed_at = (ROOT / name).stat().st_mtime
        os.utime(stamp, (changed_at - 1, changed_at - 1))
        assert "pip install" in run_make("--dry-run", "book", f"VENV={tmp_path}").stdout, name
        stamp.touch()


@needs_make
def test_make_installs_snakemake_apart_and_hands_it_the_profile(tmp_path):
    plan = run_make("--dry-run", "batch", "PROFILE=own.yml", f"VENV={tmp_path}/venv", f"BATCH_VENV={tmp_path}/batch", f"DIRECTORY={tmp_path}").stdout
    assert f'"{tmp_path}/batch/bin/python" -m pip install --disable-pip-version-check --quiet -c constraints-batch.txt' in plan
    assert f'profile="{ROOT}/own.yml" bin="{tmp_path}/venv/bin"' in plan  # steps run in another folder


@needs_make
def test_make_hands_the_profile_over(tmp_path):
    assert ':$PATH" chromolib book "h1-demo"' in run_make("--dry-run", "book", "PROFILE=h1-demo", f"VENV={tmp_path}").stdout
    assert ':$PATH" chromolib book "sim"' in run_make("--dry-run", "book", f"VENV={tmp_path}").stdout


@needs_make
@pytest.mark.parametrize(
    ("script", "message"),
    [
        ('case "$2" in *version_info*) exit 1;; esac', "older than 3.11: sudo apt-get install python3 python3-venv"),
        ('case "$2" in *ensurepip*) exit 1;; esac', "cannot make environments: sudo apt-get install python3-venv"),
    ],
    ids=["too old", "no python3-venv"],
)
def test_make_names_the_command_that_repairs_python(tmp_path, script, message):
    python = fake_program(tmp_path / "bin", "python-fake", script)
    finished = run_make("book", f"PYTHON={python}", f"VENV={tmp_path}/venv")
    assert finished.returncode != 0 and not (tmp_path / "venv").exists()
    assert message in finished.stderr.splitlines()[0]


TOOLS = ("bedtools", "bwa", "samtools")
ALL = " ".join(TOOLS)


@needs_make
@pytest.mark.parametrize(
    ("programs", "environment", "expected"),
    [
        ({}, {}, f"missing: {ALL}; sudo apt-get install {ALL}, or conda"),
        ({"apt-get": "exit 0", "id": "echo 1000"}, {}, f"missing: {ALL}; sudo apt-get install {ALL}, or conda"),
        ({"apt-get": "echo asked-apt $*", "id": "echo 0", "sh": 'shift; eval "$1"'}, {}, f"asked-apt install -y -qq {ALL}"),
        ({"apt-get": "exit 0", "id": "echo 1000", "sudo": "echo asked-sudo $*"}, {}, "asked-sudo sh -c apt-get update"),
        ({"conda": "echo asked-conda $*"}, {"CONDA_PREFIX": "x"}, f"asked-conda install -y -c conda-forge -c bioconda {ALL}"),
        ({"conda": "echo asked-conda $*", "bwa": "exit 0"}, {"CONDA_PREFIX": "x"}, "-c bioconda bedtools samtools"),
    ],
    ids=["no apt", "no rights", "root", "sudo", "conda", "one is there"],
)
def test_make_gets_tools_where_it_may_and_names_the_command_where_not(tmp_path, programs, environment, expected):
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, script in programs.items():
        fake_program(folder, name, script)
    finished = run_make("tools", f"VENV={tmp_path}/venv", PATH=str(folder), **environment)
    assert finished.returncode != 0, "none of these programs has brought the tools"
    assert expected in finished.stdout + finished.stderr
    assert finished.stderr.startswith("missing: bedtools ")
    for name in TOOLS:
        fake_program(folder, name, "exit 0")
    assert run_make("tools", f"VENV={tmp_path}", PATH="").returncode == 0
