// Activations of one row, plain and gated. Included inside the namespace of one instruction set.

template <Activation kind>
inline Vec activate(Vec x) {
  if constexpr (kind == Activation::kSilu) return x * sigmoid(x);
  if constexpr (kind == Activation::kGelu) return x * normal_cdf(x);
  if constexpr (kind == Activation::kRelu) return max(splat(0), x);
  if constexpr (kind == Activation::kRelu2) return max(splat(0), x) * max(splat(0), x);
  if constexpr (kind == Activation::kQuickGelu) return x * sigmoid(splat(1.702f) * x);
  if constexpr (kind == Activation::kTanh) return tanh(x);
  // 0.5 x (1 + tanh(u)) = x sigmoid(2u), u = sqrt(2 / pi) (x + 0.044715 x^3)
  return x * sigmoid(splat(1.5957691216f) * fma(x * x * x, splat(0.044715f), x));
}

/** activation(x) * up, without `up` where it is null. */
template <Activation kind, class T>
inline void activate_row(const T* x, const T* up, int64_t size, T* out) {
  int64_t i = 0;
  for (; i + kWidth <= size; i += kWidth) {
    const Vec y = activate<kind>(load(x + i));
    store(out + i, up ? y * load(up + i) : y);
  }
  if (i < size) {
    const int64_t n = size - i;
    const Vec y = activate<kind>(load(x + i, n));
    store(out + i, up ? y * load(up + i, n) : y, n);
  }
}

template <class T>
void activate(const T* x, const T* up, Activation activation, int64_t size, T* out) {
  switch (activation) {
    case Activation::kSilu:
      return activate_row<Activation::kSilu>(x, up, size, out);
    case Activation::kGelu:
      return activate_row<Activation::kGelu>(x, up, size, out);
    case Activation::kGeluTanh:
      return activate_row<Activation::kGeluTanh>(x, up, size, out);
    case Activation::kRelu:
      return activate_row<Activation::kRelu>(x, up, size, out);
    case Activation::kRelu2:
      return activate_row<Activation::kRelu2>(x, up, size, out);
    case Activation::kQuickGelu:
      return activate_row<Activation::kQuickGelu>(x, up, size, out);
    case Activation::kTanh:
      return activate_row<Activation::kTanh>(x, up, size, out);
  }
}
