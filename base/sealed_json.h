// JSON records in which any changed byte is noticed: {..., "seal": "<checksum of the rest>"}.
//
// For manifests that describe other files: a flipped bit in one would make intact files
// look damaged, or hide damage. Records of older versions have no seal.
//
// Example:
//   RCNN_RETURN_IF_ERROR(WriteFileAtomically(path, SealedText(record)).status());
//   RCNN_ASSIGN_OR_RETURN(const SealedJson read, ParseSealed(text, {"key", "files"}), path);

#ifndef RCNN_BASE_SEALED_JSON_H_
#define RCNN_BASE_SEALED_JSON_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rcnn {

struct SealedJson {
  nlohmann::ordered_json record;  // an object, without the seal
  bool sealed = false;
};

// The text of the object with its seal, in lines. Replaces invalid UTF-8 in strings.
std::string SealedText(const nlohmann::ordered_json& record);

// Reads a text of SealedText, or one without a seal. kDataLoss, saying what is wrong, if
// it is not an object with no other fields than `fields`, has more than 10,000 fields, is
// nested deeper than 16, has more values than 10,000 and one for each 16 bytes, or if a sealed
// text is not byte for byte what SealedText gives for its values. Takes memory of at most 16 times
// the text's size, and 4 MiB.
absl::StatusOr<SealedJson> ParseSealed(absl::string_view text,
                                       const std::vector<std::string>& fields);

}  // namespace rcnn

#endif  // RCNN_BASE_SEALED_JSON_H_
