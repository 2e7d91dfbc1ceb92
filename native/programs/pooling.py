# Which tokens the head reads, for exported archives: lib/architectures/pooling.ts in TorchScript, on padded batches.
# input_ids and attention_mask int64 [B, T] -> pooled [B], and gates [B] or [0]; -1 where a row lacks the token. Padding may
# stand on either side.
class Pooling:
    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tuple[Tensor, Tensor]:
        real = attention_mask != 0
        places = torch.arange(input_ids.size(1), device=input_ids.device)
        last = (places * real).argmax(1)
        marked = real.logical_and(input_ids == self.token)
        pooled = last
        if self.rule == "first":
            pooled = real.long().argmax(1)
        elif self.rule == "hf":
            pooled = (places * real.logical_and(input_ids != self.token)).argmax(1)
        elif self.rule == "first-pad-minus-one":
            first = marked.long().argmax(1)
            pooled = torch.where(marked.any(1).logical_and(first > 0), first - 1, last)
        elif self.rule == "last-token":
            pooled = torch.where(marked.any(1), (places * marked).argmax(1), -1)
        if len(self.gate) == 0:
            return pooled, places[:0]

        starts = input_ids.size(1) - len(self.gate) + 1
        if starts <= 0:
            return pooled, torch.full_like(pooled, -1)
        found = torch.ones([input_ids.size(0), starts], device=input_ids.device) > 0
        for i in range(len(self.gate)):
            found = found.logical_and(input_ids[:, i : i + starts] == self.gate[i])
        return pooled, torch.where(found.any(1), (places[:starts] * found).argmax(1), -1)
