"""The rules of the house that a program can check: who imports what, what is public, how long, how described."""

import ast
import resource
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from statistics import median

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import telltale

SOURCE = Path(telltale.__file__).parent
ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(SOURCE.rglob("*.py"))
# What the base install does not bring, and what it brings but `--help` and `import telltale` can do without.
EXTRAS = (
    "torch", "torchvision", "safetensors", "diffusers", "sklearn", "scipy", "pyarrow", "pandas", "matplotlib", "cv2",
    "onnx", "onnxscript", "openvino", "pillow_heif", "tensorboard", "skimage", "av",
)  # fmt: skip

BLOCK = """
import importlib, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

BLOCKED = set(sys.argv[1].split(","))
sys.meta_path.insert(0, Absent())
for name in sys.argv[2:]:
    importlib.import_module(name)
print(*sorted({loaded.split(".")[0] for loaded in sys.modules} & BLOCKED))
"""


def python(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)


def test_every_light_module_imports_without_any_extra() -> None:
    parts = [path.relative_to(SOURCE.parent).with_suffix("").parts for path in MODULES]
    light = [".".join(found) for found in parts if found[1] not in ("learn", "generate", "__main__")]
    assert {"telltale.image", "telltale.evaluate.scoring", "telltale.cli.predict"} <= set(light)
    done = python(BLOCK, ",".join(EXTRAS), *(name.removesuffix(".__init__") for name in light))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


LOADED = """
import sys
{0}
print(*sorted({{name.split(".")[0] for name in sys.modules}} & set(sys.argv[-1].split(","))))
"""


@pytest.mark.parametrize(
    "statement",
    [
        "import telltale",
        "import telltale.cli",
        "sys.argv[1:1] = ['--help']\nfrom telltale.cli import main\ntry: main()\nexcept SystemExit: pass",
        "sys.argv[1:2] = ['predict', '--help']\nfrom telltale.cli import main\ntry: main()\nexcept SystemExit: pass",
    ],
    ids=["import", "console", "--help", "predict --help"],
)
def test_what_answers_at_once_loads_no_engine(statement: str) -> None:
    done = python(LOADED.format(statement), ",".join((*EXTRAS, "onnxruntime")))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == ""


def test_help_takes_less_than_half_a_second_of_processor_time() -> None:
    # Not by the clock, which says how busy the machine is.
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "telltale", "--help"], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


def without_bytecode(name: str) -> int:
    """Bytes of an installed distribution; of this one, of its sources, wherever they are installed from."""
    if name == "telltale":
        files = [path for path in SOURCE.rglob("*") if path.is_file()]
    else:
        files = [Path(str(file.locate())) for file in metadata.files(name) or ()]
    return sum(path.stat().st_size for path in files if path.suffix != ".pyc" and path.is_file())


def needed(waiting: list[Requirement]) -> set[str]:
    """What is required without any extra, and what that requires."""
    found: set[str] = set()
    while waiting:
        name = canonicalize_name(waiting.pop().name)
        if name not in found:
            found.add(name)
            lines = map(Requirement, metadata.requires(name) or ())
            waiting += [one for one in lines if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found


def test_the_base_install_is_light() -> None:
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    direct = [Requirement(line) for line in asked]
    for one in direct:
        if (found := metadata.version(one.name)) not in one.specifier:
            pytest.skip(f"pyproject.toml asks for {one}, here is {found}: run make test")
    names = {"telltale", *needed(direct)}
    assert {"telltale", "numpy", "onnxruntime", "pygments"} <= names
    assert not {name for name in names if name.startswith(("torch", "nvidia", "sympy", "scipy"))}
    # Bytecode, which pip writes and other installers do not, is 30 MB more; together they must stay within 200 MB.
    assert sum(without_bytecode(name) for name in names) < 170e6


def test_the_public_names() -> None:
    assert telltale.__all__ == [
        "Detector",
        "DetectorSpec",
        "PatchGrid",
        "Pixels",
        "Prediction",
        "Preparation",
        "TelltaleError",
        "__version__",
        "decode",
        "load",
        "prepare",
    ]
    assert all(hasattr(telltale, name) for name in telltale.__all__)


def test_the_console_names_every_command_and_the_version() -> None:
    done = subprocess.run([sys.executable, "-m", "telltale", "--help"], capture_output=True, text=True, check=True)
    for command in (
        "predict",
        "build",
        "audit",
        "train",
        "export",
        "import-original",
        "calibrate",
        "robustness",
        "report",
        "explain",
        "finetune",
    ):
        assert f" {command} " in done.stdout
    done = subprocess.run([sys.executable, "-m", "telltale", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"telltale {telltale.__version__}\n"


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_each_module_keeps_the_house_rules(path: Path) -> None:
    module = tree(path)
    assert ast.get_docstring(module), "no docstring"
    assert not {"utils", "helpers", "opt", "args", "cfg", "manager", "base"} & set(path.stem.split("_"))
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 80, f"{node.name} is too long"
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"line {node.lineno}: bare except"
            silent = len(node.body) == 1 and isinstance(node.body[0], ast.Pass)
            assert not silent, f"line {node.lineno}: silent except"


PROVENANCE = "provenance.py"
# Where the process runs and how it was called is the command line's business.
SURROUNDINGS = {"environ", "environb", "getenv", "putenv", "argv", "getcwd", "getcwdb", "chdir", "cwd"}


@pytest.mark.parametrize(
    "path",
    # provenance tells a recipe how it was called; nothing of the package asks it, as the next test holds.
    [path for path in MODULES if path.relative_to(SOURCE).parts[0] not in ("cli", "serve", "__main__.py", PROVENANCE)],
    ids=lambda path: str(path.relative_to(SOURCE)),
)
def test_only_the_command_line_looks_at_its_surroundings(path: Path) -> None:
    for node in ast.walk(tree(path)):
        names: set[str] = set()
        if isinstance(node, ast.Attribute):
            names = {node.attr}
        elif isinstance(node, ast.ImportFrom) and node.module in ("os", "sys"):
            names = {alias.name for alias in node.names}
        assert not names & SURROUNDINGS, f"line {getattr(node, 'lineno', 0)}: {names & SURROUNDINGS}"


def test_only_recipes_ask_how_they_were_called() -> None:
    asking = [path for path in MODULES if path.name != PROVENANCE and "invocation" in path.read_text(encoding="utf-8")]
    assert asking == []


def test_most_functions_are_short() -> None:
    lengths = []
    for path in MODULES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lengths.append((body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0)
    assert median(lengths) <= 10
