// Attention over packed blocks of keys and values. Included inside the namespace of one instruction set.
//
// A block holds kBlock keys, transposed ([lanes of a head][kBlock]), then their values ([lanes of kBlock
// keys] [channels, filled up to whole vectors]). Where the instruction set has no product of bf16, lanes are
// float32.

template <class T>
struct Format {
  using Lanes = Float32Lanes;
  static constexpr int64_t kPerLane = 1;
};
#ifdef RMS_BF16_DOT
template <>
struct Format<Bf16> {
  using Lanes = Bf16Pairs;
  static constexpr int64_t kPerLane = 2;
};
#endif

inline int64_t round_up(int64_t x, int64_t unit) { return (x + unit - 1) / unit * unit; }
/** Channels of a row of values or of output: whole vectors of the widest instruction set. */
inline int64_t padded(int64_t head_dim) { return round_up(head_dim, 16); }

template <class T>
int64_t block_bytes(int64_t head_dim) {
  return (head_dim + padded(head_dim)) * kBlock / Format<T>::kPerLane * 4;
}

template <class T>
inline float* block_keys(char* block) {
  return reinterpret_cast<float*>(block);
}
template <class T>
inline float* block_values(char* block, int64_t head_dim) {
  return reinterpret_cast<float*>(block) + head_dim / Format<T>::kPerLane * kBlock;
}

/** `n` lanes of a row from lane `i` on. */
template <class T>
inline Vec load_lanes(const T* row, int64_t i, int64_t n) {
#ifdef RMS_BF16_DOT
  if constexpr (Format<T>::kPerLane == 2) return load(reinterpret_cast<const float*>(row) + i, n);
#endif
  return load(row + i, n);
}

template <class T>
inline void pack_keys(const T* keys, int64_t stride, const int32_t* tokens, int64_t count, int64_t head_dim,
                      float* out) {
  const int64_t lanes = head_dim / Format<T>::kPerLane;
  for (int64_t first = 0; first < kBlock; first += kWidth) {
    for (int64_t lane = 0; lane < lanes; lane += kWidth) {
      const int64_t n = lanes - lane < kWidth ? lanes - lane : kWidth;
      Vec rows[kWidth], columns[kWidth];
      for (int64_t i = 0; i < kWidth; ++i)
        rows[i] = first + i < count ? load_lanes(keys + tokens[first + i] * stride, lane, n) : splat(0);
      transpose(rows, columns);
      for (int64_t i = 0; i < n; ++i) store(out + (lane + i) * kBlock + first, columns[i]);
    }
  }
}

template <class T>
inline void pack_values(const T* values, int64_t stride, const int32_t* tokens, int64_t count,
                        int64_t head_dim, float* out) {
  const int64_t width = padded(head_dim);
#ifdef RMS_BF16_DOT
  if constexpr (Format<T>::kPerLane == 2) {
    for (int64_t pair = 0; pair < kBlock / 2; ++pair) {
      const T* even = values + tokens[2 * pair] * stride;
      const T* odd = values + tokens[2 * pair + 1] * stride;
      for (int64_t i = 0; i < width; i += kWidth) {
        const auto half = [&](const T* row, int64_t k) {
          const int64_t n = k >= count ? 0 : head_dim - i < kWidth ? head_dim - i : kWidth;
          return _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first_lanes(n), row + i));
        };
        const __m512i low = half(even, 2 * pair), high = half(odd, 2 * pair + 1);
        store(out + pair * width + i, _mm512_castsi512_ps(_mm512_or_si512(low, _mm512_slli_epi32(high, 16))));
      }
    }
    return;
  }
#endif
  for (int64_t k = 0; k < kBlock; ++k) {
    for (int64_t i = 0; i < width; i += kWidth) {
      const int64_t left = k >= count || i >= head_dim ? 0 : head_dim - i;
      store(out + k * width + i,
            left == 0 ? splat(0) : load(values + tokens[k] * stride + i, left < kWidth ? left : kWidth));
    }
  }
}

/** `tokens` has kBlock entries; those from `count` on are valid rows that are not read as keys. */
template <class T>
void pack(const T* keys, const T* values, int64_t stride, const int32_t* tokens, int64_t count,
          int64_t head_dim, char* block) {
  pack_keys(keys, stride, tokens, count, head_dim, block_keys<T>(block));
  pack_values(values, stride, tokens, count, head_dim, block_values<T>(block, head_dim));
}

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
  int64_t window;    // 0 = none

  int64_t first(int64_t token) const {
    const int64_t from = position + token + 1 - window;
    return window > 0 && from > 0 ? from : 0;
  }
  int64_t last(int64_t token) const {
    const int64_t to = position + token + 1;
    return to < kBlock ? to : kBlock;
  }
  /** The most keys that one of the rows from..from + count sees; they may span heads. */
  int64_t most(int64_t from, int64_t count) const {
    const int64_t token = from % rows;
    return last(token + count > rows ? rows - 1 : token + count - 1);
  }
};

/** Calls f(row, rows) for strips of kTileRows rows. */
template <class F>
inline void strips(int64_t rows, F f) {
  for (int64_t r = 0; r < rows; r += kTileRows) f(r, rows - r < kTileRows ? rows - r : kTileRows);
}

template <class Lanes>
inline void query_keys(const Scratch& s, const float* keys, int64_t lanes, int64_t rows, const Sight& sight) {
  constexpr int64_t kPanel = kTileVecs * kWidth;
  for (int64_t panel = 0; panel < kBlock; panel += kPanel) {
    strips(rows, [&](int64_t r, int64_t count) {
      const int64_t columns = sight.most(r, count) - panel;
      if (columns <= 0) return;
      const int64_t vecs = columns < kPanel ? (columns + kWidth - 1) / kWidth : kTileVecs;
      any_tile<Lanes>(count, vecs, {s.query + r * lanes, lanes}, {keys + panel, kBlock}, lanes, nullptr,
                      s.scores + r * kBlock + panel, kBlock);
    });
  }
}

template <class Lanes>
inline void weigh_values(const Scratch& s, Matrix weights, const float* values, int64_t width,
                         int64_t per_lane, int64_t rows, const Sight& sight, bool first) {
  constexpr int64_t kPanel = kTileVecs * kWidth;
  for (int64_t panel = 0; panel < width; panel += kPanel) {
    const int64_t vecs = (width - panel < kPanel ? width - panel : kPanel) / kWidth;
    strips(rows, [&](int64_t r, int64_t count) {
      const int64_t steps = (sight.most(r, count) + per_lane - 1) / per_lane;
      any_tile<Lanes>(count, vecs, {weights.lanes + r * weights.stride, weights.stride},
                      {values + panel, width}, steps, first ? nullptr : s.alpha + r,
                      s.sums + r * width + panel, width);
    });
  }
}

/**
 * Turns scores into weights, relative to the largest score so far. Scores are in units of 1 / log2(e) at most
 * after `log_scale` is applied, so that weights are powers of 2.
 */
template <class T>
inline void soften(const Scratch& s, int64_t rows, const Sight& sight, float scale, float softcap,
                   bool first) {
  constexpr int kVecs = kBlock / kWidth;
  constexpr float kLog2E = 1.442695041f;
  const float log_scale = softcap > 0 ? softcap * kLog2E : scale * kLog2E;
  for (int64_t r = 0; r < rows; ++r) {
    float* row = s.scores + r * kBlock;
    const int64_t token = r % sight.rows, from = sight.first(token), to = sight.last(token);
    Vec most = splat(-__builtin_inff());
    const bool masked = from > 0 || to < kBlock;
    if (masked || softcap > 0) {
      for (int v = 0; v < kVecs; ++v) {
        Vec x = load(row + v * kWidth);
        if (softcap > 0) x = tanh(x * splat(scale / softcap));
        x = keep_lanes(x, from - v * kWidth, to - v * kWidth);
        store(row + v * kWidth, x);
        most = max(most, x);
      }
    } else {
      for (int v = 0; v < kVecs; ++v) most = max(most, load(row + v * kWidth));
    }
    s.alpha[r] = largest(most);
  }
  // alpha = 2^(old largest - new largest); rows that have seen no key yet keep 0 as their largest
  for (int64_t r = 0; r < rows; r += kWidth) {
    const Vec none = splat(-__builtin_inff());
    const Vec old = first ? none : load(s.largest + r);
    const Vec now = max(old, load(s.alpha + r));
    const Vec base = if_less(none, now, now, splat(0));
    store(s.largest + r, now);
    store(s.alpha + r, exp2((old - base) * splat(log_scale)));
  }
  for (int64_t r = 0; r < rows; ++r) {
    float* row = s.scores + r * kBlock;
    const float now = s.largest[r];
    const Vec base = splat(now == -__builtin_inff() ? 0 : now), units = splat(log_scale);
    Vec total = splat(0);
    for (int v = 0; v < kVecs; ++v) {
      const Vec weight = exp2((load(row + v * kWidth) - base) * units);
      total = total + weight;
#ifdef RMS_BF16_DOT
      if constexpr (Format<T>::kPerLane == 2) {
        store(reinterpret_cast<Bf16*>(s.weights + r * kBlock / 2) + v * kWidth, weight);
        continue;
      }
#endif
      store(row + v * kWidth, weight);
    }
    float* totals = s.totals + r * kWidth;
    store(totals, first ? total : fma(load(totals), splat(s.alpha[r]), total));
  }
}

template <class T>
void attend(const Attend<T>& q) {
  using Lanes = typename Format<T>::Lanes;
  constexpr int64_t kPerLane = Format<T>::kPerLane;
  const int64_t rows = q.rows * q.heads, lanes = q.head_dim / kPerLane, width = padded(q.head_dim);
  const Scratch s = divide(q.scratch, q.head_dim);
  for (int64_t r = 0; r < rows; ++r) {
    const T* row = q.query + (r % q.rows) * q.query_stride + (r / q.rows) * q.head_dim;
    for (int64_t i = 0; i < lanes; i += kWidth) {
      const int64_t n = lanes - i < kWidth ? lanes - i : kWidth;
      store(s.query + r * lanes + i, load_lanes(row, i, n), n);
    }
  }
  const Matrix weights = kPerLane == 2 ? Matrix{s.weights, kBlock / 2} : Matrix{s.scores, kBlock};
  for (int64_t b = 0; b < q.block_count; ++b) {
    char* block = const_cast<char*>(q.blocks[b]);
    const Sight sight{q.rows, q.position - (q.first_block + b) * kBlock, q.window};
    query_keys<Lanes>(s, block_keys<T>(block), lanes, rows, sight);
    soften<T>(s, rows, sight, q.scale, q.softcap, b == 0);
    weigh_values<Lanes>(s, weights, block_values<T>(block, q.head_dim), width, kPerLane, rows, sight, b == 0);
  }
  for (int64_t r = 0; r < rows; ++r) {
    T* out = q.out + (r % q.rows) * q.out_stride + (r / q.rows) * q.head_dim;
    const Vec scale = splat(1.0f / sum(load(s.totals + r * kWidth)));
    for (int64_t i = 0; i < q.head_dim; i += kWidth) {
      const int64_t n = q.head_dim - i < kWidth ? q.head_dim - i : kWidth;
      store(out + i, load(s.sums + r * width + i) * scale, n);
    }
  }
}
