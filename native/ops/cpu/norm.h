// Norms of one row. All arithmetic is float32 and the result is rounded once.
// Included inside the namespace of one instruction set.

/** Sum of f(v) over the vectors of a row, in four chains whose order depends on `size` only. */
template <class T, class F>
inline float sum_of(const T* x, int64_t size, F f) {
  Vec sums[4] = {splat(0), splat(0), splat(0), splat(0)};
  int64_t i = 0;
  for (; i + 4 * kWidth <= size; i += 4 * kWidth)
    for (int j = 0; j < 4; ++j) sums[j] = sums[j] + f(load(x + i + j * kWidth), kWidth);
  for (; i < size; i += kWidth) {
    const int64_t n = size - i < kWidth ? size - i : kWidth;
    sums[0] = sums[0] + f(n == kWidth ? load(x + i) : load(x + i, n), n);
  }
  return sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

// Not lambdas: GCC compiles the function pointer that a lambda without captures converts to for the plain
// processor.
struct Itself {
  Vec operator()(Vec v, int64_t) const { return v; }
};
struct Square {
  Vec operator()(Vec v, int64_t) const { return v * v; }
};

template <class T>
inline float inverse_rms(const T* x, int64_t size, float eps) {
  const float squares = sum_of(x, size, Square{});
  return 1.0f / __builtin_sqrtf(squares / static_cast<float>(size) + eps);
}

template <class T>
void rms_norm(const T* x, const float* weight, float offset, float eps, int64_t size, T* out) {
  const Vec scale = splat(inverse_rms(x, size, eps)), one = splat(offset);
  int64_t i = 0;
  for (; i + kWidth <= size; i += kWidth) store(out + i, load(x + i) * scale * (load(weight + i) + one));
  if (i < size) {
    const int64_t n = size - i;
    store(out + i, load(x + i, n) * scale * (load(weight + i, n) + one), n);
  }
}

template <class T>
void layer_norm(const T* x, const float* weight, const float* bias, float eps, int64_t size, T* out) {
  const Vec center = splat(sum_of(x, size, Itself{}) / static_cast<float>(size));
  const float squares = sum_of(x, size, [center](Vec v, int64_t n) {
    const Vec d = v - center;
    if (n == kWidth) return d * d;
    float lanes[kWidth] = {};
    store(lanes, d * d, n);
    return load(lanes);
  });
  const Vec scale = splat(1.0f / __builtin_sqrtf(squares / static_cast<float>(size) + eps));
  for (int64_t i = 0; i < size; i += kWidth) {
    const int64_t n = size - i < kWidth ? size - i : kWidth;
    const Vec factor = weight ? load(weight + i, n) : splat(1);
    const Vec shift = bias ? load(bias + i, n) : splat(0);
    store(out + i, fma((load(x + i, n) - center) * scale, factor, shift), n);
  }
}
