// The index of the cache of packed models: the digests of weights' files in the states that they
// had.
//
// A line for each file:
//
//   CHECKSUM <tab> DIGEST <tab> CRC <tab> STATE <tab> PATH
//
//   CHECKSUM   CRC-32C of the rest of the line, eight hexadecimal digits
//   DIGEST     SHA-256 of the weights' file, 64 lower-case hexadecimal digits
//   CRC        CRC-32C of the weights' file, eight lower-case hexadecimal digits; a run that has
//              recorded the file has this checksum of it
//   STATE      of the file when it was read (base/file_state.h)
//   PATH       of the file, with the escapes of C
//
// A line that is damaged or has another form is left out, which costs time alone: the weights are
// read for their digest again. For the files of the cache see packed_cache.h.
//
// Example:
//   const std::vector<IndexedWeights> known = ParseWeightsIndex(text, 100);

#ifndef RCNN_DETECTION_PACKED_CACHE_INDEX_H_
#define RCNN_DETECTION_PACKED_CACHE_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rcnn::detection {

struct IndexedWeights {
  std::string digest, state, path;
  uint32_t crc32c = 0;

  bool operator==(const IndexedWeights& other) const {
    return digest == other.digest && state == other.state && path == other.path &&
           crc32c == other.crc32c;
  }
};

// At most the first `most` lines that are intact. Memory: that of their text.
std::vector<IndexedWeights> ParseWeightsIndex(absl::string_view text, size_t most);

// The text of which ParseWeightsIndex makes the same entries. A state has no tab and no line break.
std::string WeightsIndexText(const std::vector<IndexedWeights>& entries);

// A line with its checksum and line break; `rest` is what follows the checksum and the tab.
std::string WeightsIndexLine(absl::string_view rest);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_PACKED_CACHE_INDEX_H_
