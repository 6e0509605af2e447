#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/data/proposals/proposal_file.h"
#include "rcnn/data/testing/fake_dataset.h"

// Reads the bytes as the proposals of two images, and requests each.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto* const dataset = new rcnn::data::testing::FakeDataset({{4, 4}, {4, 4}});
  const std::vector<uint8_t> aligned(data, data + size);
  const auto file = rcnn::data::ProposalFile::Parse(
      absl::string_view(reinterpret_cast<const char*>(aligned.data()), size), *dataset);
  if (!file.ok()) return 0;
  for (int64_t i = 0; i < (*file)->size(); ++i) {
    const auto proposals = (*file)->Get(i);
    if (!proposals.ok()) continue;
    if (proposals->boxes.size() != proposals->scores.size()) std::abort();
    for (const rcnn::data::Box& box : proposals->boxes) {
      // Of infinite and undefined corners too.
      if (!(box.x2 - box.x1 >= 0 && box.y2 - box.y1 >= 0)) std::abort();
    }
    if (!std::is_sorted(proposals->scores.rbegin(), proposals->scores.rend())) std::abort();
  }
  return 0;
}
