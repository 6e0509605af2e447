#include "rcnn/eval/class_colors.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace rcnn::eval {
namespace {

// Blue, green, red. Orange before sky blue: the two commonest classes differ most.
const std::array<cv::Scalar, 7> kOkabeIto = {{{0, 159, 230},
                                              {233, 180, 86},
                                              {115, 158, 0},
                                              {66, 228, 240},
                                              {167, 121, 204},
                                              {178, 114, 0},
                                              {0, 94, 213}}};

constexpr double kGoldenAngle = 137.50776405003785;  // degrees
constexpr double kFirstHue = 120;                    // far from the seventh colour

// hue in degrees, saturation and value in [0, 1].
cv::Scalar FromHsv(double hue, double saturation, double value) {
  const auto channel = [&](double n) {
    const double k = std::fmod(n + hue / 60, 6);
    const double share = std::max(0.0, std::min({k, 4 - k, 1.0}));
    return std::round(255 * value * (1 - saturation * share));
  };
  return cv::Scalar(channel(1), channel(3), channel(5));
}

}  // namespace

cv::Scalar ClassColor(int64_t label) {
  const auto count = static_cast<int64_t>(kOkabeIto.size());
  if (label <= count) return kOkabeIto[static_cast<size_t>(std::max<int64_t>(label, 1) - 1)];
  const int64_t i = label - count - 1;
  // Four shades in turn: 21 golden angles come back to nearly the same hue, and 3 divides 21.
  const double value[] = {0.95, 0.7, 0.85, 0.55};
  const double saturation[] = {0.85, 0.8, 0.4, 0.75};
  return FromHsv(std::fmod(kFirstHue + static_cast<double>(i) * kGoldenAngle, 360),
                 saturation[i % 4], value[i % 4]);
}

}  // namespace rcnn::eval
