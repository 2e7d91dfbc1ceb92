# LayerNorms, attention, and an MLP behind it or beside it: GPT-2, GPT-NeoX, OPT, Phi, StableLM, OLMo,
# Nemotron, GPT-J, Falcon.
class DecoderLayer:
    def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
        h = self.normed(x, self.attention_norm, self.attention_norm_bias)
        qkv = linear(h, self.qkv)
        if self.clip > 0.0:
            qkv = qkv.clamp(-self.clip, self.clip)
        if self.q_norm is not None:
            q_width = self.q_heads * self.head_dim
            k_width = self.kv_heads * self.head_dim
            q = self.head_norm(qkv[:, :q_width], self.q_norm, self.q_norm_bias)
            k = self.head_norm(qkv[:, q_width : q_width + k_width], self.k_norm, self.k_norm_bias)
            qkv = torch.cat([q, k, qkv[:, q_width + k_width :]], 1)
        if self.rotates:
            cos, sin = batch["cos"], batch["sin"]
            if self.interleaved:
                qkv = unzip_pairs(qkv, self.q_heads, self.kv_heads, self.head_dim, cos.size(1))
            qkv = rotary(qkv, cos, sin, self.q_heads, self.kv_heads, self.head_dim,
                         None, None, self.eps, False)
        mixed = attention(qkv, batch["segments"], self.q_heads, self.kv_heads, self.head_dim,
                          self.scale, self.causal, self.window, 0.0)
        if self.last:
            x = x.index_select(0, batch["keep"])
            h = h.index_select(0, batch["keep"])
            mixed = mixed.index_select(0, batch["keep"])
        y = linear_add(mixed, self.out, x)
        if not self.shares_norm:
            h = self.normed(x if self.parallel else y, self.norm, self.norm_bias)
        up = linear(h, self.up)
        up = gated_activation(up, self.activation) if self.gated else activation(up, self.activation)
        return linear_add(up, self.down, y)

    def normed(self, x: Tensor, weight: Optional[Tensor], bias: Optional[Tensor]) -> Tensor:
        if weight is not None and self.unit_offset:
            weight = weight + 1.0
        return layer_norm(x, weight, bias, self.eps)

    # Of every head over its channels; the weight is one for all heads, or one for each.
    def head_norm(self, x: Tensor, weight: Tensor, bias: Optional[Tensor]) -> Tensor:
        heads = layer_norm(x.float().reshape(-1, self.head_dim), None, None, self.eps)
        y = heads.view(x.size(0), -1, self.head_dim) * weight.view(-1, self.head_dim)
        if bias is not None:
            y = y + bias
        return y.view(x.size(0), -1).to(x.dtype)
