# Llama's attention and a sparse mixture of gated MLPs: Mixtral, Qwen2-MoE (with an expert that every token meets), Qwen3-MoE.
class DecoderLayer:
    def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
        qkv = linear(rms_norm(x, self.input_layernorm, self.eps, False), self.qkv_proj)
        qkv = rotary(qkv, batch["cos"], batch["sin"], self.q_heads, self.kv_heads, self.head_dim,
                     self.q_norm, self.k_norm, self.eps, False)
        mixed = attention(qkv, batch["segments"], self.q_heads, self.kv_heads, self.head_dim,
                          self.scale, self.causal, self.window, 0.0)
        if self.last:
            x = x.index_select(0, batch["keep"])
            mixed = mixed.index_select(0, batch["keep"])
        x = linear_add(mixed, self.o_proj, x)
        y = rms_norm(x, self.post_attention_layernorm, self.eps, False)

        # The softmax runs over all experts; the shares of the chosen ones are then made to sum to 1, or not.
        shares, chosen = torch.softmax(linear(y, self.router).float(), 1).topk(self.experts_per_token, 1)
        if self.shares_sum_to_1:
            shares = shares / shares.sum(1, keepdim=True)
        out = torch.zeros_like(y.float())
        for expert in range(len(self.experts_gate_up)):
            places = (chosen == expert).nonzero()
            if places.size(0) > 0:
                rows = places[:, 0]
                gate_up = linear(y.index_select(0, rows), self.experts_gate_up[expert])
                part = linear(gated_activation(gate_up, self.activation), self.experts_down[expert])
                out.index_add_(0, rows, part.float() * shares[rows, places[:, 1]].unsqueeze(1))
        if self.shared_gate is not None:
            part = linear(gated_activation(linear(y, self.shared_gate_up), self.activation), self.shared_down)
            # float64 as in heads.py: in float32 a gate would depend on the tokens beside it.
            gate = torch.sigmoid(linear(y, self.shared_gate).double()).float()
            out = out + part.float() * gate
        return x + out.to(x.dtype)
