// Functions of vectors, to about 1e-7 relative. Polynomials are least-maximum fits of the function named.
// Included inside the namespace of one instruction set.

template <int N>
inline Vec polynomial(Vec x, const float (&c)[N]) {
  Vec y = splat(c[N - 1]);
  for (int i = N - 2; i >= 0; --i) y = fma(y, x, splat(c[i]));
  return y;
}

/** 2^x for x <= 0; 0 for -inf. */
inline Vec exp2(Vec x) {
  static constexpr float kPower[] = {1.0f,
                                     6.931472057e-01f,
                                     2.402264689e-01f,
                                     5.550328777e-02f,
                                     9.618488974e-03f,
                                     1.339993118e-03f,
                                     1.534580752e-04f};
  x = max(splat(-160), x);
  const Vec whole = round(x);
  return scale2(polynomial(x - whole, kPower), whole);
}

inline Vec exp(Vec x) {
  static constexpr float kPower[] = {1.0f,
                                     1.000000037e+00f,
                                     4.999999203e-01f,
                                     1.666641919e-01f,
                                     4.166823187e-02f,
                                     8.374898341e-03f,
                                     1.383673797e-03f};
  x = max(splat(-110), x);
  x = if_less(splat(110), x, splat(110), x);
  const Vec whole = round(x * splat(1.442695041f));
  // ln 2 in two parts, so that the product with the first is exact.
  const Vec rest = fma(whole, splat(2.12194440e-4f), fma(whole, splat(-0.693359375f), x));
  return scale2(polynomial(rest, kPower), whole);
}

inline Vec sigmoid(Vec x) { return splat(1) / (splat(1) + exp(splat(0) - x)); }

inline Vec tanh(Vec x) {
  // (tanh(x) / x - 1) / x^2 in x^2, up to x^2 = 0.4
  static constexpr float kSmall[] = {-3.333333316e-01f, 1.333330177e-01f,  -5.395878432e-02f,
                                     2.176475464e-02f,  -8.329605380e-03f, 2.275908233e-03f};
  const Vec square = x * x;
  const Vec small = fma(x * square, polynomial(square, kSmall), x);
  const Vec large = splat(1) - splat(2) / (exp(splat(2) * abs(x)) + splat(1));
  return if_less(abs(x), splat(0.6f), small, with_sign(large, x));
}

/** Probability that a standard normal variable is below x. */
inline Vec normal_cdf(Vec x) {
  // erfc(y) * exp(y^2) in 1 / (1 + 0.4 y), for 0 <= y <= 9.5
  static constexpr float kTail[] = {3.168636855e-05f,  2.249783031e-01f,  2.322361622e-01f, 1.732332704e-01f,
                                    2.809507958e-01f,  -9.190439622e-02f, 3.043203451e-01f, -8.542614728e-02f,
                                    -6.536250404e-02f, 2.694251177e-02f};
  const Vec y = abs(x) * splat(0.7071067812f);
  const Vec t = splat(1) / fma(y, splat(0.4f), splat(1));
  const Vec tail = splat(0.5f) * exp(splat(-0.5f) * x * x) * polynomial(t, kTail);
  return if_less(x, splat(0), tail, splat(1) - tail);
}
