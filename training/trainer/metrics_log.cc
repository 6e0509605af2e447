#include "rcnn/training/trainer/metrics_log.h"

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::training {
namespace {

using Json = nlohmann::ordered_json;

// Bytes of `lines` before the first line that is torn, is not a metrics line, or is
// of `first_iteration` or later.
size_t KeptBytes(const std::string& lines, int64_t first_iteration) {
  size_t kept = 0;
  for (;;) {
    const size_t end = lines.find('\n', kept);
    if (end == std::string::npos) return kept;
    const Json line = Json::parse(lines.begin() + static_cast<std::ptrdiff_t>(kept),
                                  lines.begin() + static_cast<std::ptrdiff_t>(end), nullptr,
                                  /*allow_exceptions=*/false);
    if (!line.is_object() || !line.contains("iteration")) return kept;
    const Json& iteration = line["iteration"];
    if (!iteration.is_number_integer() || iteration.get<int64_t>() >= first_iteration) return kept;
    kept = end + 1;
  }
}

absl::Status CutLines(const std::string& path, int64_t first_iteration) {
  if (!std::filesystem::exists(path)) return absl::OkStatus();
  RCNN_ASSIGN_OR_RETURN(const std::string lines, ReadFile(path));
  const size_t kept = KeptBytes(lines, first_iteration);
  if (kept == lines.size()) return absl::OkStatus();
  if (truncate(path.c_str(), static_cast<off_t>(kept)) != 0) return ErrnoStatus("shorten", path);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<MetricsLog> MetricsLog::Open(const std::string& stage_directory,
                                            const std::string& events_directory,
                                            const std::string& stage_name,
                                            int64_t first_iteration) {
  const std::string path = absl::StrCat(stage_directory, "/metrics.jsonl");
  RCNN_RETURN_IF_ERROR(CutLines(path, first_iteration));
  RCNN_RETURN_IF_ERROR(CutEvents(events_directory, stage_name, first_iteration));
  RCNN_ASSIGN_OR_RETURN(AppendFile lines, AppendFile::Open(path));
  RCNN_ASSIGN_OR_RETURN(EventFile events,
                        EventFile::Create(events_directory, stage_name, absl::Now()));
  return MetricsLog(std::move(lines), absl::StrCat(stage_name, "/"), std::move(events));
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
  RCNN_RETURN_IF_ERROR(lines_.Append(line.dump() + "\n"));
  return events_.AddScalars(iteration, now, tagged);
}

absl::Status LogOnce(const std::string& stage_directory, const std::string& events_directory,
                     const std::string& stage_name, int64_t units,
                     const std::vector<std::pair<std::string, double>>& values) {
  RCNN_ASSIGN_OR_RETURN(MetricsLog log, MetricsLog::Open(stage_directory, events_directory,
                                                         stage_name, /*first_iteration=*/0));
  return log.Log(units, values);
}

}  // namespace rcnn::training
