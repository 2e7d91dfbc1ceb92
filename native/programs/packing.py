# The batch that the stages read, out of a padded one, for exported archives: native/batch/batch_tensors.cc in TorchScript.
# input_ids and attention_mask int64 [B, T], the tokens of Pooling (pooling.py), what else is known of each token by its
# name in the batch [B, T] -> the batch, and bool [B]: the row lacks a token that the head needs. Padding may stand on
# either side.
class Packing:
    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        picked: Tuple[Tensor, Tensor],
        fields: Dict[str, Tensor],
    ) -> Tuple[Dict[str, Tensor], Tensor]:
        mask = attention_mask != 0
        lengths = mask.sum(1)
        starts = lengths.cumsum(0) - lengths
        within = mask.long().cumsum(1) - 1
        packed = within + starts.unsqueeze(1)
        missing = picked[0] < 0
        pooled = packed.gather(1, picked[0].clamp(min=0).unsqueeze(1)).squeeze(1).clamp(min=0)
        gates = picked[1]
        if gates.numel() > 0:
            missing = missing.logical_or(gates < 0)
            gates = packed.gather(1, gates.clamp(min=0).unsqueeze(1)).squeeze(1).clamp(min=0)
        no_parent = torch.full_like(starts, -1)
        batch: Dict[str, Tensor] = {
            "ids": input_ids.masked_select(mask),
            "positions": within.masked_select(mask),
            "segments": torch.stack([starts, lengths, no_parent, torch.zeros_like(starts)], 1).int(),
            "row_lengths": lengths,
            "pooled": pooled,
            "gates": gates,
            "keep": torch.cat([pooled, gates])
        }
        for name, values in fields.items():
            batch[name] = values.masked_select(mask)
        return batch, missing
