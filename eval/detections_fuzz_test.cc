// Any text, read in pieces of any size: never a crash, the same verdict, and what
// is read can be written and read again.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/detections_reader.h"

namespace {

bool Same(const rcnn::eval::Detections& a, const rcnn::eval::Detections& b) {
  return a.image_ids == b.image_ids && a.category_ids == b.category_ids && a.boxes == b.boxes &&
         a.scores == b.scores;
}

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using rcnn::eval::ParseDetections;
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto whole = ParseDetections(text, {.threads = 1});
  for (int64_t piece_bytes : {1, 16, 100}) {
    const auto cut = ParseDetections(text, {.threads = 1, .piece_bytes = piece_bytes});
    Require(cut.ok() == whole.ok());
    Require(cut.ok() ? Same(*cut, *whole) : cut.status() == whole.status());
  }
  if (!whole.ok()) return 0;
  const auto json = rcnn::eval::DetectionsToJson(*whole);
  Require(json.ok());
  const auto again = ParseDetections(*json, {.threads = 1});
  Require(again.ok() && Same(*again, *whole));
  return 0;
}
