#include "rcnn/training/scheduler/data_summary.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/printable.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/defect_report.h"

namespace rcnn::training {
namespace {

// Pairs (dataset, notice).
using Notices = std::vector<std::pair<std::string, std::string>>;

// "256 images, 3 classes (Platelets, RBC, WBC)".
std::string Contents(const data::Dataset& dataset) {
  constexpr size_t kMaxNames = 10;
  const std::vector<std::string>& names = dataset.classes().names;
  return absl::StrCat(Counted(dataset.size(), "image"), ", ",
                      Counted(names.size(), "class", "classes"), " (", NameList(names, kMaxNames),
                      ")");
}

// Notices that several parts of one folder have are one line, with all their names.
std::string NoticeLines(const Notices& notices) {
  std::vector<std::string> texts;
  std::map<std::string, std::vector<std::string>> datasets;
  for (const auto& [dataset, text] : notices) {
    if (datasets.count(text) == 0) texts.push_back(text);
    datasets[text].push_back(dataset);
  }
  std::string lines;
  for (const std::string& text : texts) {
    absl::StrAppend(&lines,
                    Printable(absl::StrCat(absl::StrJoin(datasets[text], ", "), ": ", text)), "\n");
  }
  return lines;
}

}  // namespace

std::string DataSummary(const ExperimentRun& run) {
  constexpr int64_t kMaxLines = 5;
  std::string summary;
  Notices notices;
  for (const auto& [role, dataset] : run.datasets) {
    if (role == configs::VALIDATION && !run.config.data().has_validation()) continue;
    const std::string name =
        absl::StrCat("data.", absl::AsciiStrToLower(configs::DatasetRole_Name(role)));
    absl::StrAppend(&summary, name, ": ", Contents(*dataset), "\n");
    const data::DefectReport& defects = dataset->defects();
    for (const std::string& notice : defects.notices()) notices.emplace_back(name, notice);
    if (defects.total() == 0) continue;
    absl::StrAppend(&summary, name, ": ", Counted(defects.total(), "annotation defect"),
                    ", which ./bazelw run //data:inspect shows:\n",
                    PrintableLines(defects.ToString(kMaxLines)));
  }
  return summary + NoticeLines(notices);
}

}  // namespace rcnn::training
