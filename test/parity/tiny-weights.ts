/**
 * Weights that a name and an index determine: scripts/fixtures/architectures/weights.py makes the same numbers. A
 * value is offset + k / 2^exponent with k from -64 to 63, which float32, bfloat16 and float16 all hold exactly.
 */
export function tinyWeights(name: string, count: number, offset: number, exponent: number): Float32Array {
  const key = fnv1a(name);
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    let x = (Math.imul(i, 0x9e3779b9) + key) | 0;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    x ^= x >>> 16;
    out[i] = offset + ((x >>> 25) - 64) / 2 ** exponent;
  }
  return out;
}

function fnv1a(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash;
}
