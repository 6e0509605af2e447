#include "rcnn/eval/score_text.h"

#include <cmath>

#include "absl/strings/str_format.h"

namespace rcnn::eval {

std::string ScoreText(double score) {
  return std::abs(score) < 1e4 ? absl::StrFormat("%.2f", score) : absl::StrFormat("%.3g", score);
}

std::string ThresholdText(double score) {
  if (std::abs(score) >= 1e4) return absl::StrFormat("%.3g", score);
  int decimals = 3;
  double scale = 1000;
  while (score > 0 && score * scale < 10 && decimals < 12) ++decimals, scale *= 10;
  return absl::StrFormat("%.*f", decimals, std::floor(score * scale) / scale);
}

}  // namespace rcnn::eval
