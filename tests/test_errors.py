"""The error tree: three parts, and it survives the trip between processes."""

import copy
import pickle
from concurrent.futures import ProcessPoolExecutor

import pytest

from telltale import errors
from telltale.errors import MissingExtra, TelltaleError, UndecodableImage, require

CHILDREN = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, TelltaleError)]


@pytest.mark.parametrize("kind", CHILDREN)
def test_a_message_has_three_parts(kind: type[TelltaleError]) -> None:
    error = kind(expected="a picture", found="an empty file: a.jpg", do="Leave it out.")
    assert str(error) == "expected a picture; found an empty file: a.jpg. Leave it out."
    assert (error.expected, error.found, error.do) == ("a picture", "an empty file: a.jpg", "Leave it out.")


@pytest.mark.parametrize("kind", CHILDREN)
def test_errors_survive_pickling_and_copying(kind: type[TelltaleError]) -> None:
    error = kind(expected="a", found="b", do="c")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is kind
        assert (twin.expected, twin.found, twin.do, str(twin)) == ("a", "b", "c", str(error))


def test_an_error_comes_back_from_another_process() -> None:
    with ProcessPoolExecutor(1) as processes, pytest.raises(UndecodableImage, match="found b") as caught:
        processes.submit(fail).result()
    assert caught.value.do == "c"


def fail() -> None:
    raise UndecodableImage(expected="a", found="b", do="c")


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """A child of the root begins its line with a branch, a grandchild with four more characters."""
    drawn: dict[str, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        if "── " in line:
            before, name = line.split("── ")[0], line.split("── ")[1].split()[0]
            drawn[name] = "TelltaleError" if len(before) == 1 else list(drawn)[-1]
    assert drawn == {
        kind.__name__: kind.__base__.__name__
        for kind in CHILDREN
        if kind is not TelltaleError and kind.__base__ is not None
    }


def test_require_imports_submodules() -> None:
    assert require("json.decoder", "evaluate").JSONDecodeError


def test_require_names_the_command_that_helps() -> None:
    with pytest.raises(MissingExtra, match=r"'no_such_package'; .*Run: pip install 'telltale\[evaluate\]'$"):
        require("no_such_package.deep.inside", "evaluate")
