#include "rcnn/ops/testing/boxes_like.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace rcnn::ops::testing {
namespace {

constexpr double kWidths[] = {184, 368, 736, 128, 256, 512, 88, 176, 352};
constexpr double kHeights[] = {96, 192, 384, 128, 256, 512, 176, 352, 704};
constexpr double kImageWidth = 1000;
constexpr double kImageHeight = 600;
constexpr int64_t kStride = 16;

// Draws that do not depend on the standard library's distributions.
class Draws {
 public:
  explicit Draws(uint64_t seed) : bits_(seed) {}

  int64_t Below(int64_t bound) {
    return static_cast<int64_t>(bits_() % static_cast<uint64_t>(bound));
  }
  double Uniform() { return (static_cast<double>(bits_() >> 11) + 0.5) * 0x1p-53; }
  double Normal() {
    const double radius = std::sqrt(-2 * std::log(Uniform()));
    return radius * std::cos(2 * M_PI * Uniform());
  }

 private:
  std::mt19937_64 bits_;
};

ScoredBoxes Empty(int64_t count) {
  return {at::empty({count, 4}, at::kFloat), at::empty({count}, at::kFloat)};
}

void PutBox(double x1, double y1, double x2, double y2, float* box) {
  box[0] = static_cast<float>(x1);
  box[1] = static_cast<float>(y1);
  box[2] = static_cast<float>(x2);
  box[3] = static_cast<float>(y2);
}

// A side of the anchor after its delta, clipped to [0, limit].
void PutSide(double centre, double length, double limit, Draws* draws, double* low, double* high) {
  centre += 0.1 * length * draws->Normal();
  length *= std::exp(0.2 * draws->Normal());
  *low = std::clamp(centre - length / 2, 0.0, limit);
  *high = std::clamp(centre + length / 2, 0.0, limit);
}

}  // namespace

ScoredBoxes RpnLikeBoxes(int64_t count, uint64_t seed) {
  Draws draws(seed);
  ScoredBoxes result = Empty(count);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t anchor = draws.Below(9);
    const double x = static_cast<double>(kStride * draws.Below(63) + kStride / 2);
    const double y = static_cast<double>(kStride * draws.Below(38) + kStride / 2);
    double x1, y1, x2, y2;
    PutSide(x, kWidths[anchor], kImageWidth, &draws, &x1, &x2);
    PutSide(y, kHeights[anchor], kImageHeight, &draws, &y1, &y2);
    PutBox(x1, y1, x2, y2, result.boxes.data_ptr<float>() + 4 * i);
    result.scores.data_ptr<float>()[i] = static_cast<float>(draws.Uniform());
  }
  return result;
}

ScoredBoxes UniformBoxes(int64_t count, double size_px, int64_t score_levels, uint64_t seed) {
  Draws draws(seed);
  ScoredBoxes result = Empty(count);
  for (int64_t i = 0; i < count; ++i) {
    const double x = size_px * draws.Uniform();
    const double y = size_px * draws.Uniform();
    PutBox(x, y, x + 4 + 60 * draws.Uniform(), y + 4 + 60 * draws.Uniform(),
           result.boxes.data_ptr<float>() + 4 * i);
    result.scores.data_ptr<float>()[i] =
        static_cast<float>(draws.Below(score_levels) + 1) / static_cast<float>(score_levels + 1);
  }
  return result;
}

ScoredBoxes TiedBoxes(int64_t count, uint64_t seed) {
  Draws draws(seed);
  ScoredBoxes result = Empty(count);
  for (int64_t i = 0; i < count; ++i) {
    const double x = static_cast<double>(draws.Below(7));
    const double y = static_cast<double>(draws.Below(7));
    const double width = static_cast<double>(draws.Below(7));
    const double height = static_cast<double>(draws.Below(7));
    PutBox(x, y, x + width, y + height, result.boxes.data_ptr<float>() + 4 * i);
    result.scores.data_ptr<float>()[i] = static_cast<float>(draws.Below(4) + 1) / 8;
  }
  return result;
}

}  // namespace rcnn::ops::testing
