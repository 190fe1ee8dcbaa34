"""How this machine trains fastest: number format, memory order, threads, allocator."""

import ctypes
import os
import platform
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from telltale.errors import InvalidConfig
from telltale.learn.config import TrainConfig

# <malloc.h>: the parameters of mallopt and the largest value they take.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_LARGEST_INT = 2**31 - 1
_TOP_PAD = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Execution:
    """What "auto" came to on this machine.

    Attributes:
        device: where tensors live.
        bf16: autocast to bfloat16.
        channels_last: activations in NHWC order.
        threads: of torch, in this process.
    """

    device: torch.device
    bf16: bool
    channels_last: bool
    threads: int

    def autocast(self) -> AbstractContextManager[object]:
        """The context of the forward pass."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()

    @property
    def memory_format(self) -> torch.memory_format:
        """Of the weights; activations follow."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def facts(self) -> dict[str, Any]:
        """For `run.json`: what a reader needs to judge a speed or repeat a run."""
        cuda = self.device.type == "cuda"
        return {
            "device": torch.cuda.get_device_name(self.device) if cuda else str(self.device),
            "processor": processor(),
            "cores": cores(),
            "bf16_native": native_bf16(torch.device("cpu")),
            "threads": self.threads,
            "precision": "bf16" if self.bf16 else "fp32",
            "channels_last": self.channels_last,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
        }


def execution(config: TrainConfig, *, local_rank: int = 0, local_size: int = 1) -> Execution:
    """Resolve every "auto" of a config.

    Args:
        config: device, precision, channels_last, threads.
        local_rank: this process's number on this machine; picks the CUDA device.
        local_size: processes on this machine, which share its cores.

    Raises:
        InvalidConfig: CUDA is asked for and there is none.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise InvalidConfig(expected="a CUDA device", found="none that torch can use", do="Set --device cpu.")
    cuda = config.device == "cuda" or (config.device == "auto" and torch.cuda.is_available())
    device = torch.device("cuda", local_rank) if cuda else torch.device("cpu")
    return Execution(
        device=device,
        bf16=config.precision == "bf16" or (config.precision == "auto" and native_bf16(device)),
        channels_last=config.channels_last != "off",
        threads=config.threads or max(1, cores() // local_size),
    )


class _FullFloat32:
    """Who is inside `full_float32`: torch's settings belong to the process, so the last one out restores them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.restore: Callable[[], None] = lambda: None


_full_float32 = _FullFloat32()


@contextmanager
def full_float32() -> Iterator[None]:
    """Products and sums of float32 in float32, whatever the program around telltale has set.

    TensorFloat-32 rounds factors to ten bits, and torch lets convolutions on a GPU use it unless told otherwise; a
    program may ask for it, or for bfloat16, everywhere. Several threads may be inside at the same time; afterwards the
    program's settings are as they were.
    """
    with _full_float32.lock:
        if _full_float32.inside == 0:
            _full_float32.restore = _ask_for_full_float32()
        _full_float32.inside += 1
    try:
        yield
    finally:
        with _full_float32.lock:
            _full_float32.inside -= 1
            if _full_float32.inside == 0:
                _full_float32.restore()


def _ask_for_full_float32() -> Callable[[], None]:
    """What undoes it. Torch has two ways to say it, and from 2.9 on an error where the two disagree."""
    backends: Any = torch.backends
    cuda = torch.cuda.is_available()
    new = hasattr(backends, "fp32_precision")
    operations: list[Any] = [
        getattr(backend, name, None)
        for backend in (backends.mkldnn, *((backends.cudnn, backends.cuda) if cuda else ()))
        for name in ("conv", "matmul")
    ]
    rounding = [one for one in operations if getattr(one, "fp32_precision", "none") not in ("none", "ieee")]
    newer = [(operation, operation.fp32_precision) for operation in rounding]
    # Some versions warn of whoever asks in the older way, so nobody does who need not.
    words = _matmul_words() if rounding or not new else "highest"
    older = cuda and not new and backends.cudnn.allow_tf32

    def restore() -> None:
        if words != "highest":
            torch.set_float32_matmul_precision(words)
        for operation, value in newer:
            # Where it followed its backend, it does again; an answer does not tell that from the same said here.
            operation.fp32_precision = "none"
            if operation.fp32_precision != value:
                operation.fp32_precision = value
        if older:
            backends.cudnn.allow_tf32 = True

    if words != "highest":
        torch.set_float32_matmul_precision("highest")
    for operation, _ in newer:
        operation.fp32_precision = "ieee"
    if older:
        backends.cudnn.allow_tf32 = False
    return restore


def _matmul_words() -> str:
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:  # Only the newer way was used, and the older one refuses to answer.
        return "highest"


def native_bf16(device: torch.device) -> bool:
    """Whether bfloat16 products run in hardware; emulated ones are slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """The processor's name, as far as the system tells."""
    return str(torch.cpu.get_capabilities().get("cpu_name") or platform.processor() or platform.machine())


def machine() -> str:
    """This machine as results name it, with the number format that "auto" trains in: rounding differs between them."""
    cuda = torch.cuda.is_available()
    precision = "bf16" if native_bf16(torch.device("cuda" if cuda else "cpu")) else "fp32"
    return f"{torch.cuda.get_device_name() if cuda else 'CPU'}, {cores()} cores, {processor()}, {precision}"


def keep_freed_memory() -> bool:
    """Tell glibc to keep large blocks instead of handing them back to the system after every step.

    A training step frees and takes the same hundreds of megabytes each time; without this each of their pages is
    faulted in and zeroed again. Holds for the whole process, until it ends.

    Returns:
        Whether the C library took the settings; False where it is not glibc.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):
        return False
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _LARGEST_INT), (_M_TOP_PAD, _TOP_PAD))
    taken = [mallopt(parameter, value) == 1 for parameter, value in settings]
    return all(taken)
