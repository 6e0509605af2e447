#include "rcnn/training/trainer/batch_summary.h"

#include <ATen/core/Tensor.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"

namespace rcnn::training {

std::string ListImages(const data::Batch& batch) {
  const auto own =
      absl::MakeConstSpan(batch.entries)
          .subspan(static_cast<size_t>(batch.own_begin), static_cast<size_t>(batch.images.size(0)));
  return absl::StrJoin(own, ", ", [](std::string* out, const data::BatchImage& entry) {
    absl::StrAppend(out, entry.info.name, " (id ", entry.info.id,
                    entry.info.flipped ? ", mirrored" : "",
                    entry.info.flipped_vertically ? ", upside down)" : ")");
  });
}

std::string DescribeLosses(const StepLosses& step) {
  return absl::StrJoin(step.parts, ", ", [](std::string* out, const auto& part) {
    absl::StrAppend(out, part.first, " ", part.second.template item<double>());
  });
}

BatchReport Summarize(const data::Batch& batch, const StepLosses& step, int64_t number,
                      double loss) {
  BatchReport report = {number, batch.images.size(0), loss};
  for (const auto& [name, part] : step.parts) report.parts.emplace_back(name, part.item<double>());
  report.counts = step.counts;
  for (const auto& [name, count] : step.unread_counts) {
    report.counts.emplace_back(name, count.item<double>());
  }
  if (step.total.defined()) {
    report.text = absl::StrCat(ListImages(batch), " (", DescribeLosses(step), ")");
  }
  return report;
}

void AddToMeans(const StepLosses& step, RunningMeans& means) {
  const auto add = [&](const std::string& name, const at::Tensor& value) {
    if (step.read_with_log) return means.AddUnread(name, value);
    means.Add(name, value.item<double>());
  };
  add("loss", step.total);
  for (const auto& [name, part] : step.parts) add(absl::StrCat("loss_", name), part);
  for (const auto& [name, count] : step.counts) means.Add(name, count);
  for (const auto& [name, count] : step.unread_counts) means.AddUnread(name, count);
}

void AddToMeans(const BatchReport& batch, RunningMeans& means) {
  means.Add("loss", batch.loss);
  for (const auto& [name, part] : batch.parts) means.Add(absl::StrCat("loss_", name), part);
  for (const auto& [name, count] : batch.counts) means.Add(name, count);
}

}  // namespace rcnn::training
