# Norms only after attention and MLP, and of q and k over all channels (OLMo 2 and 3) or of every head (EXAONE 4).
class DecoderLayer:
    def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
        qkv = linear(x, self.qkv_proj)
        cos, sin = batch["cos" + self.rope], batch["sin" + self.rope]
        if not self.rotates:
            cos, sin = cos[:, :0], sin[:, :0]
        if self.norms_heads:
            qkv = rotary(qkv, cos, sin, self.q_heads, self.kv_heads, self.head_dim,
                         self.q_norm, self.k_norm, self.eps, False)
        else:
            q_width = self.q_heads * self.head_dim
            k_width = self.kv_heads * self.head_dim
            q = rms_norm(qkv[:, :q_width].contiguous(), self.q_norm, self.eps, False)
            k = rms_norm(qkv[:, q_width : q_width + k_width].contiguous(), self.k_norm, self.eps, False)
            qkv = torch.cat([q, k, qkv[:, q_width + k_width :]], 1)
            qkv = rotary(qkv, cos, sin, self.q_heads, self.kv_heads, self.head_dim, None, None, self.eps, False)
        mixed = attention(qkv, batch["segments"], self.q_heads, self.kv_heads, self.head_dim,
                          self.scale, self.causal, self.window, 0.0)
        if self.last:
            x = x.index_select(0, batch["keep"])
            mixed = mixed.index_select(0, batch["keep"])
        x = x + rms_norm(linear(mixed, self.o_proj), self.post_attention_layernorm, self.eps, False)
        y = linear(gated_activation(linear(x, self.gate_up_proj), self.activation), self.down_proj)
        return x + rms_norm(y, self.post_feedforward_layernorm, self.eps, False)
