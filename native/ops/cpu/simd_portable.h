// Vectors of 4 floats in what every GCC and Clang target has. Included inside the namespace of one
// instruction set.
typedef float Vec __attribute__((vector_size(16)));
typedef int32_t Lanes __attribute__((vector_size(16)));
constexpr int64_t kWidth = 4;
constexpr int kTileRows = 6;
constexpr int kTileVecs = 2;

inline Vec splat(float x) { return Vec{x, x, x, x}; }
inline Vec load(const float* p) {
  Vec x;
  __builtin_memcpy(&x, p, sizeof x);
  return x;
}
inline void store(float* p, Vec x) { __builtin_memcpy(p, &x, sizeof x); }
inline Vec load(const float* p, int64_t n) {
  float lanes[4] = {};
  for (int64_t i = 0; i < n; ++i) lanes[i] = p[i];
  return load(lanes);
}
inline void store(float* p, Vec x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) p[i] = x[i];
}

inline Vec load(const Bf16* p) {
  const Lanes bits = {p[0].bits, p[1].bits, p[2].bits, p[3].bits};
  return (Vec)(bits << 16);
}
inline Vec load(const Bf16* p, int64_t n) {
  Bf16 lanes[4] = {};
  for (int64_t i = 0; i < n; ++i) lanes[i] = p[i];
  return load(lanes);
}
inline Lanes narrow(Vec x) {
  const Lanes bits = (Lanes)x;
  const Lanes rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const Lanes nan = x != x;
  return (rounded & ~nan) | (0x7fc0 & nan);
}
inline void store(Bf16* p, Vec x, int64_t n) {
  const Lanes halves = narrow(x);
  for (int64_t i = 0; i < n; ++i) p[i].bits = static_cast<uint16_t>(halves[i]);
}
inline void store(Bf16* p, Vec x) { store(p, x, 4); }

inline Vec fma(Vec a, Vec b, Vec c) {
#ifdef __aarch64__
  return Vec{__builtin_fmaf(a[0], b[0], c[0]), __builtin_fmaf(a[1], b[1], c[1]),
             __builtin_fmaf(a[2], b[2], c[2]), __builtin_fmaf(a[3], b[3], c[3])};
#else
  // Without the instruction a fused product is a call for every lane.
  return a * b + c;
#endif
}
inline Vec if_less(Vec a, Vec b, Vec yes, Vec no) {
  const Lanes less = a < b;
  return (Vec)(((Lanes)yes & less) | ((Lanes)no & ~less));
}
/** The larger; NaN if `b` is. */
inline Vec max(Vec a, Vec b) { return if_less(b, a, a, b); }
inline Vec abs(Vec x) { return (Vec)((Lanes)x & INT32_MAX); }
inline Vec with_sign(Vec x, Vec sign) { return (Vec)(((Lanes)x & INT32_MAX) | ((Lanes)sign & INT32_MIN)); }
/** To the nearest whole number, for |x| < 2^22. */
inline Vec round(Vec x) {
  const Vec shift = splat(12582912.0f);  // 1.5 * 2^23: the addition drops the fraction
  return (x + shift) - shift;
}
/** x * 2^n for a whole n; 0 below the normal numbers. */
inline Vec scale2(Vec x, Vec n) {
  const Vec top = if_less(n, splat(128), n, splat(128));
  const Lanes exponent = __builtin_convertvector(if_less(top, splat(-127), splat(-127), top), Lanes) + 127;
  return if_less(n, splat(-126), splat(0), x * (Vec)(exponent << 23));
}
inline float sum(Vec x) { return (x[0] + x[2]) + (x[1] + x[3]); }
inline float largest(Vec x) {
  const float a = x[0] < x[1] ? x[1] : x[0], b = x[2] < x[3] ? x[3] : x[2];
  return a < b ? b : a;
}

/** base[index[i]] */
inline Vec gather(const float* base, const int32_t* index) {
  return Vec{base[index[0]], base[index[1]], base[index[2]], base[index[3]]};
}
/** base[i * stride + index[i]] */
inline Vec gather(const float* base, const int32_t* index, int64_t stride) {
  return Vec{base[index[0]], base[stride + index[1]], base[2 * stride + index[2]],
             base[3 * stride + index[3]]};
}

/** Keeps the lanes from..to, the others become -inf. */
inline Vec keep_lanes(Vec x, int64_t from, int64_t to) {
  for (int i = 0; i < 4; ++i)
    if (i < from || i >= to) x[i] = -__builtin_inff();
  return x;
}

/** 4 rows of 4 lanes. */
inline void transpose(const Vec* rows, Vec* columns) {
  for (int i = 0; i < 4; ++i) columns[i] = Vec{rows[0][i], rows[1][i], rows[2][i], rows[3][i]};
}
