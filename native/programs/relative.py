# Encoders whose attention knows how far apart two tokens are: DeBERTa v2 and v3, MPNet.


# DeBERTa's embeddings of distances, of which every layer makes its tables, and the column of each distance.
class RelativeEmbeddings:
    def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
        relative = self.weight
        if self.norm is not None:
            relative = layer_norm(relative, self.norm, self.norm_bias, self.eps)
        batch["relative"] = relative
        batch["columns"] = torch.tensor(self.columns, device=x.device).int()
        return x


# MPNet's numbers for distances, the same for all layers.
class RelativeBias:
    def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
        batch["bias"] = self.weight.float().t().contiguous()
        batch["columns"] = torch.tensor(self.columns, device=x.device).int()
        return x


# Attention, norm, MLP, norm.
class EncoderLayer:
    def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
        width = self.heads * self.head_dim
        keys: Optional[Tensor] = None
        queries: Optional[Tensor] = None
        bias: Optional[Tensor] = None
        if self.shares_projections:
            both = linear(batch["relative"], self.qkv)
            if self.content_to_position:
                keys = both[:, width : 2 * width]
            if self.position_to_content:
                queries = both[:, :width]
        if self.pos_key is not None:
            keys = linear(batch["relative"], self.pos_key)
        if self.pos_query is not None:
            queries = linear(batch["relative"], self.pos_query)
        if self.biased:
            bias = batch["bias"]
        mixed = relative_attention(linear(x, self.qkv), batch["segments"], self.heads, self.head_dim, self.scale,
                                   batch["columns"], keys, queries, bias)
        if self.last:
            x = x.index_select(0, batch["keep"])
            mixed = mixed.index_select(0, batch["keep"])
        x = layer_norm(linear_add(mixed, self.out, x), self.attention_norm, self.attention_norm_bias, self.eps)
        y = linear_add(activation(linear(x, self.up), self.activation), self.down, x)
        return layer_norm(y, self.norm, self.norm_bias, self.eps)


# DeBERTa's convolution over the embeddings of a token and its neighbours in the row, added to the first layer's output:
# one linear for each of them, in order.
class Convolution:
    def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
        tokens = batch["embeddings"]
        positions = batch["positions"]
        lengths = batch["row_lengths"].repeat_interleave(batch["segments"][:, 1].long())
        at = torch.arange(tokens.size(0), device=x.device)
        middle = len(self.weights) // 2
        y = linear(tokens, self.weights[middle])
        for i in range(len(self.weights)):
            shift = i - middle
            if shift != 0:
                inside = (positions + shift >= 0).logical_and(positions + shift < lengths)
                neighbours = tokens.index_select(0, (at + shift).clamp(0, tokens.size(0) - 1))
                # Not a product: of a broken neighbour in another row nothing must be left.
                neighbours = neighbours.masked_fill(inside.logical_not().unsqueeze(1), 0.0)
                y = linear_add(neighbours, self.weights[i], y)
        x = layer_norm(x + activation(y, self.activation), self.norm, self.norm_bias, self.eps)
        if self.last:
            x = x.index_select(0, batch["keep"])
        return x
