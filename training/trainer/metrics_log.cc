#include "rcnn/training/trainer/metrics_log.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "glog/logging.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"

namespace rcnn::training {
namespace {

using Json = nlohmann::ordered_json;

// Far more than a line of metrics has. A value of one byte takes up to 64 in memory.
constexpr size_t kLongestLine = 1 << 20;
constexpr int64_t kMaxBytes = int64_t{1} << 30;
constexpr char kTooLong[] = " is too long to be read again, longer than 1 GiB";

std::string MetricsPath(const std::string& stage_directory) {
  return absl::StrCat(stage_directory, "/metrics.jsonl");
}

// The iteration of a line of metrics; nullopt if the line is torn or not a line of metrics.
absl::optional<int64_t> IterationIn(absl::string_view text) {
  if (text.size() > kLongestLine) return absl::nullopt;
  // Not ordered_json, whose time is quadratic in the number of fields.
  const auto line =
      nlohmann::json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!line.is_object() || !line.contains("iteration")) return absl::nullopt;
  const auto& iteration = line["iteration"];
  if (!iteration.is_number_integer()) return absl::nullopt;
  return iteration.get<int64_t>();
}

// The lines before `first_iteration`.
std::string KeptLines(absl::string_view text, int64_t first_iteration, const std::string& path) {
  std::string kept;
  int64_t number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const bool torn = end == absl::string_view::npos;
    const absl::string_view line = text.substr(0, torn ? text.size() : end + 1);
    text.remove_prefix(line.size());
    ++number;
    const absl::optional<int64_t> iteration =
        torn ? absl::nullopt : IterationIn(line.substr(0, end));
    if (iteration.has_value() && *iteration < first_iteration) absl::StrAppend(&kept, line);
    if (!iteration.has_value() && !torn) {
      LOG(WARNING) << Printable(path) << ": line " << number << " is unreadable and is removed";
    }
  }
  return kept;
}

// "" if there is no file, or if it has become too long for a log, and makes way.
absl::StatusOr<std::string> ReadIfThere(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(const bool is_there, PathExists(path));
  if (!is_there) return "";
  absl::StatusOr<std::string> lines = ReadSmallFile(path, kMaxBytes);
  if (!absl::IsDataLoss(lines.status())) return lines;
  RCNN_ASSIGN_OR_RETURN(const std::string aside, FreePathBeside(path));
  LOG(WARNING) << Printable(path) << kTooLong << ", so it is renamed to " << Printable(aside);
  RCNN_RETURN_IF_ERROR(RenamePath(path, aside));
  return "";
}

// Makes the file the lines before `first_iteration`, and returns them.
absl::StatusOr<std::string> CutLines(const std::string& path, int64_t first_iteration,
                                     const std::optional<std::string>& covered) {
  RCNN_ASSIGN_OR_RETURN(const std::string lines, ReadIfThere(path));
  const std::string kept = covered ? *covered : KeptLines(lines, first_iteration, path);
  if (kept == lines) return kept;
  if (!absl::StartsWith(lines, kept)) {
    LOG(WARNING) << Printable(path) << (lines.empty() ? " has no lines" : " is damaged")
                 << "; its lines are restored from the checkpoint";
  }
  RCNN_RETURN_IF_ERROR(WriteFileAtomically(path, kept).status());
  return kept;
}

}  // namespace

absl::StatusOr<MetricsLog> MetricsLog::Open(const std::string& stage_directory,
                                            const std::string& events_directory,
                                            const std::string& stage_name, int64_t first_iteration,
                                            const std::optional<std::string>& covered) {
  const std::string path = MetricsPath(stage_directory);
  RCNN_ASSIGN_OR_RETURN(std::string lines, CutLines(path, first_iteration, covered));
  RCNN_RETURN_IF_ERROR(RemoveEvents(events_directory, stage_name, first_iteration));
  RCNN_ASSIGN_OR_RETURN(AppendFile file, AppendFile::Open(path));
  RCNN_ASSIGN_OR_RETURN(EventFile events,
                        EventFile::Create(events_directory, stage_name, absl::Now()));
  return MetricsLog(std::move(lines), std::move(file), absl::StrCat(stage_name, "/"),
                    std::move(events));
}

absl::Status MetricsLog::Log(int64_t iteration,
                             const std::vector<std::pair<std::string, double>>& values) {
  const absl::Time now = absl::Now();
  Json line = {{"iteration", iteration},
               {"time", static_cast<double>(absl::ToUnixMillis(now)) / 1000}};
  std::vector<std::pair<std::string, double>> tagged;
  for (const auto& [name, value] : values) {
    // The library's current version writes null too, but does not guarantee it.
    line[name] = std::isfinite(value) ? Json(value) : Json(nullptr);
    tagged.emplace_back(absl::StrCat(prefix_, name), value);
  }
  const std::string text = line.dump() + "\n";
  RCNN_RETURN_IF_ERROR(file_.Append(text));
  lines_ += text;
  return events_.AddScalars(iteration, now, tagged);
}

std::optional<std::string> MetricsLog::LinesToKeep() const {
  if (lines_.size() > kMostKeptBytes) return std::nullopt;
  return lines_;
}

absl::Status MetricsLog::Sync() {
  RCNN_RETURN_IF_ERROR(file_.Sync());
  return events_.Sync();
}

absl::StatusOr<std::string> VerifyMetrics(const std::string& stage_directory,
                                          absl::string_view covered) {
  constexpr char kRestored[] = "; the next run restores the lines that the last checkpoint covers";
  constexpr char kReplaced[] =
      "; the next run renames it, and restores the lines that the last checkpoint covers";
  const std::string path = MetricsPath(stage_directory);
  const absl::StatusOr<std::string> lines = ReadSmallFile(path, kMaxBytes);
  // The next run removes links.
  RCNN_ASSIGN_OR_RETURN(const bool is_broken_link, IsBrokenLink(path));
  if (is_broken_link || absl::IsNotFound(lines.status())) {
    return absl::StrCat(path, " is missing", kRestored);
  }
  if (lines.ok() && absl::StartsWith(*lines, covered)) return std::string();
  if (lines.ok()) return absl::StrCat(path, " is damaged", kRestored);
  if (!IsDamage(lines.status())) return lines.status();
  if (absl::IsDataLoss(lines.status())) return absl::StrCat(path, kTooLong, kReplaced);
  return absl::StrCat(lines.status().message(), kRestored);
}

absl::Status LogOnce(const std::string& stage_directory, const std::string& events_directory,
                     const std::string& stage_name, int64_t units,
                     const std::vector<std::pair<std::string, double>>& values) {
  RCNN_ASSIGN_OR_RETURN(MetricsLog log, MetricsLog::Open(stage_directory, events_directory,
                                                         stage_name, /*first_iteration=*/0));
  RCNN_RETURN_IF_ERROR(log.Log(units, values));
  return log.Sync();
}

}  // namespace rcnn::training
