// Any bytes as the journal of an interrupted search: as many scores as boxes in each record,
// and the same records when it is opened again.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "rcnn/base/testing/fuzz_folder.h"
#include "rcnn/data/proposals/proposal_journal.h"

namespace {

// The number of boxes of each record.
std::vector<size_t> Replay(const std::string& path) {
  std::vector<size_t> counts;
  const auto replay = [&](absl::Span<const rcnn::data::Box> boxes, absl::Span<const float> scores) {
    if (boxes.size() != scores.size()) std::abort();
    counts.push_back(boxes.size());
    return absl::OkStatus();
  };
  if (!rcnn::data::ProposalJournal::Open(path, "key", replay).ok()) std::abort();
  return counts;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const rcnn::testing::FuzzFolder folder;
  const std::string path =
      folder.Write("journal", absl::string_view(reinterpret_cast<const char*>(data), size));
  const std::vector<size_t> counts = Replay(path);
  if (Replay(path) != counts) std::abort();
  return 0;
}
