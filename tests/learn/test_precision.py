from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from training_samples import tiny

from telltale.errors import InvalidConfig
from telltale.learn.precision import cores, execution, full_float32, keep_freed_memory, machine, native_bf16

CPU = torch.device("cpu")


def capabilities(**able: bool) -> dict[str, bool]:
    return {"avx512_bf16": False, "amx_bf16": False} | able


@pytest.mark.parametrize(
    ("able", "native"),
    [({}, False), ({"avx512_bf16": True}, True), ({"amx_bf16": True}, True), ({"avx2": True}, False)],
)
def test_auto_takes_bf16_only_where_it_is_native(
    able: dict[str, bool], native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities(**able))
    assert native_bf16(CPU) == native
    assert execution(tiny(device="cpu")).bf16 == native
    assert execution(tiny(device="cpu", precision="bf16")).bf16
    assert not execution(tiny(device="cpu", precision="fp32")).bf16


def test_autocast_is_on_with_bf16_only() -> None:
    for precision, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
        with execution(tiny(device="cpu", precision=precision)).autocast():
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


def test_processes_of_a_machine_share_its_cores() -> None:
    assert execution(tiny(device="cpu", threads=0)).threads == cores()
    assert execution(tiny(device="cpu", threads=0), local_size=cores()).threads == 1
    assert execution(tiny(device="cpu", threads=0), local_size=100).threads == 1
    assert execution(tiny(device="cpu", threads=3), local_size=2).threads == 3


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_that_is_not_there_is_named() -> None:
    with pytest.raises(InvalidConfig, match="CUDA"):
        execution(tiny(device="cuda"))
    assert execution(tiny(device="auto")).device == CPU


def test_facts_are_what_was_decided() -> None:
    facts = execution(tiny(device="cpu", precision="fp32", channels_last="off", threads=3)).facts()
    assert (facts["precision"], facts["channels_last"], facts["threads"]) == ("fp32", False, 3)
    assert facts["processor"]


def test_keeping_memory_changes_no_result() -> None:
    before = torch.arange(10.0).sum()
    assert keep_freed_memory() in (True, False)
    assert torch.arange(10.0).sum() == before


@pytest.mark.parametrize(("able", "said"), [({"avx512_bf16": True}, "bf16"), ({}, "fp32")])
def test_a_result_says_in_which_format_it_was_trained(
    able: dict[str, bool], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities(**able))
    assert machine().startswith(f"CPU, {cores()} cores, ")
    assert machine().endswith(f", {said}")


BACKENDS: Any = torch.backends
NEWER = hasattr(BACKENDS, "fp32_precision")


def operations() -> list[Any]:
    return [BACKENDS.cudnn.conv, BACKENDS.cuda.matmul, BACKENDS.mkldnn.conv, BACKENDS.mkldnn.matmul] if NEWER else []


def settings() -> list[str]:
    """How float32 is multiplied now, operation by operation, in torch's newer words; in the older ones before 2.9."""
    older = [] if NEWER else [str(BACKENDS.cudnn.allow_tf32), torch.get_float32_matmul_precision()]
    return [operation.fp32_precision for operation in operations()] + older


def everywhere(value: str) -> None:
    BACKENDS.fp32_precision = value


def convolutions(allowed: bool) -> None:
    BACKENDS.cudnn.allow_tf32 = allowed


@pytest.fixture
def on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Torch's settings as on a machine with one; put back whatever a test did."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    before, convolution = settings(), BACKENDS.cudnn.allow_tf32
    yield
    if NEWER:
        everywhere("none")
    torch.set_float32_matmul_precision("highest")
    convolutions(convolution)
    for operation, value in zip(operations(), before, strict=False):
        operation.fp32_precision = value
    assert settings() == before


@pytest.mark.usefixtures("on_a_gpu")
@pytest.mark.parametrize(
    ("set_it", "value"),
    [
        (convolutions, True),
        (convolutions, False),
        (torch.set_float32_matmul_precision, "medium"),
        pytest.param(everywhere, "tf32", marks=pytest.mark.skipif(not NEWER, reason="torch before 2.9")),
    ],
)
def test_full_float32_holds_inside_and_leaves_nothing_behind(set_it: Callable[[Any], None], value: object) -> None:
    set_it(value)
    before = settings()
    with full_float32():
        assert set(settings()) <= {"ieee", "none", "False", "highest"}
        # Torch compares its two ways of saying it before it multiplies on a GPU, and stops where they disagree.
        assert torch.get_float32_matmul_precision() == "highest"
        assert not BACKENDS.cuda.matmul.allow_tf32
    assert settings() == before
    if set_it is everywhere:
        everywhere("ieee")
        assert set(settings()) == {"ieee"}, "no longer follows what holds everywhere"
    if set_it is torch.set_float32_matmul_precision:
        assert torch.get_float32_matmul_precision() == value


@pytest.mark.usefixtures("on_a_gpu")
def test_full_float32_of_two_threads_ends_with_the_last() -> None:
    torch.set_float32_matmul_precision("high")
    before = settings()
    first, second = full_float32(), full_float32()
    first.__enter__()
    second.__enter__()
    inside = settings()
    first.__exit__(None, None, None)
    assert settings() == inside != before
    second.__exit__(None, None, None)
    assert settings() == before


@pytest.mark.usefixtures("on_a_gpu")
def test_full_float32_ends_after_an_error() -> None:
    torch.set_float32_matmul_precision("high")
    before = settings()
    with pytest.raises(ValueError, match="damaged"), full_float32():
        raise ValueError("damaged")
    assert settings() == before
