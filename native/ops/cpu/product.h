// Small matrix products for attention. Included inside the namespace of one instruction set.
//
// Operands come as lanes of 32 bits: a float, or a pair of bf16 that are neighbours along the summed
// dimension. Every element of the result is one chain of fused products in the order of that dimension, so it
// does not depend on the size or place of the tile that computes it.

struct Float32Lanes {
  static inline Vec accumulate(Vec sum, Vec a, Vec b) { return fma(a, b, sum); }
};
#ifdef RMS_BF16_DOT
struct Bf16Pairs {
  static inline Vec accumulate(Vec sum, Vec a, Vec b) {
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
  }
};
#endif

struct Matrix {
  const float* lanes;
  int64_t stride;
};

/** c = a b, or c = alpha c + a b with one factor a row; c has kWidth * vecs columns. */
template <class Lanes, int rows, int vecs>
inline void tile(Matrix a, Matrix b, int64_t steps, const float* alpha, float* c, int64_t stride) {
  Vec sums[rows][vecs];
  for (int r = 0; r < rows; ++r)
    for (int v = 0; v < vecs; ++v)
      sums[r][v] = alpha ? splat(alpha[r]) * load(c + r * stride + v * kWidth) : splat(0);
  for (int64_t s = 0; s < steps; ++s) {
    Vec columns[vecs];
    for (int v = 0; v < vecs; ++v) columns[v] = load(b.lanes + s * b.stride + v * kWidth);
    for (int r = 0; r < rows; ++r) {
      const Vec x = splat(a.lanes[r * a.stride + s]);
      for (int v = 0; v < vecs; ++v) sums[r][v] = Lanes::accumulate(sums[r][v], x, columns[v]);
    }
  }
  for (int r = 0; r < rows; ++r)
    for (int v = 0; v < vecs; ++v) store(c + r * stride + v * kWidth, sums[r][v]);
}

template <class Lanes, int rows, int vecs = kTileVecs>
inline void tile_columns(int64_t count, Matrix a, Matrix b, int64_t steps, const float* alpha, float* c,
                         int64_t stride) {
  if (count == vecs) return tile<Lanes, rows, vecs>(a, b, steps, alpha, c, stride);
  if constexpr (vecs > 1) tile_columns<Lanes, rows, vecs - 1>(count, a, b, steps, alpha, c, stride);
}

template <class Lanes, int rows = kTileRows>
inline void any_tile(int64_t row_count, int64_t vec_count, Matrix a, Matrix b, int64_t steps,
                     const float* alpha, float* c, int64_t stride) {
  if (row_count == rows) return tile_columns<Lanes, rows>(vec_count, a, b, steps, alpha, c, stride);
  if constexpr (rows > 1) any_tile<Lanes, rows - 1>(row_count, vec_count, a, b, steps, alpha, c, stride);
}
