// Rotary position embedding of one token, with the heads' norms. Included inside the namespace of one
// instruction set.

template <class T>
inline void rotate_head(T* x, const Rotary<T>& token, const float* norm) {
  const int64_t half = token.half;
  const Vec scale = splat(norm ? inverse_rms(x, token.head_dim, token.eps) : 1), one = splat(token.offset);
  const auto channel = [&](int64_t i, int64_t n) {
    const Vec v = load(x + i, n);
    return norm ? v * scale * (load(norm + i, n) + one) : v;
  };
  for (int64_t i = 0; i < half; i += kWidth) {
    const int64_t n = half - i < kWidth ? half - i : kWidth;
    const Vec a = channel(i, n), b = channel(i + half, n);
    const Vec c = load(token.cos + i, n), s = load(token.sin + i, n);
    store(x + i, fma(a, c, splat(0) - b * s), n);
    store(x + i + half, fma(b, c, a * s), n);
  }
  if (!norm) return;
  for (int64_t i = 2 * half; i < token.head_dim; i += kWidth) {
    const int64_t n = token.head_dim - i < kWidth ? token.head_dim - i : kWidth;
    store(x + i, channel(i, n), n);
  }
}

template <class T>
void rotary(const Rotary<T>& token) {
  T* head = token.row;
  for (int64_t h = 0; h < token.q_heads; ++h, head += token.head_dim) rotate_head(head, token, token.q_norm);
  for (int64_t h = 0; h < token.kv_heads; ++h, head += token.head_dim) rotate_head(head, token, token.k_norm);
}
