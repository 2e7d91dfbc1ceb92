# A norm before and after both attention and MLP: Gemma 2 (softcap), Gemma 3 (norms of q and k, two kinds of RoPE), GLM-4
# (neighbouring channels are rotated).
class DecoderLayer:
    def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
        qkv = linear(rms_norm(x, self.input_layernorm, self.eps, self.unit_offset), self.qkv_proj)
        cos, sin = batch["cos" + self.rope], batch["sin" + self.rope]
        if self.interleaved:
            qkv = unzip_pairs(qkv, self.q_heads, self.kv_heads, self.head_dim, cos.size(1))
        qkv = rotary(qkv, cos, sin, self.q_heads, self.kv_heads,
                     self.head_dim, self.q_norm, self.k_norm, self.eps, self.unit_offset)
        mixed = attention(qkv, batch["segments"], self.q_heads, self.kv_heads, self.head_dim,
                          self.scale, self.causal, self.window, self.softcap)
        if self.last:
            x = x.index_select(0, batch["keep"])
            mixed = mixed.index_select(0, batch["keep"])
        x = x + rms_norm(linear(mixed, self.o_proj), self.post_attention_layernorm, self.eps, self.unit_offset)
        gate_up = linear(rms_norm(x, self.pre_feedforward_layernorm, self.eps, self.unit_offset), self.gate_up_proj)
        y = linear(gated_activation(gate_up, self.activation), self.down_proj)
        return x + rms_norm(y, self.post_feedforward_layernorm, self.eps, self.unit_offset)
