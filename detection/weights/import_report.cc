#include "rcnn/detection/weights/import_report.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/base/printable.h"

namespace rcnn::detection::weights {
namespace {

constexpr std::array kOutcomes = {ImportOutcome::kLoaded, ImportOutcome::kReshaped,
                                  ImportOutcome::kSkipped, ImportOutcome::kLeftAtInitial};
constexpr int64_t kLinesPerOutcome = 12;

using Counts = std::array<int64_t, kOutcomes.size()>;

std::string PartName(const ImportRow& row) {
  if (row.outcome == ImportOutcome::kSkipped) return "(file only)";
  return row.name.substr(0, row.name.find('.'));
}

// In the order of first appearance, "(file only)" last.
std::vector<std::pair<std::string, Counts>> CountByPart(const std::vector<ImportRow>& rows) {
  std::vector<std::pair<std::string, Counts>> parts;
  std::unordered_map<std::string, size_t> index;  // a file may have a part for each tensor
  for (const ImportRow& row : rows) {
    const auto [known, is_new] = index.try_emplace(PartName(row), parts.size());
    if (is_new) parts.emplace_back(known->first, Counts{});
    ++parts[known->second].second[static_cast<size_t>(row.outcome)];
  }
  std::stable_partition(parts.begin(), parts.end(),
                        [](const auto& part) { return part.first != "(file only)"; });
  return parts;
}

void AppendCounts(const std::string& part, const Counts& counts, std::string* text) {
  absl::StrAppendFormat(text, "  %s", NameWidth(12).Pad(Printable(part)));
  for (const int64_t count : counts) {
    absl::StrAppendFormat(text, "%10s", count == 0 ? "" : absl::StrCat(count));
  }
  absl::StrAppend(text, "\n");
}

void AppendRow(const ImportRow& row, std::string* text) {
  absl::StrAppend(text, "  ", OutcomeName(row.outcome), ": ", Printable(row.name), " ", row.shape);
  if (!row.theirs.empty() && row.theirs != row.name) {
    absl::StrAppend(text, " <- ", Printable(row.theirs));
  }
  if (!row.note.empty()) absl::StrAppend(text, " (", Printable(row.note), ")");
  absl::StrAppend(text, "\n");
}

void AppendRows(const std::vector<ImportRow>& rows, ImportOutcome outcome, bool every_tensor,
                std::string* text) {
  int64_t lines = 0;
  for (const ImportRow& row : rows) {
    if (row.outcome != outcome) continue;
    if (outcome == ImportOutcome::kLoaded && row.note.empty() && !every_tensor) continue;
    if (every_tensor || lines < kLinesPerOutcome) AppendRow(row, text);
    ++lines;
  }
  if (!every_tensor && lines > kLinesPerOutcome) {
    absl::StrAppend(text, "  ", OutcomeName(outcome), ": ", lines - kLinesPerOutcome, " more\n");
  }
}

}  // namespace

absl::string_view OutcomeName(ImportOutcome outcome) {
  switch (outcome) {
    case ImportOutcome::kLoaded:
      return "loaded";
    case ImportOutcome::kReshaped:
      return "reshaped";
    case ImportOutcome::kSkipped:
      return "skipped";
    case ImportOutcome::kLeftAtInitial:
      return "left at initial value";
  }
  return "";
}

int64_t ImportReport::Count(ImportOutcome outcome) const {
  return std::count_if(rows.begin(), rows.end(),
                       [&](const ImportRow& row) { return row.outcome == outcome; });
}

std::string ImportReport::ToString(bool every_tensor) const {
  std::string text = absl::StrCat("weights of ", Printable(source), ", names by ", map, "\n");
  absl::StrAppendFormat(&text, "  %-12s%10s%10s%10s%10s\n", "part", "loaded", "reshaped", "skipped",
                        "initial");
  for (const auto& [part, counts] : CountByPart(rows)) AppendCounts(part, counts, &text);
  for (const ImportOutcome outcome : kOutcomes) AppendRows(rows, outcome, every_tensor, &text);
  return text;
}

}  // namespace rcnn::detection::weights
