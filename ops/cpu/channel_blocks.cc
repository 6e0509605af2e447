#include "rcnn/ops/cpu/channel_blocks.h"

#include <type_traits>

namespace rcnn::ops {
namespace {

// Four values of 4 bytes.
template <typename T>
struct Four {
  typedef T type __attribute__((vector_size(16), aligned(alignof(T)), may_alias));
};

// to[j * to_stride + i] = from[i * from_stride + j] for i, j in [0, 4).
template <typename T>
inline void Transpose4x4(const T* from, int64_t from_stride, T* to, int64_t to_stride) {
  using Vector = typename Four<T>::type;
  const auto row = [&](int64_t i) {
    return *reinterpret_cast<const Vector*>(from + i * from_stride);
  };
  const auto store = [&](int64_t j, const Vector& value) {
    *reinterpret_cast<Vector*>(to + j * to_stride) = value;
  };
  const Vector a = row(0), b = row(1), c = row(2), d = row(3);
  const Vector ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
  const Vector ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const Vector cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
  const Vector cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  store(0, __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5));
  store(1, __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7));
  store(2, __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5));
  store(3, __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7));
}

template <typename From, typename To>
void TransposeScalars(const From* from, int64_t from_stride, int64_t rows, int64_t columns, To* to,
                      int64_t to_stride) {
  for (int64_t j = 0; j < columns; ++j) {
    for (int64_t i = 0; i < rows; ++i) {
      to[j * to_stride + i] = static_cast<To>(from[i * from_stride + j]);
    }
  }
}

template <typename T>
void TransposeWords(const T* from, int64_t from_stride, int64_t rows, int64_t columns, T* to,
                    int64_t to_stride) {
  const int64_t whole_rows = rows / 4 * 4;
  const int64_t whole_columns = columns / 4 * 4;
  for (int64_t j = 0; j < whole_columns; j += 4) {
    for (int64_t i = 0; i < whole_rows; i += 4) {
      Transpose4x4(from + i * from_stride + j, from_stride, to + j * to_stride + i, to_stride);
    }
  }
  TransposeScalars(from + whole_columns, from_stride, whole_rows, columns - whole_columns,
                   to + whole_columns * to_stride, to_stride);
  TransposeScalars(from + whole_rows * from_stride, from_stride, rows - whole_rows, columns,
                   to + whole_rows, to_stride);
}

// to[j][i] = from[i][j] for i < rows, j < columns; the rows of each are its stride apart.
template <typename From, typename To>
void Transpose(const From* from, int64_t from_stride, int64_t rows, int64_t columns, To* to,
               int64_t to_stride) {
  if constexpr (std::is_same_v<From, To> && sizeof(To) == 4) {
    TransposeWords(from, from_stride, rows, columns, to, to_stride);
  } else {
    TransposeScalars(from, from_stride, rows, columns, to, to_stride);
  }
}

// to[i][j] = from[i][j] for i < rows, j < columns.
template <typename From, typename To>
void CopyRows(const From* from, int64_t from_stride, int64_t rows, int64_t columns, To* to,
              int64_t to_stride) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      to[i * to_stride + j] = static_cast<To>(from[i * from_stride + j]);
    }
  }
}

template <typename T, typename A>
void Pack(const T* from, ChannelStrides strides, int64_t channels, int64_t pixels, A* block) {
  constexpr int64_t kBlock = kChannelBlock<A>;
  if (channels < kBlock) std::fill_n(block, pixels * kBlock, A{0});
  if (strides.pixel == 1) {
    return Transpose(from, strides.channel, channels, pixels, block, kBlock);
  }
  if (strides.channel == 1) {
    return CopyRows(from, strides.pixel, pixels, channels, block, kBlock);
  }
  for (int64_t p = 0; p < pixels; ++p) {
    TransposeScalars(from + p * strides.pixel, strides.channel, channels, 1, block + p * kBlock, 1);
  }
}

template <typename A, typename T>
void Unpack(const A* block, int64_t channels, int64_t pixels, T* to, ChannelStrides strides) {
  constexpr int64_t kBlock = kChannelBlock<A>;
  if (strides.pixel == 1) {
    return Transpose(block, kBlock, pixels, channels, to, strides.channel);
  }
  if (strides.channel == 1) {
    return CopyRows(block, kBlock, pixels, channels, to, strides.pixel);
  }
  for (int64_t p = 0; p < pixels; ++p) {
    TransposeScalars(block + p * kBlock, 1, 1, channels, to + p * strides.pixel, strides.channel);
  }
}

}  // namespace

void PackBlock(const float* from, ChannelStrides strides, int64_t channels, int64_t pixels,
               float* block) {
  Pack(from, strides, channels, pixels, block);
}

void PackBlock(const double* from, ChannelStrides strides, int64_t channels, int64_t pixels,
               double* block) {
  Pack(from, strides, channels, pixels, block);
}

void PackBlock(const c10::BFloat16* from, ChannelStrides strides, int64_t channels, int64_t pixels,
               float* block) {
  Pack(from, strides, channels, pixels, block);
}

void UnpackBlock(const float* block, int64_t channels, int64_t pixels, float* to,
                 ChannelStrides strides) {
  Unpack(block, channels, pixels, to, strides);
}

void UnpackBlock(const double* block, int64_t channels, int64_t pixels, double* to,
                 ChannelStrides strides) {
  Unpack(block, channels, pixels, to, strides);
}

void UnpackBlock(const float* block, int64_t channels, int64_t pixels, c10::BFloat16* to,
                 ChannelStrides strides) {
  Unpack(block, channels, pixels, to, strides);
}

void UnpackBlock(const int32_t* block, int64_t channels, int64_t pixels, int32_t* to,
                 ChannelStrides strides) {
  Unpack(block, channels, pixels, to, strides);
}

void UnpackBlock(const int64_t* block, int64_t channels, int64_t pixels, int32_t* to,
                 ChannelStrides strides) {
  Unpack(block, channels, pixels, to, strides);
}

}  // namespace rcnn::ops
