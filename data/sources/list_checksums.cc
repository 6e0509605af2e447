#include "rcnn/data/sources/list_checksums.h"

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "rcnn/base/crc32c.h"

namespace rcnn::data {
namespace {

std::string Line(absl::string_view name, const FileDigest& digest) {
  return absl::StrFormat("%s %d %08x", name, digest.size, digest.crc32c);
}

std::string LastLine(absl::string_view lines) {
  return absl::StrFormat("checksum %08x\n", Crc32c(lines));
}

// Whether it is a line of Line.
bool IsLine(absl::string_view text) {
  const std::vector<absl::string_view> words = absl::StrSplit(text, absl::MaxSplits(' ', 3));
  FileDigest digest;
  return words.size() == 3 && !words[0].empty() && absl::SimpleAtoi(words[1], &digest.size) &&
         absl::SimpleHexAtoi(words[2], &digest.crc32c) && Line(words[0], digest) == text;
}

absl::Status Damaged() { return absl::DataLossError("it is damaged"); }

}  // namespace

absl::StatusOr<ListChecksums> ListChecksums::Parse(absl::string_view text) {
  const size_t last_size = LastLine("").size();
  if (text.size() < last_size) return Damaged();
  absl::string_view lines = text.substr(0, text.size() - last_size);
  if (text.substr(lines.size()) != LastLine(lines)) return Damaged();
  ListChecksums checksums;
  if (lines.empty()) return checksums;
  if (!absl::ConsumeSuffix(&lines, "\n")) return Damaged();
  for (const absl::string_view line : absl::StrSplit(lines, '\n')) {
    if (!IsLine(line)) return Damaged();
    checksums.lines_.emplace(line);
  }
  return checksums;
}

std::string ListChecksums::Text() const {
  std::string lines;
  for (const std::string& line : lines_) absl::StrAppend(&lines, line, "\n");
  return absl::StrCat(lines, LastLine(lines));
}

void ListChecksums::Add(absl::string_view name, const FileDigest& digest) {
  lines_.insert(Line(name, digest));
}

void ListChecksums::AddAll(const ListChecksums& other) {
  lines_.insert(other.lines_.begin(), other.lines_.end());
}

bool ListChecksums::Has(absl::string_view name) const {
  const std::string begin = absl::StrCat(name, " ");
  const auto first = lines_.lower_bound(begin);
  return first != lines_.end() && absl::StartsWith(*first, begin);
}

bool ListChecksums::Allows(absl::string_view name, const FileDigest& digest) const {
  return lines_.count(Line(name, digest)) > 0;
}

}  // namespace rcnn::data
