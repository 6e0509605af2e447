#include "rcnn/training/trainer/update_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::training {
namespace {

using Json = nlohmann::json;
using Numbers = std::vector<std::pair<std::string, double>>;

Json ToJson(const BatchReport& batch) {
  return {batch.number, batch.images, batch.loss, batch.parts, batch.counts, batch.text};
}

BatchReport ToBatch(const Json& json) {
  return {json[0].get<int64_t>(), json[1].get<int64_t>(), json[2].get<double>(),
          json[3].get<Numbers>(), json[4].get<Numbers>(), json[5].get<std::string>()};
}

// Adds the numbers of the same name.
void AddNumbers(const Numbers& more, Numbers& sums) {
  for (const auto& [name, value] : more) {
    const auto found = std::find_if(sums.begin(), sums.end(), [&, &wanted = name](const auto& sum) {
      return sum.first == wanted;
    });
    if (found == sums.end()) {
      sums.emplace_back(name, value);
    } else {
      found->second += value;
    }
  }
}

void AddBatch(const BatchReport& part, std::vector<BatchReport>& batches) {
  if (batches.empty() || batches.back().number != part.number) {
    batches.push_back(part);
    return;
  }
  BatchReport& sum = batches.back();
  sum.images += part.images;
  sum.loss += part.loss;
  AddNumbers(part.parts, sum.parts);
  AddNumbers(part.counts, sum.counts);
  absl::StrAppend(&sum.text, sum.text.empty() || part.text.empty() ? "" : ", ", part.text);
}

// The rank whose error is that of all; -1 if there is none.
int FirstFailed(const std::vector<UpdateReport>& reports) {
  int first = -1;
  for (size_t rank = 0; rank < reports.size(); ++rank) {
    if (reports[rank].status.ok()) continue;
    if (!reports[rank].is_secondary) return static_cast<int>(rank);
    if (first < 0) first = static_cast<int>(rank);
  }
  return first;
}

}  // namespace

UpdateReport MergeReports(const std::vector<UpdateReport>& reports) {
  UpdateReport all;
  all.has_gradient = std::string(reports.front().has_gradient.size(), '0');
  for (const UpdateReport& report : reports) {
    all.wants_stop = all.wants_stop || report.wants_stop;
    all.wants_checkpoint = all.wants_checkpoint || report.wants_checkpoint;
    for (size_t p = 0; p < all.has_gradient.size() && p < report.has_gradient.size(); ++p) {
      all.has_gradient[p] = std::max(all.has_gradient[p], report.has_gradient[p]);
    }
    for (const BatchReport& batch : report.batches) AddBatch(batch, all.batches);
  }
  const int failed = FirstFailed(reports);
  if (failed < 0) return all;
  const UpdateReport& cause = reports[static_cast<size_t>(failed)];
  all.status = {cause.status.code(), absl::StrCat("rank ", failed, ": ", cause.status.message())};
  all.is_unreadable_image = cause.is_unreadable_image;
  return all;
}

std::string PackReport(const UpdateReport& report) {
  Json batches = Json::array();
  for (const BatchReport& batch : report.batches) batches.push_back(ToJson(batch));
  const Json json = {{"code", static_cast<int>(report.status.code())},
                     {"message", std::string(report.status.message())},
                     {"unreadable_image", report.is_unreadable_image},
                     {"secondary", report.is_secondary},
                     {"stop", report.wants_stop},
                     {"checkpoint", report.wants_checkpoint},
                     {"has_gradient", report.has_gradient},
                     {"batches", std::move(batches)}};
  const std::vector<uint8_t> packed = Json::to_msgpack(json);
  return std::string(packed.begin(), packed.end());
}

UpdateReport UnpackReport(const std::string& message) {
  const Json json = Json::from_msgpack(message);
  UpdateReport report;
  report.status = {static_cast<absl::StatusCode>(json.at("code").get<int>()),
                   json.at("message").get<std::string>()};
  report.is_unreadable_image = json.at("unreadable_image").get<bool>();
  report.is_secondary = json.at("secondary").get<bool>();
  report.wants_stop = json.at("stop").get<bool>();
  report.wants_checkpoint = json.at("checkpoint").get<bool>();
  report.has_gradient = json.at("has_gradient").get<std::string>();
  for (const Json& batch : json.at("batches")) report.batches.push_back(ToBatch(batch));
  return report;
}

absl::StatusOr<UpdateReport> ShareReport(RankGroup& ranks, const UpdateReport& mine) {
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> messages, ranks.AllGather(PackReport(mine)));
  std::vector<UpdateReport> reports;
  for (const std::string& message : messages) reports.push_back(UnpackReport(message));
  return MergeReports(reports);
}

}  // namespace rcnn::training
