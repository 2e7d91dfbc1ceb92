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

/** Rows of a head as lanes: into [rows][lanes]. */
template <class T>
inline void load_rows(const T* from, int64_t stride, int64_t rows, int64_t head_dim, float* to) {
  const int64_t lanes = head_dim / Format<T>::kPerLane;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < lanes; i += kWidth) {
      const int64_t n = lanes - i < kWidth ? lanes - i : kWidth;
      store(to + r * lanes + i, load_lanes(from + r * stride, i, n), n);
    }
  }
}

template <class T>
void products(const T* rows, int64_t stride, int64_t count, int64_t head_dim, const char* const* blocks,
              int64_t block_count, float* out, char* scratch) {
  using Lanes = typename Format<T>::Lanes;
  constexpr int64_t kPanel = kTileVecs * kWidth;
  const int64_t lanes = head_dim / Format<T>::kPerLane, width = block_count * kBlock;
  const Scratch s = divide(scratch, head_dim);
  load_rows(rows, stride, count, head_dim, s.query);
  for (int64_t b = 0; b < block_count; ++b) {
    const float* keys = block_keys<T>(const_cast<char*>(blocks[b]));
    for (int64_t panel = 0; panel < kBlock; panel += kPanel) {
      strips(count, [&](int64_t r, int64_t n) {
        any_tile<Lanes>(n, kTileVecs, {s.query + r * lanes, lanes}, {keys + panel, kBlock}, lanes, nullptr,
                        out + r * width + b * kBlock + panel, width);
      });
    }
  }
}

/** Adds the terms for distances to the products with a block of keys that starts at position `start`. */
template <class T>
inline void add_distances(const Scratch& s, const Attend<T>& q, int64_t start) {
  const Distances& d = *q.distances;
  for (int64_t r = 0; r < q.rows; ++r) {
    const int32_t* columns = d.columns + start - (q.position + r);
    float* row = s.scores + r * kBlock;
    for (int64_t i = 0; i < kBlock; i += kWidth) {
      Vec x = load(row + i);
      if (d.of_queries) x = x + gather(d.of_queries + r * d.width, columns + i);
      if (d.of_keys) x = x + gather(d.of_keys + (start + i) * d.width, columns + i, d.width);
      if (d.bias) x = x + gather(d.bias, columns + i);
      store(row + i, x);
    }
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
  for (int64_t head = 0; head < q.heads; ++head) {
    load_rows(q.query + head * q.head_dim, q.query_stride, q.rows, q.head_dim,
              s.query + head * q.rows * lanes);
  }
  const int64_t window = q.window > 0 ? q.window - 1 : kEverything;
  const Matrix weights = kPerLane == 2 ? Matrix{s.weights, kBlock / 2} : Matrix{s.scores, kBlock};
  for (int64_t b = 0; b < q.block_count; ++b) {
    char* block = const_cast<char*>(q.blocks[b]);
    const int64_t start = (q.first_block + b) * kBlock;
    const Sight sight{q.rows, q.position - start, q.end - start, window, q.causal ? 0 : window};
    query_keys<Lanes>(s, block_keys<T>(block), lanes, rows, sight);
    if (q.distances) add_distances(s, q, start);
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
