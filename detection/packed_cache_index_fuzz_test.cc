// Any bytes as the index of the cache of packed models, as they are and with right checksums: a
// digest is fit for a file's name, and what is read can be written and read again.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "rcnn/detection/packed_cache_index.h"

namespace {

using rcnn::detection::IndexedWeights;
using rcnn::detection::ParseWeightsIndex;

void Check(absl::string_view text) {
  constexpr size_t kMost = 100;
  const std::vector<IndexedWeights> entries = ParseWeightsIndex(text, kMost);
  if (entries.size() > kMost) std::abort();
  for (const IndexedWeights& entry : entries) {
    if (entry.digest.size() != 64) std::abort();
    if (entry.digest.find_first_not_of("0123456789abcdef") != std::string::npos) std::abort();
  }
  if (ParseWeightsIndex(rcnn::detection::WeightsIndexText(entries), kMost) != entries) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  Check(bytes);
  std::string sealed;
  for (const absl::string_view line : absl::StrSplit(bytes, '\n')) {
    sealed += rcnn::detection::WeightsIndexLine(line);
  }
  Check(sealed);
  return 0;
}
