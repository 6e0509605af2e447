#include "rcnn/training/stages/evaluation_events.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/eval/bgr_image.h"
#include "rcnn/eval/contact_sheet.h"
#include "rcnn/eval/dataset_ground_truth.h"
#include "rcnn/eval/drawing.h"
#include "rcnn/eval/image_errors.h"

namespace rcnn::training {
namespace {

constexpr int64_t kImages = 8;
constexpr int64_t kThresholds = 101;
// With more classes the page would be too long.
constexpr int64_t kMaxClasses = 100;

class EvaluationEvents {
 public:
  EvaluationEvents(EventFile& events, const std::string& stage, const data::Dataset& dataset,
                   const eval::Detections& detections,
                   const std::vector<InferredProposals>& proposals)
      : events_(events),
        stage_(stage),
        dataset_(dataset),
        detections_(detections),
        proposals_(proposals),
        truth_(eval::FromDataset(dataset)) {}

  absl::Status Write() {
    RCNN_RETURN_IF_ERROR(WriteImages());
    RCNN_RETURN_IF_ERROR(WriteCurves());
    RCNN_RETURN_IF_ERROR(WriteHistogram("scores", detections_.scores));
    std::vector<double> proposal_scores;
    for (const InferredProposals& image : proposals_) {
      proposal_scores.insert(proposal_scores.end(), image.scores.begin(), image.scores.end());
    }
    return WriteHistogram("proposal_scores", proposal_scores);
  }

 private:
  int64_t step() const { return dataset_.size(); }

  absl::Status WriteHistogram(const char* name, const std::vector<double>& values) {
    return events_.AddHistogram(step(), now_, absl::StrCat(stage_, "/", name), values);
  }

  absl::Status WriteImages() {
    const std::vector<eval::ImageErrors> errors = eval::FindImageErrors(truth_, detections_);
    const int64_t count = std::min(kImages, dataset_.size());
    for (int64_t n = 0; n < count; ++n) {
      const int64_t index = n * dataset_.size() / count;
      const auto image = dataset_.LoadImage(index);
      if (IsUnreadableNow(image.status())) return image.status();
      if (!image.ok()) continue;
      RCNN_RETURN_IF_ERROR(
          WriteImage(n, **image, errors[truth_.ImageIndex(dataset_.image(index).id)]));
    }
    return absl::OkStatus();
  }

  absl::Status WriteImage(int64_t n, const data::Image& image, const eval::ImageErrors& errors) {
    const cv::Mat drawn =
        eval::DrawBoxes(eval::ToBgr(image), eval::BoxesToDraw(errors, truth_, detections_));
    RCNN_ASSIGN_OR_RETURN(const std::string jpeg, eval::EncodeBgrAsJpeg(drawn));
    return events_.AddImage(step(), now_, absl::StrCat(stage_, "/images/", n), drawn.rows,
                            drawn.cols, jpeg);
  }

  absl::Status WriteCurves() {
    RCNN_ASSIGN_OR_RETURN(const eval::DetectionErrors errors,
                          eval::FindDetectionErrors(truth_, detections_));
    const auto classes = std::min<int64_t>(truth_.categories.size(), kMaxClasses);
    for (int64_t k = -1; k < classes; ++k) {
      const std::string name = k < 0 ? "all" : truth_.categories[k].name;
      RCNN_RETURN_IF_ERROR(
          events_.AddPrecisionRecall(step(), now_, absl::StrCat(stage_, "/precision_recall/", name),
                                     CountAtThresholds(detections_, errors, k, kThresholds)));
    }
    return absl::OkStatus();
  }

  EventFile& events_;
  const std::string& stage_;
  const data::Dataset& dataset_;
  const eval::Detections& detections_;
  const std::vector<InferredProposals>& proposals_;
  const eval::GroundTruth truth_;
  const absl::Time now_ = absl::Now();
};

}  // namespace

std::vector<ThresholdCounts> CountAtThresholds(const eval::Detections& detections,
                                               const eval::DetectionErrors& errors,
                                               int64_t category, int64_t thresholds) {
  std::vector<ThresholdCounts> counts(thresholds);
  double objects = 0;
  for (size_t g = 0; g < errors.annotations.size(); ++g) {
    if (errors.annotations[g] == eval::kNotJudged) continue;
    objects += category < 0 || errors.lists.annotation_classes[g] == category;
  }
  // First in the bin of the highest threshold that each detection reaches.
  for (size_t d = 0; d < errors.detections.size(); ++d) {
    if (errors.detections[d] == eval::kNotJudged || errors.ignored[d] != 0) continue;
    if (category >= 0 && errors.lists.detection_classes[d] != category) continue;
    const double score = std::min(std::max(detections.scores[d], 0.0), 1.0);
    // A score on a threshold reaches it, even if the product rounds down.
    const auto bin = static_cast<size_t>(score * static_cast<double>(thresholds - 1) + 1e-9);
    (errors.detections[d] == eval::kNoError ? counts[bin].true_positives
                                            : counts[bin].false_positives) += 1;
  }
  for (size_t t = counts.size(); t-- > 0;) {
    if (t + 1 < counts.size()) {
      counts[t].true_positives += counts[t + 1].true_positives;
      counts[t].false_positives += counts[t + 1].false_positives;
    }
    counts[t].false_negatives = objects - counts[t].true_positives;
  }
  return counts;
}

absl::Status WriteEvaluationEvents(const ExperimentRun& run, const std::string& stage,
                                   const data::Dataset& dataset, const eval::Detections& detections,
                                   const std::vector<InferredProposals>& proposals) {
  RCNN_ASSIGN_OR_RETURN(EventFile events,
                        EventFile::Create(run.events_directory, stage, absl::Now()));
  RCNN_RETURN_IF_ERROR(EvaluationEvents(events, stage, dataset, detections, proposals).Write());
  return events.Sync();
}

}  // namespace rcnn::training
