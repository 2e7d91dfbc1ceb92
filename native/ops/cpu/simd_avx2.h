// Vectors of 8 floats. Included inside the namespace of one instruction set.
using Vec = __m256;
constexpr int64_t kWidth = 8;
/** Rows and vectors of a tile of a matrix product: 12 accumulators of 16 registers. */
constexpr int kTileRows = 6;
constexpr int kTileVecs = 2;

inline __m256i first_lanes(int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

inline Vec splat(float x) { return _mm256_set1_ps(x); }
inline Vec load(const float* p) { return _mm256_loadu_ps(p); }
inline Vec load(const float* p, int64_t n) { return _mm256_maskload_ps(p, first_lanes(n)); }
inline void store(float* p, Vec x) { _mm256_storeu_ps(p, x); }
inline void store(float* p, Vec x, int64_t n) { _mm256_maskstore_ps(p, first_lanes(n), x); }

inline Vec widen(__m128i x) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16)); }
inline Vec load(const Bf16* p) { return widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
inline Vec load(const Bf16* p, int64_t n) {
  Bf16 lanes[8] = {};
  for (int64_t i = 0; i < n; ++i) lanes[i] = p[i];
  return load(lanes);
}

inline __m128i narrow(Vec x) {
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  const __m256i halves =
      _mm256_srli_epi32(_mm256_blendv_epi8(rounded, _mm256_set1_epi32(0x7fc00000), nan), 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));
}
inline void store(Bf16* p, Vec x) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), narrow(x)); }
inline void store(Bf16* p, Vec x, int64_t n) {
  Bf16 lanes[8];
  store(lanes, x);
  for (int64_t i = 0; i < n; ++i) p[i] = lanes[i];
}

inline Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
/** The larger; NaN if `b` is. */
inline Vec max(Vec a, Vec b) { return _mm256_max_ps(a, b); }
inline Vec abs(Vec x) { return _mm256_andnot_ps(splat(-0.0f), x); }
inline Vec round(Vec x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
inline Vec if_less(Vec a, Vec b, Vec yes, Vec no) {
  return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
/** x * 2^n for a whole n; 0 below the normal numbers. */
inline Vec scale2(Vec x, Vec n) {
  const Vec power = _mm256_castsi256_ps(_mm256_slli_epi32(
      _mm256_add_epi32(_mm256_cvtps_epi32(_mm256_min_ps(n, splat(128))), _mm256_set1_epi32(127)), 23));
  return if_less(n, splat(-126), splat(0), x * power);
}
inline Vec with_sign(Vec x, Vec sign) { return _mm256_or_ps(abs(x), _mm256_and_ps(splat(-0.0f), sign)); }
inline float sum(Vec x) {
  const __m128 half = _mm256_castps256_ps128(x) + _mm256_extractf128_ps(x, 1);
  const __m128 quarter = half + _mm_movehl_ps(half, half);
  return _mm_cvtss_f32(quarter + _mm_movehdup_ps(quarter));
}
inline float largest(Vec x) {
  const __m128 half = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 quarter = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ps(quarter, _mm_movehdup_ps(quarter)));
}

/** base[index[i]] */
inline Vec gather(const float* base, const int32_t* index) {
  return _mm256_i32gather_ps(base, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(index)), 4);
}
/** base[i * stride + index[i]] */
inline Vec gather(const float* base, const int32_t* index, int64_t stride) {
  const __m256i rows = _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
                                          _mm256_set1_epi32(static_cast<int>(stride)));
  const __m256i own = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(index));
  return _mm256_i32gather_ps(base, _mm256_add_epi32(own, rows), 4);
}

/** Keeps the lanes from..to, the others become -inf. */
inline Vec keep_lanes(Vec x, int64_t from, int64_t to) {
  const int64_t low = from < 0 ? 0 : from > 8 ? 8 : from, high = to < 0 ? 0 : to > 8 ? 8 : to;
  const Vec lanes = _mm256_castsi256_ps(_mm256_andnot_si256(first_lanes(low), first_lanes(high)));
  return _mm256_blendv_ps(splat(-__builtin_inff()), x, lanes);
}

/** 8 rows of 8 lanes. */
inline void transpose(const Vec* rows, Vec* columns) {
  Vec a[8], b[8];
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
    a[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    for (int j = 0; j < 2; ++j) {
      b[i + 2 * j] = _mm256_shuffle_ps(a[i + j], a[i + j + 2], 0x44);
      b[i + 2 * j + 1] = _mm256_shuffle_ps(a[i + j], a[i + j + 2], 0xee);
    }
  }
  for (int i = 0; i < 4; ++i) {
    columns[i] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x20);
    columns[i + 4] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x31);
  }
}
