#include "rcnn/training/scheduler/rehearsal_record.h"

#include <cmath>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "rcnn/base/crc32c.h"

namespace rcnn::training {
namespace {

constexpr absl::string_view kChecksumLine = "checksum ";

std::string ChecksumLine(absl::string_view text) {
  return absl::StrCat(kChecksumLine, absl::Hex(Crc32c(text), absl::kZeroPad8), "\n");
}

// False if the text is damaged.
bool RemoveChecksum(absl::string_view& text) {
  const size_t line = text.rfind(kChecksumLine);
  if (line == absl::string_view::npos) return true;
  if (text.substr(line) != ChecksumLine(text.substr(0, line))) return false;
  text = text.substr(0, line);
  return true;
}

}  // namespace

std::string RehearsalRecordText(absl::string_view keys,
                                const std::map<std::string, double>& seconds) {
  std::string text(keys);
  for (const auto& [name, value] : seconds) absl::StrAppend(&text, name, " ", value, "\n");
  return absl::StrCat(text, ChecksumLine(text));
}

std::optional<std::map<std::string, double>> ParseRehearsalRecord(absl::string_view text,
                                                                  absl::string_view keys) {
  if (!RemoveChecksum(text) || !absl::ConsumePrefix(&text, keys)) return std::nullopt;
  std::map<std::string, double> seconds;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> words =
        absl::StrSplit(line, absl::MaxSplits(' ', 1));
    double value = 0;
    if (!absl::SimpleAtod(words.second, &value) || !std::isfinite(value) || value < 0) continue;
    seconds[std::string(words.first)] = value;
  }
  return seconds;
}

}  // namespace rcnn::training
