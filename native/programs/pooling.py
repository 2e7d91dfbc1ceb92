# Which tokens the head reads, for exported archives: lib/architectures/pooling.ts in TorchScript, on padded batches.
# input_ids and attention_mask int64 [B, T] -> pooled [B], and gates [B] or [0]. Padding may stand on either side.
class Pooling:
    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tuple[Tensor, Tensor]:
        real = attention_mask != 0
        places = torch.arange(input_ids.size(1), device=input_ids.device)
        last = (places * real).argmax(1)
        marked = real.logical_and(input_ids == self.token)
        pooled = last
        if self.rule == "hf":
            pooled = (places * real.logical_and(input_ids != self.token)).argmax(1)
        elif self.rule == "first-pad-minus-one":
            first = marked.long().argmax(1)
            pooled = torch.where(marked.any(1).logical_and(first > 0), first - 1, last)
        elif self.rule == "last-token":
            assert bool(marked.any(1).all()), "a row does not contain the token that the head reads"
            pooled = (places * marked).argmax(1)
        if len(self.gate) == 0:
            return pooled, places[:0]

        starts = input_ids.size(1) - len(self.gate) + 1
        assert starts > 0, "a row does not contain the tokens where the gating network reads"
        found = input_ids[:, :starts] == self.gate[0]
        for i in range(1, len(self.gate)):
            found = found.logical_and(input_ids[:, i : i + starts] == self.gate[i])
        assert bool(found.any(1).all()), "a row does not contain the tokens where the gating network reads"
        return pooled, (places[:starts] * found).argmax(1)
