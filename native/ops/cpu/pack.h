// Blocks of keys and values. Included inside the namespace of one instruction set.
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
