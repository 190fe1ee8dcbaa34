"""What a generator is made from: random latents that a seed names, the same on every device and for every count."""

import torch
from jaxtyping import Float
from torch import Tensor

# torch draws normal numbers in blocks of this many, and a last block that is not full in another way.
_BLOCK = 16


def normal_latents(n: int, length: int, seed: int) -> Float[Tensor, "n length"]:
    """Standard normal latents; the first k are the same whatever n is. Drawn on the CPU: a seed means one thing."""
    whole = -(-n * length // _BLOCK) * _BLOCK
    return torch.randn(whole, generator=torch.Generator().manual_seed(seed))[: n * length].reshape(n, length)
