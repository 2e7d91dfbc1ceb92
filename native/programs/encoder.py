# What encoders of BERT's kind share: every token sees its whole row, and norms stand behind the blocks.


# The sum of up to three tables, a norm, and where embeddings are narrower than the layers a projection, before the norm
# (DeBERTa) or after it: x is empty and has the model's dtype, returns [N, hidden] in it.
class Embeddings:
    def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
        ids = batch["ids"]
        y = lookup(self.words, ids).float()
        if self.types is not None:
            types = batch["token_types"] if self.reads_types else torch.zeros_like(ids)
            y = y + lookup(self.types, types).float()
        if self.positions is not None:
            y = y + lookup(self.positions, self.places(ids, batch["positions"])).float()
        if self.projects_first and self.projection is not None:
            y = linear(y.to(x.dtype), self.projection).float()
        y = layer_norm(y, self.norm, self.norm_bias, self.eps).to(x.dtype)
        if not self.projects_first and self.projection is not None:
            y = linear(y, self.projection)
        if self.kept:
            batch["embeddings"] = y
        return y

    # RoBERTa counts the tokens of a row that are not padding, from behind the pad id on; those that are have its row.
    def places(self, ids: Tensor, positions: Tensor) -> Tensor:
        if self.counts_from < 0:
            return positions
        real = (ids != self.counts_from).long()
        counted = real.cumsum(0)
        first = torch.arange(ids.size(0), device=ids.device) - positions
        before = counted.index_select(0, first) - real.index_select(0, first)
        return (counted - before) * real + self.counts_from


# Attention, norm, MLP, norm.
class EncoderLayer:
    def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
        mixed = attention(linear(x, self.qkv), batch["segments"], self.heads, self.heads, self.head_dim,
                          self.scale, self.causal, 0, 0.0)
        if self.last:
            x = x.index_select(0, batch["keep"])
            mixed = mixed.index_select(0, batch["keep"])
        x = layer_norm(linear_add(mixed, self.out, x), self.attention_norm, self.attention_norm_bias, self.eps)
        y = linear_add(activation(linear(x, self.up), self.activation), self.down, x)
        return layer_norm(y, self.norm, self.norm_bias, self.eps)


# ALBERT's layers, of which several share their weights: those of a group, `repeats` times one after the other.
class SharedLayers:
    def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
        count = len(self.qkv)
        for step in range(self.repeats * count):
            i = step % count
            mixed = attention(linear(x, self.qkv[i]), batch["segments"], self.heads, self.heads, self.head_dim,
                              self.scale, self.causal, 0, 0.0)
            if self.last and step == self.repeats * count - 1:
                x = x.index_select(0, batch["keep"])
                mixed = mixed.index_select(0, batch["keep"])
            x = layer_norm(linear_add(mixed, self.out[i], x), self.attention_norm[i], self.attention_norm_bias[i],
                           self.eps)
            y = linear_add(activation(linear(x, self.up[i]), self.activation), self.down[i], x)
            x = layer_norm(y, self.norm[i], self.norm_bias[i], self.eps)
        return x
