"""Modules as students write them, beside the reference modules they compute the same as."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# --- attention: q, k, v, c_proj


def attend(q: Tensor, k: Tensor, v: Tensor, scale: float | None = None) -> Tensor:
    """(B, H, T, D) each; causal."""
    T, D = q.shape[-2:]
    scores = q @ k.transpose(-2, -1) * (D**-0.5 if scale is None else scale)
    return scores.masked_fill(~torch.ones(T, T).tril().bool(), -torch.inf).softmax(-1) @ v


class Attention(nn.Module):
    scale: float | None = None
    q: Any
    k: Any
    v: Any
    c_proj: Any

    def __init__(self, n_embd: int, n_head: int) -> None:
        super().__init__()
        self.n_head = n_head
        self.q, self.k, self.v, self.c_proj = (nn.Linear(n_embd, n_embd) for _ in range(4))

    def heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:-1], self.n_head, -1).transpose(1, 2)

    def merged(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2).flatten(2)

    def mixed(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """(B, T, C) each."""
        return self.merged(attend(self.heads(q), self.heads(k), self.heads(v), self.scale))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.c_proj(self.mixed(self.q(x), self.k(x), self.v(x)))
        return out


class OwnLayers(Attention):
    """The same arithmetic around layers of its own."""

    def __init__(self, n_embd: int, n_head: int) -> None:
        nn.Module.__init__(self)
        self.n_head = n_head
        self.make(n_embd)

    def make(self, C: int) -> None:
        """Its layers."""
        raise NotImplementedError


class Renamed(OwnLayers):
    def make(self, C: int) -> None:
        self.out_proj, self.w_value, self.query, self.keys = (nn.Linear(C, C) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.out_proj(self.mixed(self.query(x), self.keys(x), self.w_value(x)))
        return out


class Nameless(OwnLayers):
    def make(self, C: int) -> None:
        self.a, self.d, self.c, self.b = (nn.Linear(C, C) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.c(self.mixed(self.a(x), self.b(x), self.d(x)))
        return out


class Swapped(Attention):
    """q and k have each other's names: a renaming, and right."""

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.c_proj(self.mixed(self.k(x), self.q(x), self.v(x)))
        return out


class NoKeyBias(Attention):
    """A key's bias adds the same to all scores of a query: it makes no difference."""

    def __init__(self, n_embd: int, n_head: int) -> None:
        super().__init__(n_embd, n_head)
        self.k = nn.Linear(n_embd, n_embd, bias=False)


class Unused(Attention):
    """Parameters and buffers that nothing depends on."""

    def __init__(self, n_embd: int, n_head: int) -> None:
        super().__init__(n_embd, n_head)
        self.spare = nn.Linear(n_embd, 2 * n_embd)
        self.temperature = nn.Parameter(torch.ones(()))
        self.register_buffer("tril", torch.ones(16, 16).tril())


class Fused(OwnLayers):
    names = "qkv"

    def make(self, C: int) -> None:
        self.c_attn, self.c_proj = nn.Linear(C, 3 * C), nn.Linear(C, C)

    def split(self, x: Tensor) -> tuple[Tensor, ...]:
        parts: tuple[Tensor, ...] = self.c_attn(x).chunk(3, dim=-1)
        return parts

    def forward(self, x: Tensor) -> Tensor:
        parts = dict(zip(self.names, self.split(x), strict=True))
        out: Tensor = self.c_proj(self.mixed(parts["q"], parts["k"], parts["v"]))
        return out


class FusedInAnotherOrder(Fused):
    names = "vqk"


class FusedByHead(Fused):
    def split(self, x: Tensor) -> tuple[Tensor, ...]:
        parts = self.c_attn(x).unflatten(-1, (self.n_head, 3, -1))  # (B, T, H, 3, D)
        return tuple(parts[..., i, :].flatten(-2) for i in range(3))


class FusedByFeature(Fused):
    def split(self, x: Tensor) -> tuple[Tensor, ...]:
        parts: tuple[Tensor, ...] = self.c_attn(x).unflatten(-1, (-1, 3)).unbind(-1)
        return parts


class FusedAsEinopsDoes(Fused):
    """`(d k h)`: the feature counts slowest, then q, k and v, then the head."""

    def split(self, x: Tensor) -> tuple[Tensor, ...]:
        parts = self.c_attn(x).unflatten(-1, (-1, 3, self.n_head))  # (B, T, D, 3, H)
        return tuple(parts[..., i, :].transpose(-2, -1).flatten(-2) for i in range(3))


class FusedTransposed(Fused):
    """One matrix (C, 3C), another (C, C), and biases of their own."""

    def make(self, C: int) -> None:
        self.W_in, self.b_in = nn.Parameter(torch.zeros(C, 3 * C)), nn.Parameter(torch.zeros(3 * C))
        self.W_out, self.b_out = nn.Parameter(torch.zeros(C, C)), nn.Parameter(torch.zeros(C))

    def forward(self, x: Tensor) -> Tensor:
        return self.mixed(*(x @ self.W_in + self.b_in).chunk(3, dim=-1)) @ self.W_out + self.b_out


class FusedKeysAndValues(OwnLayers):
    def make(self, C: int) -> None:
        self.to_q, self.to_kv, self.to_out = nn.Linear(C, C), nn.Linear(C, 2 * C), nn.Sequential(nn.Linear(C, C))

    def forward(self, x: Tensor) -> Tensor:
        k, v = self.to_kv(x).chunk(2, dim=-1)
        out: Tensor = self.to_out(self.mixed(self.to_q(x), k, v))
        return out


class Head(nn.Module):
    def __init__(self, C: int, D: int) -> None:
        super().__init__()
        self.key, self.query, self.value = (nn.Linear(C, D) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return attend(self.query(x), self.key(x), self.value(x))


class Heads(OwnLayers):
    def make(self, C: int) -> None:
        H, D = self.n_head, C // self.n_head
        self.heads_ = nn.ModuleList(Head(C, D) for _ in range(H))
        self.proj = nn.Linear(C, C)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.proj(torch.cat([head(x) for head in self.heads_], dim=-1))
        return out


class HeadsFused(OwnLayers):
    def make(self, C: int) -> None:
        H, D = self.n_head, C // self.n_head
        self.each = nn.ModuleList(nn.Linear(C, 3 * D) for _ in range(H))
        self.proj = nn.Linear(C, C)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.proj(torch.cat([attend(*one(x).chunk(3, dim=-1)) for one in self.each], dim=-1))
        return out


class HeadsSummed(OwnLayers):
    """Each head has its share of the output projection, too."""

    def make(self, C: int) -> None:
        H, D = self.n_head, C // self.n_head
        self.q, self.k, self.v = (nn.ModuleList(nn.Linear(C, D) for _ in range(H)) for _ in range(3))
        self.o = nn.ModuleList(nn.Linear(D, C, bias=False) for _ in range(H))
        self.o_bias = nn.Parameter(torch.zeros(C))

    def forward(self, x: Tensor) -> Tensor:
        layers = zip(self.q, self.k, self.v, self.o, strict=True)
        each = [o(attend(q(x), k(x), v(x))) for q, k, v, o in layers]
        return torch.stack(each).sum(0) + self.o_bias


class Matrices(OwnLayers):
    def make(self, C: int) -> None:
        for name in "qkvo":
            setattr(self, f"W{name}", nn.Parameter(torch.zeros(C, C)))
            setattr(self, f"b{name}", nn.Parameter(torch.zeros(C)))

    def by(self, name: str, x: Tensor) -> Tensor:
        out: Tensor = x @ getattr(self, f"W{name}") + getattr(self, f"b{name}")
        return out

    def forward(self, x: Tensor) -> Tensor:
        return self.by("o", self.mixed(*(self.by(name, x) for name in "qkv")))


class MatricesAsLinear(Matrices):
    def by(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, getattr(self, f"W{name}"), getattr(self, f"b{name}"))


class ListOfMatrices(OwnLayers):
    def make(self, C: int) -> None:
        self.w = nn.ParameterList(nn.Parameter(torch.zeros(C, C)) for _ in range(4))
        self.b = nn.ParameterList(nn.Parameter(torch.zeros(C)) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (x @ self.w[i] + self.b[i] for i in range(3))
        out: Tensor = self.mixed(q, k, v) @ self.w[3] + self.b[3]
        return out


class HeadTensors(OwnLayers):
    """(H, C, D) for q, k, v and (H, D, C) for the output, as with einsum."""

    def make(self, C: int) -> None:
        H, D = self.n_head, C // self.n_head
        self.w_q, self.w_k, self.w_v = (nn.Parameter(torch.zeros(H, C, D)) for _ in range(3))
        self.b_q, self.b_k, self.b_v = (nn.Parameter(torch.zeros(H, 1, D)) for _ in range(3))
        self.w_o, self.b_o = nn.Parameter(torch.zeros(H, D, C)), nn.Parameter(torch.zeros(C))

    def forward(self, x: Tensor) -> Tensor:
        pairs = ((self.w_q, self.b_q), (self.w_k, self.b_k), (self.w_v, self.b_v))
        q, k, v = (torch.einsum("btc,hcd->bhtd", x, w) + b for w, b in pairs)
        return torch.einsum("bhtd,hdc->btc", attend(q, k, v), self.w_o) + self.b_o


class HeadTensorsTheOtherWay(OwnLayers):
    """(C, H, D) for q, k, v in one parameter."""

    def make(self, C: int) -> None:
        H, D = self.n_head, C // self.n_head
        self.qkv, self.qkv_bias = nn.Parameter(torch.zeros(3, C, H, D)), nn.Parameter(torch.zeros(3, H, D))
        self.out = nn.Linear(C, C)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = torch.einsum("btc,schd->sbhtd", x, self.qkv) + self.qkv_bias[:, None, :, None]
        out: Tensor = self.out(self.merged(attend(q, k, v)))
        return out


class Pointwise(OwnLayers):
    def make(self, C: int) -> None:
        self.qkv, self.proj = nn.Conv1d(C, 3 * C, 1), nn.Conv1d(C, C, 1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x.mT).mT.chunk(3, dim=-1)
        out: Tensor = self.proj(self.mixed(q, k, v).mT).mT
        return out


class Conv1D(nn.Module):
    """As in GPT-2: a Linear whose matrix is stored the other way round."""

    def __init__(self, outputs: int, inputs: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.zeros(inputs, outputs)), nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight + self.bias


class LikeGPT2(OwnLayers):
    def make(self, C: int) -> None:
        self.c_attn, self.c_proj = Conv1D(3 * C, C), Conv1D(C, C)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.c_proj(self.mixed(*self.c_attn(x).chunk(3, dim=-1)))
        return out


class Nested(OwnLayers):
    def make(self, C: int) -> None:
        layers = {name: nn.Sequential(nn.Identity(), nn.Linear(C, C)) for name in ("v", "k", "q")}
        self.inner = nn.ModuleDict({"inputs": nn.ModuleDict(layers), "output": nn.Linear(C, C)})

    def forward(self, x: Tensor) -> Tensor:
        inputs: Any = self.inner["inputs"]
        out: Tensor = self.inner["output"](self.mixed(*(inputs[name](x) for name in "qkv")))
        return out


# --- an MLP with its norm: ln, fc1, fc2


class Mlp(nn.Module):
    def __init__(self, n_embd: int) -> None:
        super().__init__()
        self.ln = nn.LayerNorm(n_embd)
        self.fc1, self.fc2 = nn.Linear(n_embd, 4 * n_embd), nn.Linear(4 * n_embd, n_embd)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.fc2(F.gelu(self.fc1(self.ln(x))))
        return out


class SequentialMlp(nn.Module):
    def __init__(self, n_embd: int) -> None:
        super().__init__()
        layers = nn.Linear(n_embd, 4 * n_embd), nn.GELU(), nn.Linear(4 * n_embd, n_embd)
        self.net = nn.Sequential(nn.LayerNorm(n_embd), *layers)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.net(x)
        return out


class OwnNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.beta, self.gamma = nn.Parameter(torch.zeros(width)), nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        normal = (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, unbiased=False) + 1e-5).sqrt()
        return self.gamma * normal + self.beta


class OwnNormMlp(nn.Module):
    def __init__(self, n_embd: int) -> None:
        super().__init__()
        self.norm = OwnNorm(n_embd)
        self.w1, self.b1 = nn.Parameter(torch.zeros(n_embd, 4 * n_embd)), nn.Parameter(torch.zeros(4 * n_embd))
        self.w2, self.b2 = nn.Parameter(torch.zeros(4 * n_embd, n_embd)), nn.Parameter(torch.zeros(n_embd))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + F.gelu(self.norm(x) @ self.w1 + self.b1) @ self.w2 + self.b2
        return out


class TanhMlp(SequentialMlp):
    """A liberty that is granted: GELU by tanh. Near, not equal."""

    def __init__(self, n_embd: int) -> None:
        super().__init__(n_embd)
        self.net[2] = nn.GELU(approximate="tanh")


# --- two tables: vocab_embeddings, position_embeddings


class Tables(nn.Module):
    def __init__(self, n_vocab: int, block_size: int, n_embd: int) -> None:
        super().__init__()
        self.vocab_embeddings = nn.Embedding(n_vocab, n_embd)
        self.position_embeddings = nn.Embedding(block_size, n_embd)

    def forward(self, idx: Tensor) -> Tensor:
        out: Tensor = self.vocab_embeddings(idx) + self.position_embeddings(torch.arange(idx.shape[1]))
        return out


class NamelessTables(nn.Module):
    def __init__(self, n_vocab: int, block_size: int, n_embd: int) -> None:
        super().__init__()
        self.first, self.second = nn.Embedding(block_size, n_embd), nn.Embedding(n_vocab, n_embd)

    def forward(self, idx: Tensor) -> Tensor:
        out: Tensor = self.second(idx) + self.first.weight[: idx.shape[1]]
        return out


class PlainTables(nn.Module):
    def __init__(self, n_vocab: int, block_size: int, n_embd: int) -> None:
        super().__init__()
        self.pos_emb = nn.Parameter(torch.zeros(1, block_size, n_embd))
        self.tok_emb = nn.Linear(n_vocab, n_embd, bias=False)

    def forward(self, idx: Tensor) -> Tensor:
        one_hot = F.one_hot(idx, self.tok_emb.in_features).float()
        out: Tensor = self.tok_emb(one_hot) + self.pos_emb[:, : idx.shape[1]]
        return out


# --- recurrent classifiers: embedding, lstm, fc


class Recurrent(nn.Module):
    """The last hidden states of the last layer, both directions side by side, to two logits."""

    kind: type[nn.LSTM | nn.GRU] = nn.LSTM

    def __init__(self, n_vocab: int, width: int, n_layers: int, bidirectional: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_vocab, width)
        self.lstm = self.kind(width, width, n_layers, batch_first=True, bidirectional=bidirectional)
        self.fc = nn.Linear(2 * width if bidirectional else width, 2)

    def forward(self, ids: Tensor) -> Tensor:
        states, _ = self.lstm(self.embedding(ids))
        D = self.lstm.hidden_size
        last = torch.cat([states[:, -1, :D], states[:, 0, D:]], dim=-1)
        out: Tensor = self.fc(last)
        return out


class Gru(Recurrent):
    kind = nn.GRU


class RenamedRecurrent(nn.Module):
    kind: type[nn.LSTM | nn.GRU] = nn.LSTM

    def __init__(self, n_vocab: int, width: int, n_layers: int, bidirectional: bool) -> None:
        super().__init__()
        self.classifier = nn.Sequential(nn.Dropout(0.1), nn.Linear(2 * width if bidirectional else width, 2))
        self.encoder = self.kind(width, width, n_layers, bidirectional=bidirectional)
        self.emb = nn.Embedding(n_vocab, width)

    def forward(self, ids: Tensor) -> Tensor:
        states, _ = self.encoder(self.emb(ids).transpose(0, 1))
        D = self.encoder.hidden_size
        out: Tensor = self.classifier(torch.cat([states[-1, :, :D], states[0, :, D:]], dim=-1))
        return out


class RenamedGru(RenamedRecurrent):
    kind = nn.GRU


class LayerByLayer(nn.Module):
    """Single layers in a list, and for each direction one."""

    def __init__(self, n_vocab: int, width: int, n_layers: int, bidirectional: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(n_vocab, width)
        both = 2 if bidirectional else 1
        sizes = [width if i == 0 else both * width for i in range(n_layers)]
        self.forwards = nn.ModuleList(nn.LSTM(size, width, batch_first=True) for size in sizes)
        if bidirectional:
            self.backwards = nn.ModuleList(nn.LSTM(size, width, batch_first=True) for size in sizes)
        self.out = nn.Linear(both * width, 2)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids)
        for i, layer in enumerate(self.forwards):
            there = layer(x)[0]
            back = self.backwards[i](x.flip(1))[0].flip(1) if hasattr(self, "backwards") else there[..., :0]
            x = torch.cat([there, back], dim=-1)
        D = there.shape[-1]
        out: Tensor = self.out(torch.cat([x[:, -1, :D], x[:, 0, D:]], dim=-1))
        return out


class Cells(nn.Module):
    """One direction, a cell for each layer."""

    def __init__(self, n_vocab: int, width: int, n_layers: int, *_: int) -> None:
        super().__init__()
        self.table = nn.Embedding(n_vocab, width)
        self.cells = nn.ModuleList(nn.LSTMCell(width, width) for _ in range(n_layers))
        self.head = nn.Linear(width, 2)

    def forward(self, ids: Tensor) -> Tensor:
        state: list[Any] = [None for _ in self.cells]
        for x in self.table(ids).unbind(1):
            below = x
            for i, cell in enumerate(self.cells):
                state[i] = cell(below, state[i])
                below = state[i][0]
        out: Tensor = self.head(state[-1][0])
        return out


class TwoLinears(nn.Module):
    """One layer written out, as most do: all gates of the input in one Linear, all gates of the state in another."""

    def __init__(self, n_vocab: int, width: int, *_: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_vocab, width)
        self.x2h, self.h2h = nn.Linear(width, 4 * width), nn.Linear(width, 4 * width)
        self.fc = nn.Linear(width, 2)

    def gates(self, x: Tensor, h: Tensor) -> tuple[Tensor, ...]:
        i, f, g, o = (self.x2h(x) + self.h2h(h)).chunk(4, dim=-1)
        return i, f, g, o

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids)
        h = c = torch.zeros_like(x[:, 0])
        for step in x.unbind(1):
            i, f, g, o = self.gates(step, h)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        out: Tensor = self.fc(h)
        return out


class EightLinears(TwoLinears):
    """A Linear for each gate of the input and of the state."""

    def __init__(self, n_vocab: int, width: int, *_: int) -> None:
        nn.Module.__init__(self)
        self.embedding = nn.Embedding(n_vocab, width)
        for kind in "ih":
            for gate in "ifgo":
                setattr(self, f"W_{kind}{gate}", nn.Linear(width, width))
        self.fc = nn.Linear(width, 2)

    def gates(self, x: Tensor, h: Tensor) -> tuple[Tensor, ...]:
        return tuple(getattr(self, f"W_i{gate}")(x) + getattr(self, f"W_h{gate}")(h) for gate in "ifgo")


class Gates(nn.Module):
    """One layer written out, a Linear on (x, h) for each gate and one bias: a layout of the assignment's own."""

    def __init__(self, n_vocab: int, width: int, *_: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_vocab, width)
        self.i, self.f, self.g, self.o = (nn.Linear(2 * width, width) for _ in range(4))
        self.fc = nn.Linear(width, 2)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids)
        h = c = torch.zeros_like(x[:, 0])
        for step in x.unbind(1):
            both = torch.cat([step, h], dim=-1)
            c = self.f(both).sigmoid() * c + self.i(both).sigmoid() * self.g(both).tanh()
            h = self.o(both).sigmoid() * c.tanh()
        out: Tensor = self.fc(h)
        return out


def gates(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """From nn.LSTM's four gates in one to four Linears."""
    both = torch.cat([weights["lstm.weight_ih_l0"], weights["lstm.weight_hh_l0"]], dim=1).chunk(4)
    bias = (weights["lstm.bias_ih_l0"] + weights["lstm.bias_hh_l0"]).chunk(4)
    named = {name: weights[name] for name in ("embedding.weight", "fc.weight", "fc.bias")}
    for gate, weight, added in zip("ifgo", both, bias, strict=True):
        named |= {f"{gate}.weight": weight, f"{gate}.bias": added}
    return named


# --- convolutions: conv1, conv2, fc


class Convolutions(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv1d(width, width, 3), nn.Conv1d(width, width, 3)
        self.fc = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.conv2(self.conv1(x).relu()).relu().mean(-1))
        return out


class Unfolded(nn.Module):
    """The convolutions as Linears on windows, their layers in another order."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.last = nn.Linear(width, width)
        self.b, self.a = nn.Linear(3 * width, width), nn.Linear(3 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.a, self.b):
            x = layer(x.unfold(-1, 3, 1).transpose(1, 2).flatten(2)).relu().mT
        out: Tensor = self.last(x.mean(-1))
        return out


# --- a small transformer, its table tied to its head: tok, pos, blocks.i.(ln_1, attn, mlp), ln_f, lm_head


class Block(nn.Module):
    attention: type[Attention] = Attention

    def __init__(self, n_embd: int, n_head: int) -> None:
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(n_embd), self.attention(n_embd, n_head)
        self.mlp = Mlp(n_embd)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.mlp(x + self.attn(self.ln_1(x)))
        return out


class Transformer(nn.Module):
    block: type[nn.Module] = Block

    def __init__(self, n_vocab: int, n_embd: int, n_head: int, n_layer: int) -> None:
        super().__init__()
        self.tok, self.pos = nn.Embedding(n_vocab, n_embd), nn.Embedding(n_vocab, n_embd)
        self.blocks = nn.ModuleList(self.block(n_embd, n_head) for _ in range(n_layer))
        self.ln_f = nn.LayerNorm(n_embd)
        self.lm_head = nn.Linear(n_embd, n_vocab, bias=False)
        self.lm_head.weight = self.tok.weight

    def forward(self, idx: Tensor) -> Tensor:
        x = self.tok(idx) + self.pos(torch.arange(idx.shape[1]))
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.lm_head(self.ln_f(x))
        return out


class Untied(Transformer):
    def __init__(self, n_vocab: int, n_embd: int, n_head: int, n_layer: int) -> None:
        super().__init__(n_vocab, n_embd, n_head, n_layer)
        self.lm_head.weight = nn.Parameter(torch.zeros(n_vocab, n_embd))


class FusedBlock(Block):
    attention = FusedByHead


class FusedTransformer(Transformer):
    block = FusedBlock


class TiedTheOtherWay(nn.Module):
    """In the words of another tutorial: the head comes first, blocks have names of their own."""

    def __init__(self, n_vocab: int, n_embd: int, n_head: int, n_layer: int) -> None:
        super().__init__()
        self.unembed = nn.Linear(n_embd, n_vocab, bias=False)
        self.final_norm = nn.LayerNorm(n_embd)
        self.wte, self.wpe = nn.Embedding(n_vocab, n_embd), nn.Embedding(n_vocab, n_embd)
        self.wte.weight = self.unembed.weight
        self.n_layer = n_layer
        for i in range(n_layer):
            setattr(self, f"norm_{i}", nn.LayerNorm(n_embd))
            setattr(self, f"attention_{i}", Heads(n_embd, n_head))
            setattr(self, f"ff_{i}", SequentialMlp(n_embd))

    def forward(self, idx: Tensor) -> Tensor:
        x = self.wte(idx) + self.wpe.weight[: idx.shape[1]]
        for i in range(self.n_layer):
            x = x + getattr(self, f"attention_{i}")(getattr(self, f"norm_{i}")(x))
            x = getattr(self, f"ff_{i}")(x)
        out: Tensor = self.unembed(self.final_norm(x))
        return out


# --- mistakes


class Unscaled(Attention):
    scale = 1.0


class UnscaledAndFused(FusedTransposed):
    """Fused, renamed, transposed, and the scale is missing."""

    scale = 1.0


class UnscaledAndByHead(FusedByHead):
    scale = 1.0


class UnscaledAndRenamed(Renamed):
    scale = 1.0


class UnscaledAndNameless(Nameless):
    scale = 1.0


class AlmostScaledAndNameless(Nameless):
    scale = 0.49  # for heads of 4 features it is 0.5


class ScaledByWidth(Attention):
    scale = 1 / math.sqrt(12)


class NoProjection(Attention):
    def forward(self, x: Tensor) -> Tensor:
        return self.mixed(self.q(x), self.k(x), self.v(x))


class NoProjectionAtAll(NoProjection):
    def __init__(self, n_embd: int, n_head: int) -> None:
        super().__init__(n_embd, n_head)
        del self.c_proj
