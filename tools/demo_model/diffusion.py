"""The demo's diffusion model: a very small MMDiT (Esser et al. 2024), with the host's parameter names.

The training side needs one thing that the host does not: a prompt is 77 tokens, nearly all of them equal,
and equal tokens stay equal (the context has no positions). So a training context lists each distinct token
once and adds log(how many) to its attention logits, which is the same softmax over 77 tokens at a tenth of
the cost.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DEPTH = 3
HEAD = 64
WIDTH = HEAD * DEPTH
PATCH = 2
CONTEXT_WIDTH = 4096
TIME_WIDTH = 256
CHANNELS = 16


def position_table(rows: int, columns: int) -> Tensor:
    """Sine and cosine places of a patch grid, (rows * columns, WIDTH); the shorter side spans 0…15."""
    short = min(rows, columns)

    def places(count: int) -> Tensor:
        half = count / short * 7.5
        return torch.linspace(7.5 - half, 7.5 + half, count)

    quarter = WIDTH // 4
    frequencies = 10000.0 ** (-torch.arange(quarter) / quarter)
    y, x = torch.meshgrid(places(rows), places(columns), indexing="ij")
    parts = [wave(axis.reshape(-1, 1) * frequencies) for axis in (x, y) for wave in (torch.sin, torch.cos)]
    return torch.cat(parts, dim=1)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Layer norm followed by the time-dependent scale and shift (Peebles & Xie 2023, adaLN)."""
    return F.layer_norm(x, (WIDTH,), eps=1e-6) * (1 + scale.unsqueeze(1)) + shift.unsqueeze(1)


class Attention(nn.Module):
    """One stream's projections; the two streams are mixed in JointBlock."""

    def __init__(self, has_output: bool) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.ln_q = nn.RMSNorm(HEAD, eps=1e-6)
        self.ln_k = nn.RMSNorm(HEAD, eps=1e-6)
        if has_output:
            self.proj = nn.Linear(WIDTH, WIDTH)

    def heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key, value as (n, heads, tokens, HEAD)."""
        n, tokens, _ = x.shape
        q, k, v = self.qkv(x).reshape(n, tokens, 3, DEPTH, HEAD).permute(2, 0, 3, 1, 4)
        return self.ln_q(q), self.ln_k(k), v


class Mlp(nn.Module):
    """Two layers around a GELU."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(WIDTH, 4 * WIDTH)
        self.fc2 = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


def time_layer(parts: int) -> nn.Sequential:
    """SiLU and a linear layer that makes `parts` vectors of WIDTH from the time; starts at zero."""
    layer = nn.Linear(WIDTH, parts * WIDTH)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return nn.Sequential(nn.SiLU(), layer)


class Stream(nn.Module):
    """One stream (picture or context) of a block; the last context stream only offers keys and values."""

    def __init__(self, is_last_context: bool = False) -> None:
        super().__init__()
        self.attn = Attention(has_output=not is_last_context)
        self.adaLN_modulation = time_layer(2 if is_last_context else 6)
        if not is_last_context:
            self.mlp = Mlp()

    def after(self, x: Tensor, mixed: Tensor, parts: tuple[Tensor, ...]) -> Tensor:
        """Both residual steps; parts: the attention's gate, then shift, scale and gate of the MLP."""
        gate, mlp_shift, mlp_scale, mlp_gate = parts
        x = x + gate.unsqueeze(1) * self.attn.proj(mixed)
        return x + mlp_gate.unsqueeze(1) * self.mlp(modulate(x, mlp_shift, mlp_scale))


class JointBlock(nn.Module):
    """Both streams attend to both."""

    def __init__(self, is_last: bool) -> None:
        super().__init__()
        self.context_block = Stream(is_last)
        self.x_block = Stream()
        self.is_last = is_last

    def forward(self, context: Tensor, x: Tensor, time: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        context_parts = self.context_block.adaLN_modulation(time).chunk(2 if self.is_last else 6, dim=1)
        x_parts = self.x_block.adaLN_modulation(time).chunk(6, dim=1)
        context_heads = self.context_block.attn.heads(modulate(context, *context_parts[:2]))
        x_heads = self.x_block.attn.heads(modulate(x, *x_parts[:2]))
        q, k, v = (torch.cat(pair, dim=2) for pair in zip(context_heads, x_heads, strict=True))
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
        mixed = mixed.transpose(1, 2).flatten(2)
        words = context.shape[1]
        if not self.is_last:
            context = self.context_block.after(context, mixed[:, :words], context_parts[2:])
        return context, self.x_block.after(x, mixed[:, words:], x_parts[2:])


class FinalLayer(nn.Module):
    """From the picture stream back to patches."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(WIDTH, PATCH * PATCH * CHANNELS)
        self.adaLN_modulation = time_layer(2)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        return self.linear(modulate(x, *self.adaLN_modulation(time).chunk(2, dim=1)))


class TimeEmbedder(nn.Module):
    """The flow time 0…1 as a vector; the host multiplies it by 1000."""

    def __init__(self) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(TIME_WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH))

    def forward(self, sigma: Tensor) -> Tensor:
        half = TIME_WIDTH // 2
        frequencies = torch.exp(-math.log(10000) * torch.arange(half) / half)
        angles = sigma[:, None] * 1000 * frequencies
        return self.mlp(torch.cat([angles.cos(), angles.sin()], dim=1))


class PatchEmbedder(nn.Module):
    """Patches of the noisy latent as tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(CHANNELS, WIDTH, PATCH, stride=PATCH)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).transpose(1, 2)


class TinyMMDiT(nn.Module):
    """Predicts the flow's velocity, noise minus latent."""

    def __init__(self) -> None:
        super().__init__()
        self.x_embedder = PatchEmbedder()
        self.t_embedder = TimeEmbedder()
        self.context_embedder = nn.Linear(CONTEXT_WIDTH, WIDTH)
        self.joint_blocks = nn.ModuleList([JointBlock(i == DEPTH - 1) for i in range(DEPTH)])
        self.final_layer = FinalLayer()

    def forward(self, x: Tensor, sigma: Tensor, context: Tensor, log_count: Tensor) -> Tensor:
        """x (n, 16, h, w), sigma (n,), context (n, words, 4096 or less), log_count (n, words), -inf pads."""
        rows, columns = x.shape[2] // PATCH, x.shape[3] // PATCH
        tokens = self.x_embedder(x) + position_table(rows, columns)
        time = self.t_embedder(sigma)
        embedder = self.context_embedder
        words = F.linear(context, embedder.weight[:, : context.shape[2]], embedder.bias)
        bias = F.pad(log_count, (0, rows * columns))[:, None, None, :]
        for block in self.joint_blocks:
            words, tokens = block(words, tokens, time, bias)
        patches = self.final_layer(tokens, time)
        patches = patches.reshape(len(x), rows, columns, PATCH, PATCH, CHANNELS).permute(0, 5, 1, 3, 2, 4)
        return patches.reshape(len(x), CHANNELS, rows * PATCH, columns * PATCH)


def sample(
    model: TinyMMDiT, noise: Tensor, context: Tensor, log_count: Tensor, steps: int = 20, shift: float = 3.0
) -> Tensor:
    """Euler steps from noise (n, 16, h, w) to latents, times shifted as in Esser et al. 2024, 5.3.2."""
    times = torch.linspace(1, 0, steps + 1)
    times = shift * times / (1 + (shift - 1) * times)
    x = noise
    with torch.no_grad():
        for now, after in pairwise(times):
            x = x + (after - now) * model(x, now.expand(len(x)), context, log_count)
    return x
