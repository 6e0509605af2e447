// Any bytes as a sealed record: a text that is read is what its values give, and what is
// read can be sealed and read again.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "rcnn/base/digest_json.h"
#include "rcnn/base/sealed_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using rcnn::ParseSealed;
  static const auto& fields =
      *new std::vector<std::string>{"format", "iteration", "key", "files", "facts"};
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto read = ParseSealed(bytes, fields);
  if (!read.ok()) return 0;
  const std::string text = rcnn::SealedText(read->record);
  if (read->sealed && text != bytes) std::abort();
  const auto again = ParseSealed(text, fields);
  if (!again.ok() || !again->sealed || again->record != read->record) std::abort();
  if (!read->record.contains("files")) return 0;
  const nlohmann::ordered_json& files = read->record["files"];
  for (const auto& [name, unused] : files.items()) {
    rcnn::DigestFromJson(files, name).status().IgnoreError();
  }
  return 0;
}
