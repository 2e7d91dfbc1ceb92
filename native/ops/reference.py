# The op vocabulary of the built-in programs in plain TorchScript: runs on any device, is what `export` saves, and is
# the oracle of the fused kernels. N tokens, S segments. C++ compiles it, where `torch` holds the aten operators and
# nothing else: no torch.nn, no dtypes.
#
# Rounding: every op computes in float32 and rounds once, when it returns. transformers rounds more often in bfloat16
# (after the normalisation, before the weight of an RMSNorm; after each step of the rotation; after the activation),
# which only moves the result away from float32.


# The rows of a table [rows, columns] that have these ids [N]: [N, columns].
def lookup(table: Tensor, ids: Tensor) -> Tensor:
    return torch.embedding(table, ids)


# y = x Wᵀ + b for weight = (W [out, in], b [out] or None): [N, in] -> [N, out].
def linear(x: Tensor, weight: Tuple[Tensor, Optional[Tensor]]) -> Tensor:
    return torch.linear(x, weight[0], weight[1])


# residual [N, out] + linear(x, weight).
def linear_add(x: Tensor, weight: Tuple[Tensor, Optional[Tensor]], residual: Tensor) -> Tensor:
    return residual + torch.linear(x, weight[0], weight[1])


# x / sqrt(mean(x²) + eps) * w over the last dimension, w = 1 + weight if `unit_offset` (Gemma), else weight.
def rms_norm(x: Tensor, weight: Tensor, eps: float, unit_offset: bool) -> Tensor:
    y = x.float()
    y = y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + eps)
    scale = weight.float() + 1.0 if unit_offset else weight.float()
    return (y * scale).to(x.dtype)


# (x - mean) / sqrt(variance + eps) * weight + bias over the last dimension, without what is None; variance is the biased
# one.
def layer_norm(x: Tensor, weight: Optional[Tensor], bias: Optional[Tensor], eps: float) -> Tensor:
    w = weight.float() if weight is not None else None
    b = bias.float() if bias is not None else None
    return torch.layer_norm(x.float(), [x.size(-1)], w, b, eps).to(x.dtype)


# qkv [N, (q_heads + 2 kv_heads) * head_dim] = q | k | v. Optional RMSNorm of every head of q and k over its
# channels, then the rotation of channel pairs (i, i + r/2) for i < r/2, where r = 2 * cos.size(1) <= head_dim;
# channels from r on pass. cos and sin [N, r/2] are float32. The caller never uses `qkv` again.
def rotary(qkv: Tensor, cos: Tensor, sin: Tensor, q_heads: int, kv_heads: int, head_dim: int,
           q_norm: Optional[Tensor], k_norm: Optional[Tensor], eps: float, unit_offset: bool) -> Tensor:
    tokens = qkv.size(0)
    half = cos.size(1)
    heads = qkv.view(tokens, q_heads + 2 * kv_heads, head_dim)
    q = heads[:, :q_heads].float()
    k = heads[:, q_heads : q_heads + kv_heads].float()
    if q_norm is not None:
        q = rms_norm(q, q_norm, eps, unit_offset)
    if k_norm is not None:
        k = rms_norm(k, k_norm, eps, unit_offset)
    x = torch.cat([q, k], 1)
    c = cos.unsqueeze(1)
    s = sin.unsqueeze(1)
    first = x[:, :, :half]
    second = x[:, :, half : 2 * half]
    turned = torch.cat([first * c - second * s, second * c + first * s, x[:, :, 2 * half :]], 2)
    return torch.cat([turned.to(qkv.dtype), heads[:, q_heads + kv_heads :]], 1).view(tokens, -1)


# For models that rotate neighbours, (2 i, 2 i + 1) for i < pairs: the first channels of every head of q and k in the order
# 0, 2, 4, …, 1, 3, 5, …, in which `rotary` pairs them in the same way. The products of q and k are those of any order.
def unzip_pairs(qkv: Tensor, q_heads: int, kv_heads: int, head_dim: int, pairs: int) -> Tensor:
    heads = qkv.view(qkv.size(0), q_heads + 2 * kv_heads, head_dim)
    rotated = q_heads + kv_heads
    unzipped = heads[:, :rotated, : 2 * pairs].unflatten(2, [pairs, 2]).transpose(2, 3).flatten(2)
    qk = torch.cat([unzipped, heads[:, :rotated, 2 * pairs :]], 2)
    return torch.cat([qk, heads[:, rotated:]], 1).flatten(1)


# Attention of every segment to its chain of ancestors and itself: qkv as for `rotary` -> [N, q_heads * head_dim].
# segments [S, 4] int32 = start, length, parent (a smaller index, or -1), position of the first token. Query head h
# reads key-value head h // (q_heads / kv_heads). `causal` keeps keys up to the query's own; without it no segment has a
# parent, since its tokens would have another state for every segment that continues it. `window` > 0 keeps keys that
# are less than that far away. `softcap` > 0 applies softcap * tanh(s / softcap) to the scaled products.
def attention(qkv: Tensor, segments: Tensor, q_heads: int, kv_heads: int, head_dim: int,
              scale: float, causal: bool, window: int, softcap: float) -> Tensor:
    tokens = qkv.size(0)
    group = q_heads // kv_heads
    block = 256  # queries at a time, so that memory grows with the row, not with its square
    heads = qkv.view(tokens, q_heads + 2 * kv_heads, head_dim).transpose(0, 1).float()
    table: List[List[int]] = segments.cpu().long().tolist()
    out = heads.new_empty([q_heads, tokens, head_dim])
    for segment in table:
        start = segment[0]
        length = segment[1]
        first = segment[3]
        chain = [heads[q_heads:, start : start + length]]
        parent = segment[2]
        assert causal or parent < 0, "a segment that continues another needs causal attention"
        while parent >= 0:
            chain.insert(0, heads[q_heads:, table[parent][0] : table[parent][0] + table[parent][1]])
            parent = table[parent][2]
        keys_values = torch.cat(chain, 1)
        for begin in range(0, length, block):
            count = min(block, length - begin)
            low = max(0, first + begin - window + 1) if window > 0 else 0
            high = first + begin + count if causal else first + length
            if window > 0:
                high = min(high, first + begin + count + window - 1)
            k = keys_values[:kv_heads, low:high].unsqueeze(1)
            v = keys_values[kv_heads:, low:high].unsqueeze(1)
            q = heads[:q_heads, start + begin : start + begin + count].view(kv_heads, group, count, head_dim)
            scores = torch.matmul(q, k.transpose(2, 3)) * scale
            if softcap > 0.0:
                scores = softcap * torch.tanh(scores / softcap)
            at = torch.arange(first + begin, first + begin + count, device=qkv.device).unsqueeze(1)
            key_at = torch.arange(low, high, device=qkv.device).unsqueeze(0)
            distance = at - key_at
            hidden = distance < 0 if causal else distance != distance
            if window > 0:
                hidden = hidden.logical_or(distance.abs() >= window)
            weights = torch.softmax(scores.masked_fill(hidden, float("-inf")), -1)
            mixed = torch.matmul(weights, v).view(q_heads, count, head_dim)
            out[:, start + begin : start + begin + count] = mixed
    return out.transpose(0, 1).reshape(tokens, q_heads * head_dim).to(qkv.dtype)


# "gelu" is the exact one, "gelu_tanh" and "quick_gelu" are approximations of it, "relu2" is the square of "relu". In float32.
def activated(x: Tensor, kind: str) -> Tensor:
    if kind == "silu":
        return torch.silu(x)
    elif kind == "gelu":
        return torch.gelu(x)
    elif kind == "gelu_tanh":
        return torch.gelu(x, approximate="tanh")
    elif kind == "relu":
        return torch.relu(x)
    elif kind == "relu2":
        return torch.relu(x) * torch.relu(x)
    elif kind == "quick_gelu":
        return x * torch.sigmoid(1.702 * x)
    else:
        assert kind == "tanh", "unknown activation"
        return torch.tanh(x)


# Of every number: [N, I] -> [N, I].
def activation(x: Tensor, kind: str) -> Tensor:
    return activated(x.float(), kind).to(x.dtype)


# gate_up [N, 2 I] = gate | up -> activation(gate) * up: [N, I].
def gated_activation(gate_up: Tensor, kind: str) -> Tensor:
    parts = gate_up.float().chunk(2, -1)
    return (activated(parts[0], kind) * parts[1]).to(gate_up.dtype)


# The mean of the tokens of every segment: x [N, hidden], segments as for `attention` -> [S, hidden].
def segment_mean(x: Tensor, segments: Tensor) -> Tensor:
    table: List[List[int]] = segments.cpu().long().tolist()
    means: List[Tensor] = []
    for segment in table:
        means.append(x[segment[0] : segment[0] + segment[1]].double().mean(0))
    return torch.stack(means).to(x.dtype)


# Attention of every token to its whole row, with terms of how far apart they are: qkv [N, 3 * heads * head_dim], segments
# without parents as for `attention` -> [N, heads * head_dim]. A query at i and a key at j have the distance i - j, whose
# column is columns[distance + R] of columns [2 R + 1] int32; beyond R the last ones count. The score is
# scale * (q . k + q . keys[column] + queries[column] . k) + bias[head, column] with keys and queries
# [C, heads * head_dim] (DeBERTa's c2p and p2c) and bias [heads, C] (MPNet), each of which may be None.
def relative_attention(qkv: Tensor, segments: Tensor, heads: int, head_dim: int, scale: float, columns: Tensor,
                       keys: Optional[Tensor], queries: Optional[Tensor], bias: Optional[Tensor]) -> Tensor:
    tokens = qkv.size(0)
    block = 256  # queries at a time, so that memory grows with the row, not with its square
    parts = qkv.view(tokens, 3 * heads, head_dim).transpose(0, 1).float()
    reach = columns.size(0) // 2
    table: List[List[int]] = segments.cpu().long().tolist()
    out = parts.new_empty([heads, tokens, head_dim])
    for segment in table:
        start = segment[0]
        length = segment[1]
        assert segment[2] < 0, "relative attention takes whole rows"
        k = parts[heads : 2 * heads, start : start + length]
        v = parts[2 * heads :, start : start + length]
        at = torch.arange(length, device=qkv.device)
        for begin in range(0, length, block):
            count = min(block, length - begin)
            q = parts[:heads, start + begin : start + begin + count]
            distance = at[begin : begin + count].unsqueeze(1) - at.unsqueeze(0)
            column = columns[distance.clamp(-reach, reach) + reach].long()
            scores = torch.matmul(q, k.transpose(1, 2))
            if keys is not None:
                rows = keys.float().view(-1, heads, head_dim).permute(1, 2, 0)
                scores = scores + torch.matmul(q, rows).gather(2, column.expand([heads, -1, -1]))
            if queries is not None:
                rows = queries.float().view(-1, heads, head_dim).permute(1, 2, 0)
                scores = scores + torch.matmul(k, rows).gather(2, column.t().expand([heads, -1, -1])).transpose(1, 2)
            scores = scores * scale
            if bias is not None:
                scores = scores + bias.float()[:, column]
            out[:, start + begin : start + begin + count] = torch.matmul(torch.softmax(scores, -1), v)
    return out.transpose(0, 1).reshape(tokens, heads * head_dim).to(qkv.dtype)
