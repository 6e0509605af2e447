#include "rcnn/detection/packed_cache_index.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "rcnn/base/crc32c.h"

namespace rcnn::detection {
namespace {

constexpr size_t kChecksumDigits = 8;
constexpr size_t kDigestDigits = 64;

std::string Checksum(absl::string_view rest) { return absl::StrFormat("%08x", Crc32c(rest)); }

// Digests are parts of file names.
bool IsDigest(absl::string_view text) {
  return text.size() == kDigestDigits &&
         text.find_first_not_of("0123456789abcdef") == absl::string_view::npos;
}

// False if the line is damaged or has another form.
bool ParseLine(absl::string_view line, IndexedWeights& entry) {
  const std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits('\t', 3));
  if (parts.size() != 4 || parts[0].size() != kChecksumDigits || !IsDigest(parts[1])) return false;
  if (parts[0] != Checksum(line.substr(kChecksumDigits + 1))) return false;
  entry.digest = std::string(parts[1]);
  entry.state = std::string(parts[2]);
  return absl::CUnescape(parts[3], &entry.path);
}

}  // namespace

std::vector<IndexedWeights> ParseWeightsIndex(absl::string_view text, size_t most) {
  std::vector<IndexedWeights> entries;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (entries.size() >= most) break;
    IndexedWeights entry;
    if (ParseLine(line, entry)) entries.push_back(std::move(entry));
  }
  return entries;
}

std::string WeightsIndexText(const std::vector<IndexedWeights>& entries) {
  std::string text;
  for (const IndexedWeights& entry : entries) {
    text += WeightsIndexLine(
        absl::StrCat(entry.digest, "\t", entry.state, "\t", absl::CEscape(entry.path)));
  }
  return text;
}

std::string WeightsIndexLine(absl::string_view rest) {
  return absl::StrCat(Checksum(rest), "\t", rest, "\n");
}

}  // namespace rcnn::detection
