// Attention over packed blocks of keys and values. Included inside the namespace of one instruction set.

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

/** More keys than there are, and few enough to be added to a position. */
constexpr int64_t kEverything = int64_t{1} << 32;

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
  const int64_t window = q.window > 0 ? q.window - 1 : kEverything;
  const Matrix weights = kPerLane == 2 ? Matrix{s.weights, kBlock / 2} : Matrix{s.scores, kBlock};
  for (int64_t b = 0; b < q.block_count; ++b) {
    char* block = const_cast<char*>(q.blocks[b]);
    const int64_t start = (q.first_block + b) * kBlock;
    const Sight sight{q.rows, q.position - start, q.end - start, window, q.causal ? 0 : window};
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
