#include "rcnn/eval/coco_summary.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/eval/pairwise_sum.h"

namespace rcnn::eval {
namespace {

// The indices that a selection covers along each axis; a or m is -1 if it was not evaluated.
struct Axes {
  std::vector<int64_t> t;
  std::vector<int64_t> k;
  int64_t a = -1;
  int64_t m = -1;
};

Axes Select(const CocoEvaluation& evaluation, const CocoSelection& selection) {
  const CocoEvalOptions& options = evaluation.options;
  Axes axes;
  for (int64_t t = 0; t < evaluation.T(); ++t) {
    if (!selection.iou_threshold || *selection.iou_threshold == options.iou_thresholds[t]) {
      axes.t.push_back(t);
    }
  }
  const bool all = selection.category < 0;
  const int64_t end = all ? evaluation.K() : selection.category + 1;
  for (int64_t k = all ? 0 : selection.category; k < end; ++k) axes.k.push_back(k);
  for (int64_t a = evaluation.A(); a-- > 0;) {
    if (options.areas[a].name == selection.area) axes.a = a;
  }
  for (int64_t m = evaluation.M(); m-- > 0;) {
    if (options.max_detections[m] == selection.max_detections) axes.m = m;
  }
  return axes;
}

double MeanOrMinusOne(const StreamedNumpyMean& values) {
  return values.count() == 0 ? -1.0 : values.Mean();
}

// max_detections[i], or the last one if there are fewer.
int64_t MaxDetections(const CocoEvaluation& evaluation, int64_t i) {
  return evaluation.options.max_detections[std::min(i, evaluation.M() - 1)];
}

// One line of the official table.
struct Line {
  bool precision;
  std::optional<double> iou;
  const char* area;
  int64_t max_detections;
};

std::vector<Line> Lines(const CocoEvaluation& evaluation) {
  const int64_t quoted = QuotedMaxDetections(evaluation);
  if (evaluation.options.iou_type == IouType::kKeypoints) {
    std::vector<Line> lines;
    for (bool precision : {true, false}) {
      lines.push_back({precision, {}, "all", quoted});
      lines.push_back({precision, 0.5, "all", quoted});
      lines.push_back({precision, 0.75, "all", quoted});
      lines.push_back({precision, {}, "medium", quoted});
      lines.push_back({precision, {}, "large", quoted});
    }
    return lines;
  }
  const int64_t first = MaxDetections(evaluation, 0);
  const int64_t second = MaxDetections(evaluation, 1);
  const int64_t third = MaxDetections(evaluation, 2);
  return {{true, {}, "all", quoted},   {true, 0.5, "all", third},    {true, 0.75, "all", third},
          {true, {}, "small", third},  {true, {}, "medium", third},  {true, {}, "large", third},
          {false, {}, "all", first},   {false, {}, "all", second},   {false, {}, "all", third},
          {false, {}, "small", third}, {false, {}, "medium", third}, {false, {}, "large", third}};
}

}  // namespace

double AveragePrecision(const CocoEvaluation& evaluation, const CocoSelection& selection) {
  const Axes axes = Select(evaluation, selection);
  if (axes.a < 0 || axes.m < 0) return -1.0;
  StreamedNumpyMean values;
  std::vector<CategoryCurves::Row> rows;
  for (int64_t t : axes.t) {
    rows.clear();
    for (int64_t k : axes.k) {
      const CategoryCurves::Row row = evaluation.curves[k].RowAt(t, axes.a, axes.m);
      if (row.points != nullptr) rows.push_back(row);
    }
    for (int64_t r = 0; r < evaluation.R(); ++r) {
      for (const CategoryCurves::Row& row : rows) {
        const double value = row.points[row.columns[r]].precision;
        if (value > -1) values.Add(value);
      }
    }
  }
  return MeanOrMinusOne(values);
}

double AverageRecall(const CocoEvaluation& evaluation, const CocoSelection& selection) {
  const Axes axes = Select(evaluation, selection);
  if (axes.a < 0 || axes.m < 0) return -1.0;
  StreamedNumpyMean values;
  for (int64_t t : axes.t) {
    for (int64_t k : axes.k) {
      const double value = evaluation.recall[evaluation.Index(t, k, axes.a, axes.m)];
      if (value > -1) values.Add(value);
    }
  }
  return MeanOrMinusOne(values);
}

int64_t QuotedMaxDetections(const CocoEvaluation& evaluation) {
  constexpr int64_t kQuoted = 100;
  const CocoEvalOptions& options = evaluation.options;
  return options.iou_type == IouType::kKeypoints ? options.max_detections.back() : kQuoted;
}

CocoSummary Summarize(const CocoEvaluation& evaluation) {
  CocoSummary summary;
  summary.stats.fill(-1);
  const std::vector<Line> lines = Lines(evaluation);
  for (size_t i = 0; i < lines.size(); ++i) {
    const CocoSelection selection = {lines[i].iou, lines[i].area, lines[i].max_detections};
    summary.stats[i] = lines[i].precision ? AveragePrecision(evaluation, selection)
                                          : AverageRecall(evaluation, selection);
  }
  return summary;
}

std::string FormatSummary(const CocoEvaluation& evaluation, const CocoSummary& summary) {
  const std::vector<double>& thresholds = evaluation.options.iou_thresholds;
  const std::string all_ious =
      absl::StrFormat("%0.2f:%0.2f", thresholds.front(), thresholds.back());
  const std::vector<Line> lines = Lines(evaluation);
  std::string text;
  for (size_t i = 0; i < lines.size(); ++i) {
    const Line& line = lines[i];
    absl::StrAppendFormat(&text, " %-18s %s @[ IoU=%-9s | area=%6s | maxDets=%3d ] = %0.3f\n",
                          line.precision ? "Average Precision" : "Average Recall",
                          line.precision ? "(AP)" : "(AR)",
                          line.iou ? absl::StrFormat("%0.2f", *line.iou) : all_ious, line.area,
                          line.max_detections, summary.stats[i]);
  }
  return text;
}

}  // namespace rcnn::eval
