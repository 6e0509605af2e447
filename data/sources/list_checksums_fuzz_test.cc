// Any bytes as the checksums of lists, as they are and with a right checksum of their own: what is
// read can be written and read again.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/crc32c.h"
#include "rcnn/data/sources/list_checksums.h"

namespace {

using rcnn::data::ListChecksums;

void Check(absl::string_view text) {
  const auto read = ListChecksums::Parse(text);
  if (!read.ok()) return;
  const auto again = ListChecksums::Parse(read->Text());
  if (!again.ok() || !(*again == *read)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  Check(bytes);
  Check(absl::StrCat(bytes, "checksum ", absl::Hex(rcnn::Crc32c(bytes), absl::kZeroPad8), "\n"));
  return 0;
}
