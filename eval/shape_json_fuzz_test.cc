// Any JSON as a mask and as keypoints. A mask that is read has the size of its image, and
// its runs fill it.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "rcnn/eval/run_length_mask.h"
#include "rcnn/eval/shape_json.h"
#include "simdjson.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto& parser = *new simdjson::dom::parser;
  const simdjson::padded_string text(reinterpret_cast<const char*>(data), size);
  simdjson::dom::element value;
  if (parser.parse(text).get(value) != simdjson::SUCCESS) return 0;
  for (const rcnn::eval::ImageSize& image :
       {rcnn::eval::ImageSize{}, rcnn::eval::ImageSize{9, 7}, rcnn::eval::ImageSize{300, 400}}) {
    rcnn::eval::MaskSet masks;
    const bool added = rcnn::eval::AddSegmentation(value, image, masks).ok();
    if (masks.size() != (added ? 1 : 0)) std::abort();
  }
  std::vector<double> numbers;
  if (rcnn::eval::AddKeypoints(value, numbers).ok() && numbers.size() % 3 != 0) std::abort();
  return 0;
}
