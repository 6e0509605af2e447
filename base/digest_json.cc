#include "rcnn/base/digest_json.h"

#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace rcnn {

using Json = nlohmann::ordered_json;

Json DigestToJson(const FileDigest& digest) {
  return {{"size", digest.size}, {"crc32c", absl::StrFormat("%08x", digest.crc32c)}};
}

absl::StatusOr<FileDigest> DigestFromJson(const Json& files, const std::string& name) {
  FileDigest digest;
  if (files.is_object() && files.contains(name) && files[name].is_object()) {
    const Json& entry = files[name];
    const bool whole = entry.contains("size") && entry["size"].is_number_integer() &&
                       entry.contains("crc32c") && entry["crc32c"].is_string() &&
                       absl::SimpleHexAtoi(entry["crc32c"].get<std::string>(), &digest.crc32c);
    if (whole) {
      digest.size = entry["size"].get<int64_t>();
      return digest;
    }
  }
  return absl::DataLossError(absl::StrCat("the size and checksum of ", name, " are not recorded"));
}

}  // namespace rcnn
