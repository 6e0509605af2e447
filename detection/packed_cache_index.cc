#include "rcnn/detection/packed_cache_index.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "rcnn/base/crc32c.h"

namespace rcnn::detection {
namespace {

constexpr size_t kChecksumDigits = 8;
constexpr size_t kDigestDigits = 64;

std::string Checksum(absl::string_view rest) { return absl::StrFormat("%08x", Crc32c(rest)); }

bool IsHexadecimal(absl::string_view text, size_t digits) {
  return text.size() == digits &&
         text.find_first_not_of("0123456789abcdef") == absl::string_view::npos;
}

// False if the line is damaged or has another form.
bool ParseLine(absl::string_view line, IndexedWeights& entry) {
  const std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits('\t', 4));
  if (parts.size() != 5 || parts[0].size() != kChecksumDigits) return false;
  // Digests are parts of file names.
  if (!IsHexadecimal(parts[1], kDigestDigits) || !IsHexadecimal(parts[2], kChecksumDigits)) {
    return false;
  }
  if (parts[0] != Checksum(line.substr(kChecksumDigits + 1))) return false;
  entry.digest = std::string(parts[1]);
  entry.state = std::string(parts[3]);
  return absl::SimpleHexAtoi(parts[2], &entry.crc32c) && absl::CUnescape(parts[4], &entry.path);
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
    text += WeightsIndexLine(absl::StrFormat("%s\t%08x\t%s\t%s", entry.digest, entry.crc32c,
                                             entry.state, absl::CEscape(entry.path)));
  }
  return text;
}

std::string WeightsIndexLine(absl::string_view rest) {
  return absl::StrCat(Checksum(rest), "\t", rest, "\n");
}

}  // namespace rcnn::detection
