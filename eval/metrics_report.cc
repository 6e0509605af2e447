#include "rcnn/eval/metrics_report.h"

#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/json_string.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/shortest_number.h"
#include "rcnn/eval/coco_summary.h"

namespace rcnn::eval {
namespace {

constexpr size_t kLongestName = 28;

bool IsDefined(double value) { return !std::isnan(value) && value != -1; }

const std::vector<GroundTruthCategory>& Categories(const Report& report) {
  return report.coco ? report.coco->categories : report.voc->categories;
}

std::pair<int64_t, int64_t> Counts(const Report& report, int64_t k) {
  if (report.coco) return {report.coco->annotation_counts[k], report.coco->detection_counts[k]};
  return {report.voc->classes[k].positives, report.voc->classes[k].detections};
}

// The numbers of class k, in the order of the table's columns.
std::vector<Metric> ClassMetrics(const Report& report, int64_t k) {
  std::vector<Metric> metrics;
  if (report.coco) {
    const CocoEvaluation& coco = *report.coco;
    const int64_t most = QuotedMaxDetections(coco);
    auto precision = [&](std::optional<double> iou, const char* area) {
      return AveragePrecision(coco, {iou, area, most, k});
    };
    metrics = {{"ap", precision({}, "all")},
               {"ap50", precision(0.5, "all")},
               {"ap75", precision(0.75, "all")}};
    for (const char* area : {"small", "medium", "large"}) {
      if (coco.options.iou_type == IouType::kKeypoints && std::string(area) == "small") continue;
      metrics.push_back({absl::StrCat("ap_", area), precision({}, area)});
    }
    metrics.push_back(
        {absl::StrCat("ar", most), AverageRecall(coco, {.max_detections = most, .category = k})});
  }
  // A class without positives is undefined; the means leave it out.
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const bool defined = report.voc && report.voc->classes[k].positives > 0;
  if (report.voc07) {
    metrics.push_back({"voc07", defined ? report.voc->classes[k].ap07 : nan});
  }
  if (report.voc10) {
    metrics.push_back({"voc10", defined ? report.voc->classes[k].ap10 : nan});
  }
  return metrics;
}

// The column of a metric in the table; "" for one that is not in it.
std::string Heading(const std::string& name) {
  const std::pair<const char*, const char*> kHeadings[] = {
      {"ap", "AP"},       {"ap50", "AP50"},  {"ap75", "AP75"},   {"ap_small", "S"},
      {"ap_medium", "M"}, {"ap_large", "L"}, {"ar100", "AR100"}, {"ar20", "AR20"},
      {"voc07", "VOC07"}, {"voc10", "VOC10"}};
  for (const auto& [metric, heading] : kHeadings) {
    if (name == metric) return heading;
  }
  return "";
}

std::string Percent(double value) {
  return IsDefined(value) ? absl::StrFormat("%.1f", 100 * value) : "-";
}

void AppendRow(absl::string_view name, const NameWidth& width, const std::string& objects,
               const std::string& detections, const std::vector<std::string>& cells,
               std::string& out) {
  absl::StrAppendFormat(&out, "%s %8s %10s", width.Pad(name), objects, detections);
  for (const std::string& cell : cells) absl::StrAppendFormat(&out, " %6s", cell);
  out += '\n';
}

std::vector<std::string> Cells(const std::vector<Metric>& metrics) {
  std::vector<std::string> cells;
  for (const Metric& metric : metrics) {
    if (!Heading(metric.name).empty()) cells.push_back(Percent(metric.value));
  }
  return cells;
}

std::string FormatTable(const Report& report) {
  const auto& categories = Categories(report);
  NameWidth width(11);
  for (const auto& category : categories) width.Add(ShortName(category.name, kLongestName));
  std::vector<std::string> headings;
  const std::vector<Metric> overall = ReportMetrics(report);
  for (const Metric& metric : overall) {
    if (!Heading(metric.name).empty()) headings.push_back(Heading(metric.name));
  }
  std::string table;
  AppendRow("class", width, "objects", "detections", headings, table);
  const std::string rule(width.width() + 20 + 7 * headings.size(), '-');
  absl::StrAppend(&table, rule, "\n");
  int64_t objects = 0;
  int64_t detections = 0;
  for (int64_t k = 0; k < static_cast<int64_t>(categories.size()); ++k) {
    const auto [class_objects, class_detections] = Counts(report, k);
    objects += class_objects;
    detections += class_detections;
    AppendRow(ShortName(categories[k].name, kLongestName), width, absl::StrCat(class_objects),
              absl::StrCat(class_detections), Cells(ClassMetrics(report, k)), table);
  }
  absl::StrAppend(&table, rule, "\n");
  AppendRow("all classes", width, absl::StrCat(objects), absl::StrCat(detections), Cells(overall),
            table);
  return table;
}

std::string Number(double value) { return std::isfinite(value) ? ShortestNumber(value) : "null"; }

std::string Members(const std::vector<Metric>& metrics) {
  return absl::StrJoin(metrics, ", ", [](std::string* out, const Metric& metric) {
    absl::StrAppend(out, JsonString(metric.name), ": ",
                    IsDefined(metric.value) ? Number(metric.value) : "null");
  });
}

}  // namespace

std::vector<Metric> ReportMetrics(const Report& report) {
  std::vector<Metric> metrics;
  if (report.coco) metrics = CocoMetrics(*report.coco);
  if (report.voc07) metrics.push_back({"voc07", report.voc->MeanAp07()});
  if (report.voc10) metrics.push_back({"voc10", report.voc->MeanAp10()});
  return metrics;
}

std::string FormatReport(const Report& report) {
  std::string text = absl::StrCat(FormatTable(report), "\n");
  if (!report.coco) return text;
  absl::StrAppend(&text, FormatSummary(*report.coco, Summarize(*report.coco)));
  const std::vector<int64_t>& counts = report.coco->options.max_detections;
  // The first three are among the twelve.
  for (size_t m = 3; m < counts.size(); ++m) {
    absl::StrAppendFormat(&text, " %-18s (AR) @[ %d detections per image and class ] = %0.3f\n",
                          "Average Recall", counts[m],
                          AverageRecall(*report.coco, {.max_detections = counts[m]}));
  }
  return text;
}

std::string ReportToJson(const Report& report) {
  const auto& categories = Categories(report);
  std::string json = absl::StrCat("{\n  \"dataset\": ", JsonString(report.dataset),
                                  ",\n  \"detections\": ", JsonString(report.detections),
                                  ",\n  \"images\": ", report.images, ",\n  \"metrics\": {",
                                  Members(ReportMetrics(report)), "},\n  \"classes\": [");
  for (size_t k = 0; k < categories.size(); ++k) {
    const auto [objects, detections] = Counts(report, static_cast<int64_t>(k));
    absl::StrAppend(&json, k == 0 ? "\n" : ",\n", "    {\"name\": ", JsonString(categories[k].name),
                    ", \"category_id\": ", categories[k].id, ", \"objects\": ", objects,
                    ", \"detections\": ", detections, ", ",
                    Members(ClassMetrics(report, static_cast<int64_t>(k))), "}");
  }
  return absl::StrCat(json, "\n  ]\n}\n");
}

}  // namespace rcnn::eval
