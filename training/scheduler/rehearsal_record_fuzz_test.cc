// Any bytes as the record of a rehearsal, as they are and with a right checksum: what is read can
// be written and read again.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/crc32c.h"
#include "rcnn/training/scheduler/rehearsal_record.h"

namespace {

using rcnn::training::ParseRehearsalRecord;

void Check(absl::string_view text) {
  constexpr char kKeys[] = "key\n";
  const auto read = ParseRehearsalRecord(text, kKeys);
  if (!read) return;
  for (const auto& [name, seconds] : *read) {
    if (!std::isfinite(seconds) || seconds < 0) std::abort();
  }
  const auto again = ParseRehearsalRecord(rcnn::training::RehearsalRecordText(kKeys, *read), kKeys);
  if (!again || again->size() != read->size()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  Check(bytes);
  Check(absl::StrCat(bytes, "checksum ", absl::Hex(rcnn::Crc32c(bytes), absl::kZeroPad8), "\n"));
  return 0;
}
