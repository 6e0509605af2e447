// Random boxes and scores as plain arrays, for tests of kernels, which have no tensors.
//
// Example:
//   std::mt19937_64 random(TestSeed());
//   std::vector<float> boxes = RandomBoxRows<float>(100, {}, random);

#ifndef RCNN_OPS_TESTING_BOX_ROWS_H_
#define RCNN_OPS_TESTING_BOX_ROWS_H_

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

namespace rcnn::ops::testing {

struct BoxRowOptions {
  // x1 and y1 are uniform in [0, extent_px).
  double extent_px = 500;
  // Sides are uniform in [min_side_px, max_side_px); with a minimum of 0 one in ten is 0.
  double max_side_px = 200;
  // Corners are rounded down to multiples of this, so that boxes and overlaps tie; 0: not rounded.
  double grid_px = 0;
  double min_side_px = 0;
};

// [count, 4] boxes (x1, y1, x2, y2) with x2 >= x1 and y2 >= y1.
template <typename T>
std::vector<T> RandomBoxRows(int64_t count, const BoxRowOptions& options, std::mt19937_64& random) {
  std::uniform_real_distribution<double> uniform;
  const auto rounded = [&](double value) {
    const double grid = options.grid_px;
    return static_cast<T>(grid > 0 ? static_cast<int64_t>(value / grid) * grid : value);
  };
  std::vector<T> rows;
  for (int64_t i = 0; i < count; ++i) {
    T corners[4];
    for (int axis = 0; axis < 2; ++axis) {
      const double low = uniform(random) * options.extent_px;
      const double spread = options.max_side_px - options.min_side_px;
      const bool is_zero = options.min_side_px == 0 && uniform(random) < 0.1;
      const double side = is_zero ? 0 : options.min_side_px + uniform(random) * spread;
      corners[axis] = rounded(low);
      corners[axis + 2] = std::max(corners[axis], rounded(low + side));
    }
    rows.insert(rows.end(), corners, corners + 4);
  }
  return rows;
}

// Uniform in [-1, 1), rounded towards 0 to at most `levels` values, so that scores tie; 0: not
// rounded.
template <typename T>
std::vector<T> RandomScores(int64_t count, int64_t levels, std::mt19937_64& random) {
  std::uniform_real_distribution<double> uniform(-1, 1);
  std::vector<T> scores;
  for (int64_t i = 0; i < count; ++i) {
    const double value = uniform(random);
    const double levels_per_unit = 0.5 * static_cast<double>(levels);
    scores.push_back(static_cast<T>(
        levels > 0 ? static_cast<int64_t>(value * levels_per_unit) / levels_per_unit : value));
  }
  return scores;
}

}  // namespace rcnn::ops::testing

#endif  // RCNN_OPS_TESTING_BOX_ROWS_H_
