#include "rcnn/data/core/stated_size.h"

#include <cmath>

#include "absl/strings/numbers.h"

namespace rcnn::data {

int64_t StatedPixels(double number) {
  const bool is_side = number > 0 && number < 1e9 && number == std::floor(number);
  return is_side ? static_cast<int64_t>(number) : 0;
}

int64_t StatedPixels(absl::string_view text) {
  double number = 0;
  return absl::SimpleAtod(text, &number) ? StatedPixels(number) : 0;
}

}  // namespace rcnn::data
