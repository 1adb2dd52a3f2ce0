"""Nothing in data or params is executed: no pickle, no eval, only safe YAML loading."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CODE = [*(ROOT / "ballast").rglob("*.py"), *(ROOT / "stages").glob("*.py")]
MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "marshal", "shelve", "subprocess"}
CALLS = {"eval", "exec", "compile", "__import__", "system", "popen", "unsafe_load", "full_load"}
# What runs DVC or git, and what sends work to Dask's workers; none executes a file of the user's.
ALLOWED = {
    "cross_validate.py": {"subprocess"},
    "dask.py": {"pickle", "cloudpickle"},
    "experiments.py": {"subprocess"},
    "git.py": {"subprocess"},
}
NETWORK = {"socket", "urllib", "http", "requests", "ssl", "ftplib", "asyncio"}


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_executed_or_fetched(path: Path) -> None:
    forbidden = (MODULES | NETWORK) - ALLOWED.get(path.name, set())
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & forbidden, node.lineno
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            owner = getattr(getattr(node.func, "value", None), "id", "")
            assert name not in CALLS or (owner, name) in (("re", "compile"), ("model", "compile"))
            assert (owner, name) not in (("yaml", "load"), ("joblib", "load"))
            for keyword in node.keywords:
                value = getattr(keyword.value, "value", None)
                assert (keyword.arg, value) not in (("safe_mode", False), ("allow_pickle", True))
