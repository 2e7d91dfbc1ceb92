# ModernBERT: norms before the blocks, rotation, a gated MLP, windows to both sides on most layers.
class EncoderLayer:
    def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
        y = x
        if self.attn_norm is not None:
            y = layer_norm(x, self.attn_norm, self.attn_norm_bias, self.eps)
        qkv = rotary(linear(y, self.qkv), batch["cos" + self.rope], batch["sin" + self.rope], self.heads, self.heads,
                     self.head_dim, None, None, 0.0, False)
        mixed = attention(qkv, batch["segments"], self.heads, self.heads, self.head_dim,
                          self.scale, False, self.window, 0.0)
        if self.last:
            x = x.index_select(0, batch["keep"])
            mixed = mixed.index_select(0, batch["keep"])
        x = linear_add(mixed, self.out, x)
        gated = linear(layer_norm(x, self.mlp_norm, self.mlp_norm_bias, self.eps), self.gate_up)
        return linear_add(gated_activation(gated, self.activation), self.down, x)


# The norm after the last layer, of the pooled tokens, or of all and then the mean of every row.
class Norm:
    def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
        x = layer_norm(x, self.norm, self.norm_bias, self.eps)
        if self.mean:
            x = segment_mean(x, batch["segments"])
        return x
