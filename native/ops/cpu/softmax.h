// The softmax of attention, block by block of keys. Included inside the namespace of one instruction set.

/** What a call of `attend` works in. Rows are ordered head by head. */
struct Scratch {
  float* query;    // [rows][lanes of a head]
  float* scores;   // [rows][kBlock], and in place the weights where lanes are float32
  float* weights;  // [rows][lanes of a block]
  float* sums;     // [rows][padded head]
  float* totals;   // [rows][kWidth]: the softmax's denominator, one part for each lane
  float* largest;  // [rows]
  float* alpha;    // [rows]
};

template <class T>
int64_t scratch_bytes(int64_t head_dim) {
  return kMaxRows * (head_dim + 2 * kBlock + padded(head_dim) + kWidth + 2) * 4;
}

inline Scratch divide(char* memory, int64_t head_dim) {
  Scratch s;
  s.query = reinterpret_cast<float*>(memory);
  s.scores = s.query + kMaxRows * head_dim;
  s.weights = s.scores + kMaxRows * kBlock;
  s.sums = s.weights + kMaxRows * kBlock;
  s.totals = s.sums + kMaxRows * padded(head_dim);
  s.largest = s.totals + kMaxRows * kWidth;
  s.alpha = s.largest + kMaxRows;
  return s;
}

/** One block of keys as the rows of a query see it. */
struct Sight {
  int64_t rows;      // tokens of the query
  int64_t position;  // of its first row, from the start of the block
  int64_t end;       // behind the last key, from the start of the block
  int64_t before;    // keys before a query's own that it sees
  int64_t behind;    // and keys behind it

  int64_t first(int64_t token) const {
    const int64_t from = position + token - before;
    return from > 0 ? from : 0;
  }
  int64_t last(int64_t token) const {
    const int64_t own = position + token + 1;
    const int64_t to = own < end - behind ? own + behind : end;
    if (to < 0) return 0;
    return to < kBlock ? to : kBlock;
  }
  /** The most keys that one of the rows from..from + count sees; they may span heads. */
  int64_t most(int64_t from, int64_t count) const {
    const int64_t token = from % rows;
    return last(token + count > rows ? rows - 1 : token + count - 1);
  }
};

/** Scores of one row become comparable: softcap applied, hidden keys at -inf. Returns the largest. */
inline float mask(float* row, int64_t from, int64_t to, float tanh_scale) {
  Vec most = splat(-__builtin_inff());
  const bool hidden = from > 0 || to < kBlock;
  for (int64_t i = 0; i < to; i += kWidth) {
    Vec x = load(row + i);
    if (hidden || tanh_scale > 0) {
      if (tanh_scale > 0) x = tanh(x * splat(tanh_scale));
      x = keep_lanes(x, from - i, to - i);
      store(row + i, x);
    }
    most = max(most, x);
  }
  return largest(most);
}

/** Weights 2^((score - base) * units) of one row, 0 from `to` on. Returns the sum of each lane. */
template <class T>
inline Vec weigh(const Scratch& s, int64_t r, int64_t to, float base, float units) {
  const float* row = s.scores + r * kBlock;
  Vec total = splat(0);
  for (int64_t i = 0; i < kBlock; i += kWidth) {
    const Vec weight = i < to ? exp2((load(row + i) - splat(base)) * splat(units)) : splat(0);
    total = total + weight;
#ifdef RMS_BF16_DOT
    if constexpr (Format<T>::kPerLane == 2) {
      store(reinterpret_cast<Bf16*>(s.weights + r * kBlock / 2) + i, weight);
      continue;
    }
#endif
    store(s.scores + r * kBlock + i, weight);
  }
  return total;
}

/**
 * Turns a block's scores into weights, relative to the largest score that each row has seen so far. `alpha`
 * says what that makes of the weights of the blocks before.
 */
template <class T>
inline void soften(const Scratch& s, int64_t rows, const Sight& sight, float scale, float softcap,
                   bool first) {
  constexpr float kLog2E = 1.442695041f;
  const float tanh_scale = softcap > 0 ? scale / softcap : 0;
  const float units = (softcap > 0 ? softcap : scale) * kLog2E;
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t token = r % sight.rows;
    s.alpha[r] = mask(s.scores + r * kBlock, sight.first(token), sight.last(token), tanh_scale);
  }
  const Vec none = splat(-__builtin_inff());
  for (int64_t r = 0; r < rows; r += kWidth) {
    const Vec old = first ? none : load(s.largest + r);
    const Vec now = max(old, load(s.alpha + r));
    // A row that has seen no key yet must not subtract infinities.
    const Vec base = if_less(none, now, now, splat(0));
    store(s.largest + r, now);
    store(s.alpha + r, exp2((old - base) * splat(units)));
  }
  for (int64_t r = 0; r < rows; ++r) {
    const float now = s.largest[r], base = now == -__builtin_inff() ? 0 : now;
    const Vec total = weigh<T>(s, r, sight.last(r % sight.rows), base, units);
    float* totals = s.totals + r * kWidth;
    store(totals, first ? total : fma(load(totals), splat(s.alpha[r]), total));
  }
}
