/**
 * Columns of tables by distance, for the op `relative_attention`: entry `distance + reach` of `2 * reach + 1`, where a
 * query at i and a key at j have the distance i - j.
 */
export type Columns = number[];

const { fround } = Math;

/**
 * DeBERTa's: one for each distance within half of the buckets, then ever wider ones up to `maxDistance`; without buckets
 * one for each distance up to there. Rounded as transformers' `make_log_bucket_position` is, in float32.
 *
 * @param buckets to each side; 0 = none
 */
export function debertaColumns(buckets: number, maxDistance: number): Columns {
  const span = buckets > 0 ? buckets : maxDistance;
  const middle = Math.floor(buckets / 2);
  const widest = fround(Math.log(fround((maxDistance - 1) / middle)));
  const bucket = (distance: number) => {
    const size = Math.abs(distance);
    if (buckets === 0 || size <= middle) return distance;
    const share = fround(fround(Math.log(fround(size / middle))) / widest);
    return Math.sign(distance) * (Math.ceil(fround(share * (middle - 1))) + middle);
  };
  return columnsOf(Math.max(maxDistance, span), (distance) =>
    Math.min(Math.max(bucket(distance) + span, 0), 2 * span - 1),
  );
}

/** MPNet's: 16 to each side of which 8 are of one distance, up to 128; as T5's, in float32. */
export function mpnetColumns(): Columns {
  const [perSide, exact, farthest] = [16, 8, 128];
  return columnsOf(farthest, (distance) => {
    const size = Math.abs(distance);
    const log = fround(fround(Math.log(fround(size / exact))) / fround(Math.log(farthest / exact)));
    const large = Math.min(exact + Math.trunc(fround(log * (perSide - exact))), perSide - 1);
    return (distance < 0 ? perSide : 0) + (size < exact ? size : large);
  });
}

function columnsOf(reach: number, column: (distance: number) => number): Columns {
  return Array.from({ length: 2 * reach + 1 }, (_, i) => column(i - reach));
}
