// Gated activation of one row. Included inside the namespace of one instruction set.

template <Activation kind>
inline Vec activate(Vec x) {
  if constexpr (kind == Activation::kSilu) return x * sigmoid(x);
  if constexpr (kind == Activation::kGelu) return x * normal_cdf(x);
  // 0.5 x (1 + tanh(u)) = x sigmoid(2u), u = sqrt(2 / pi) (x + 0.044715 x^3)
  return x * sigmoid(splat(1.5957691216f) * fma(x * x * x, splat(0.044715f), x));
}

template <Activation kind, class T>
inline void gate_row(const T* gate, const T* up, int64_t size, T* out) {
  int64_t i = 0;
  for (; i + kWidth <= size; i += kWidth) store(out + i, activate<kind>(load(gate + i)) * load(up + i));
  if (i < size) {
    const int64_t n = size - i;
    store(out + i, activate<kind>(load(gate + i, n)) * load(up + i, n), n);
  }
}

template <class T>
void gate(const T* gate, const T* up, Activation activation, int64_t size, T* out) {
  switch (activation) {
    case Activation::kSilu:
      return gate_row<Activation::kSilu>(gate, up, size, out);
    case Activation::kGelu:
      return gate_row<Activation::kGelu>(gate, up, size, out);
    case Activation::kGeluTanh:
      return gate_row<Activation::kGeluTanh>(gate, up, size, out);
  }
}
