// Size in bytes and checksum of a file, as stored in manifests:
// {"size": 12, "crc32c": "9ae0daaf"}.

#ifndef RCNN_BASE_DIGEST_JSON_H_
#define RCNN_BASE_DIGEST_JSON_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "rcnn/base/file_io.h"

namespace rcnn {

nlohmann::ordered_json DigestToJson(const FileDigest& digest);

// The digest under `name` in `files`. kDataLoss, naming it, if it is missing or malformed.
absl::StatusOr<FileDigest> DigestFromJson(const nlohmann::ordered_json& files,
                                          const std::string& name);

}  // namespace rcnn

#endif  // RCNN_BASE_DIGEST_JSON_H_
