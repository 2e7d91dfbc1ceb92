# What all decoder families share. A class is one stage: its attributes and weights come from lib/architectures.


# Looks the tokens up: x is empty and has the model's dtype, returns [N, hidden] in it. The table may be in another one,
# that of its file. Gemma scales by sqrt(hidden).
class Embedding:
    def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
        x = lookup(self.weight, batch["ids"]).to(x.dtype)
        if self.scale != 1.0:
            x = x * self.scale
        return x


# Adds a learned vector for every position of a row.
class Positions:
    def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
        return (x.float() + lookup(self.weight, batch["positions"]).float()).to(x.dtype)


# Embeddings narrower than the layers are widened in front of them and narrowed behind them.
class Projection:
    def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
        return linear(x, self.weight)


# Adds "cos" and "sin" [N, dim / 2] (with a suffix, where layers use several kinds) to the batch.
class RotaryEmbedding:
    def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
        frequencies = self.frequencies(batch["row_lengths"])
        if frequencies.size(0) > 1:
            frequencies = frequencies.repeat_interleave(batch["segments"][:, 1].long(), 0)
        angles = batch["positions"].float().unsqueeze(1) * frequencies
        batch["cos" + self.suffix] = angles.cos() * self.attention_factor
        batch["sin" + self.suffix] = angles.sin() * self.attention_factor
        return x

    # [1, dim / 2], or [S, dim / 2] where they depend on the length of the row. float32, and the steps in the order
    # of transformers: at far positions an angle shows the last bit of its frequency.
    def frequencies(self, lengths: Tensor) -> Tensor:
        exponents = torch.arange(0, self.dim, 2, device=lengths.device).float() / self.dim
        if self.type == "dynamic":
            # float64: in float32 a pow over [S] may round differently by S.
            growth = self.factor * lengths.clamp(min=self.original).double() / self.original - (self.factor - 1.0)
            theta = self.theta * growth.pow(self.dim / (self.dim - 2.0))
            return 1.0 / theta.float().unsqueeze(1).pow(exponents)
        periods = torch.pow(self.theta, exponents).unsqueeze(0)
        if self.type == "longrope":
            short = torch.tensor(self.short_factor, device=lengths.device)
            long = torch.tensor(self.long_factor, device=lengths.device)
            return 1.0 / (torch.where((lengths > self.original).unsqueeze(1), long, short) * periods)
        plain = 1.0 / periods
        if self.type == "linear":
            return plain / self.factor
        if self.type == "llama3":
            wavelengths = 2.0 * 3.141592653589793 / plain
            smooth = (self.original / wavelengths - self.low) / (self.high - self.low)
            medium = (1.0 - smooth) * plain / self.factor + smooth * plain
            scaled = torch.where(wavelengths > self.original / self.low, plain / self.factor, medium)
            return torch.where(wavelengths < self.original / self.high, plain, scaled)
        if self.type == "yarn":
            steps = torch.arange(self.dim // 2, device=lengths.device).float()
            kept = 1.0 - ((steps - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
            return 1.0 / (self.factor * periods) * (1.0 - kept) + plain * kept
        return plain


# The norm after the last layer: [pooled + gates, hidden].
class Norm:
    def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
        return rms_norm(x, self.weight, self.eps, self.unit_offset)


# The same with a LayerNorm, of the pooled tokens, or of all and then the mean of every row.
class LayerNorm:
    def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
        x = layer_norm(x, self.scaled(self.weight), self.weight_bias, self.eps)
        if self.mean:
            x = segment_mean(x, batch["segments"])
        return x

    def scaled(self, weight: Optional[Tensor]) -> Optional[Tensor]:
        if weight is not None and self.unit_offset:
            return weight + 1.0
        return weight
