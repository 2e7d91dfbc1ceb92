# Norm, attention, norm, gated MLP: Llama, Mistral, Ministral, Qwen2, Qwen3, Gemma, Phi-3, InternLM2, SmolLM3, GLM.
class DecoderLayer:
    def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
        qkv = linear(rms_norm(x, self.input_layernorm, self.eps, self.unit_offset), self.qkv_proj)
        cos, sin = batch["cos"], batch["sin"]
        if not self.rotates:
            cos, sin = cos[:, :0], sin[:, :0]
        if self.interleaved:
            qkv = unzip_pairs(qkv, self.q_heads, self.kv_heads, self.head_dim, cos.size(1))
        qkv = rotary(qkv, cos, sin, self.q_heads, self.kv_heads, self.head_dim,
                     self.q_norm, self.k_norm, self.eps, self.unit_offset)
        mixed = attention(qkv, batch["segments"], self.q_heads, self.kv_heads, self.head_dim,
                          self.scale, self.causal, self.window, 0.0)
        if self.last:
            x = x.index_select(0, batch["keep"])
            mixed = mixed.index_select(0, batch["keep"])
        x = linear_add(mixed, self.o_proj, x)
        gate_up = linear(rms_norm(x, self.post_attention_layernorm, self.eps, self.unit_offset), self.gate_up_proj)
        return linear_add(gated_activation(gate_up, self.activation), self.down_proj, x)
