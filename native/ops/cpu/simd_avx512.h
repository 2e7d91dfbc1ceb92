// Vectors of 16 floats. Included inside the namespace of one instruction set.
using Vec = __m512;
constexpr int64_t kWidth = 16;
/** Rows and vectors of a tile of a matrix product: 24 accumulators of 32 registers. */
constexpr int kTileRows = 6;
constexpr int kTileVecs = 4;

inline __mmask16 first_lanes(int64_t n) { return static_cast<__mmask16>((1u << n) - 1); }

inline Vec splat(float x) { return _mm512_set1_ps(x); }
inline Vec load(const float* p) { return _mm512_loadu_ps(p); }
inline Vec load(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(first_lanes(n), p); }
inline void store(float* p, Vec x) { _mm512_storeu_ps(p, x); }
inline void store(float* p, Vec x, int64_t n) { _mm512_mask_storeu_ps(p, first_lanes(n), x); }

inline Vec widen(__m256i x) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16)); }
inline Vec load(const Bf16* p) { return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
inline Vec load(const Bf16* p, int64_t n) { return widen(_mm256_maskz_loadu_epi16(first_lanes(n), p)); }

#ifdef RMS_BF16_DOT
inline __m256i narrow(Vec x) { return (__m256i)_mm512_cvtneps_pbh(x); }
#else
inline __m256i narrow(Vec x) {
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
  const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  return _mm512_cvtepi32_epi16(
      _mm512_srli_epi32(_mm512_mask_mov_epi32(rounded, nan, _mm512_set1_epi32(0x7fc00000)), 16));
}
#endif
inline void store(Bf16* p, Vec x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow(x)); }
inline void store(Bf16* p, Vec x, int64_t n) { _mm256_mask_storeu_epi16(p, first_lanes(n), narrow(x)); }

inline Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
/** The larger; NaN if `b` is. */
inline Vec max(Vec a, Vec b) { return _mm512_max_ps(a, b); }
inline Vec abs(Vec x) { return _mm512_abs_ps(x); }
inline Vec round(Vec x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
/** x * 2^n for a whole n. */
inline Vec scale2(Vec x, Vec n) { return _mm512_scalef_ps(x, n); }
inline Vec with_sign(Vec x, Vec sign) {
  return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(_mm512_castps_si512(x), _mm512_castps_si512(sign),
                                                       _mm512_set1_epi32(INT32_MIN), 0xd8));
}
/** a < b ? yes : no */
inline Vec if_less(Vec a, Vec b, Vec yes, Vec no) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes);
}
inline float sum(Vec x) { return _mm512_reduce_add_ps(x); }
inline float largest(Vec x) { return _mm512_reduce_max_ps(x); }

/** base[index[i]] */
inline Vec gather(const float* base, const int32_t* index) {
  return _mm512_i32gather_ps(_mm512_loadu_si512(index), base, 4);
}
/** base[i * stride + index[i]] */
inline Vec gather(const float* base, const int32_t* index, int64_t stride) {
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i rows = _mm512_mullo_epi32(lanes, _mm512_set1_epi32(static_cast<int>(stride)));
  return _mm512_i32gather_ps(_mm512_add_epi32(_mm512_loadu_si512(index), rows), base, 4);
}

/** Keeps the lanes from..to, the others become -inf. */
inline Vec keep_lanes(Vec x, int64_t from, int64_t to) {
  const int64_t low = from < 0 ? 0 : from > 16 ? 16 : from, high = to < 0 ? 0 : to > 16 ? 16 : to;
  const __mmask16 lanes = static_cast<__mmask16>(first_lanes(high) & ~first_lanes(low));
  return _mm512_mask_mov_ps(_mm512_set1_ps(-__builtin_inff()), lanes, x);
}

/** 16 rows of 16 lanes. */
inline void transpose(const Vec* rows, Vec* columns) {
  Vec a[16], b[16];
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
    a[i + 1] = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    for (int j = 0; j < 2; ++j) {
      const __m512d low = _mm512_castps_pd(a[i + j]), high = _mm512_castps_pd(a[i + j + 2]);
      b[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
      b[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
    }
  }
  for (int i = 0; i < 4; ++i) {
    const Vec even = _mm512_shuffle_f32x4(b[i], b[i + 4], 0x88),
              odd = _mm512_shuffle_f32x4(b[i], b[i + 4], 0xdd);
    const Vec even2 = _mm512_shuffle_f32x4(b[i + 8], b[i + 12], 0x88),
              odd2 = _mm512_shuffle_f32x4(b[i + 8], b[i + 12], 0xdd);
    columns[i] = _mm512_shuffle_f32x4(even, even2, 0x88);
    columns[i + 4] = _mm512_shuffle_f32x4(odd, odd2, 0x88);
    columns[i + 8] = _mm512_shuffle_f32x4(even, even2, 0xdd);
    columns[i + 12] = _mm512_shuffle_f32x4(odd, odd2, 0xdd);
  }
}
