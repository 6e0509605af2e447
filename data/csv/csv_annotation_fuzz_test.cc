#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "rcnn/data/csv/csv_annotation.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)rcnn::data::LooksLikeBoxesCsv(bytes);
  const auto annotation = rcnn::data::ParseCsv(bytes);
  if (!annotation.ok()) return 0;
  int64_t last = 0;
  for (const rcnn::data::CsvRow& row : annotation->rows) {
    if (row.row <= last || row.width < 0 || row.height < 0) std::abort();
    last = row.row;
    for (const double corner : row.corners) {
      if (!row.problem && !std::isfinite(corner)) std::abort();
    }
  }
  return 0;
}
