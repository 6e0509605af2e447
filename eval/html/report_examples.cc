#include "rcnn/eval/html/report_examples.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/eval/coco_similarity.h"
#include "rcnn/eval/html/html_text.h"
#include "rcnn/eval/score_text.h"
#include "rcnn/eval/shape_results.h"

namespace rcnn::eval {
namespace {

// An error that may be shown.
struct Candidate {
  double weight = 0;  // score, or area of a missed object
  int64_t item = 0;   // detection, or annotation of a missed object
  int64_t image = 0;
  int32_t category = 0;
};

std::string SimilarityName(const ReportPageInput& input) {
  return input.shapes == nullptr ? "IoU" : input.shapes->similarity_name();
}

// Items as figures show them: their shapes, or their boxes.
class ShapeDrawer {
 public:
  explicit ShapeDrawer(const ReportPageInput& input) : input_(input) {}

  FigureBox Annotation(int64_t g, const std::string& style) const {
    FigureBox drawn = {input_.truth->annotations[g].box, style, {}};
    if (input_.shapes == nullptr) return drawn;
    drawn.outline = input_.shapes->AnnotationOutline(g);
    if (!drawn.outline.empty()) drawn.box = BoxAround(drawn.outline);
    return drawn;
  }

  FigureBox Detection(int64_t d, const std::string& style) const {
    FigureBox drawn = {input_.detections->boxes[d], style, {}};
    if (input_.shapes != nullptr) drawn.outline = input_.shapes->DetectionOutline(d);
    return drawn;
  }

 private:
  const ReportPageInput& input_;
};

class ErrorGallery {
 public:
  ErrorGallery(const ReportPageInput& input, const ReportAnalysis& analysis)
      : truth_(*input.truth),
        detections_(*input.detections),
        errors_(analysis.errors),
        similarity_(truth_, detections_, errors_.options.shapes),
        similarity_name_(SimilarityName(input)),
        draw_(input) {}

  // About `count` in all, the kinds in the order of `kinds`.
  std::vector<ExampleFigure> Choose(const std::vector<int>& kinds, int64_t count) {
    Gather();
    std::vector<ExampleFigure> figures;
    auto kinds_left = static_cast<int64_t>(kinds.size());
    for (int kind : kinds) {
      const int64_t left = count - static_cast<int64_t>(figures.size());
      for (const Candidate& chosen : Pick(candidates_[kind], left / kinds_left--)) {
        figures.push_back(kind == kMissedError ? DrawMissed(chosen) : DrawDetection(kind, chosen));
      }
    }
    return figures;
  }

 private:
  void Gather() {
    const ImageLists& lists = errors_.lists;
    for (int64_t i = 0; i < lists.images(); ++i) {
      for (uint32_t d : lists.DetectionsAt(i)) {
        const uint8_t kind = errors_.detections[d];
        if (kind >= kErrorKinds || errors_.ignored[d] != 0) continue;
        candidates_[kind].push_back({detections_.scores[d], d, i, lists.detection_classes[d]});
      }
      for (uint32_t g : lists.AnnotationsAt(i)) {
        if (errors_.annotations[g] != kMissedError) continue;
        const XywhBox& box = truth_.annotations[g].box;
        candidates_[kMissedError].push_back(
            {box.width * box.height, g, i, lists.annotation_classes[g]});
      }
    }
  }

  // In each round every class adds its next best example; at most two per image.
  static std::vector<Candidate> Pick(std::vector<Candidate>& candidates, int64_t count) {
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const Candidate& a, const Candidate& b) { return a.weight > b.weight; });
    std::map<int32_t, int64_t> rounds;  // by class
    std::vector<std::pair<int64_t, const Candidate*>> ranked;
    std::map<int64_t, int> shown;  // by image
    for (const Candidate& candidate : candidates) {
      int64_t& round = rounds[candidate.category];
      if (round >= count) continue;
      if (shown[candidate.image]++ >= 2) continue;
      ranked.push_back({round++, &candidate});
    }
    std::stable_sort(ranked.begin(), ranked.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    if (static_cast<int64_t>(ranked.size()) > count) ranked.resize(count);
    std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) {
      return a.second->weight > b.second->weight;
    });
    std::vector<Candidate> picked;
    for (const auto& [round, candidate] : ranked) picked.push_back(*candidate);
    return picked;
  }

  const std::string& ClassName(int32_t k) const { return truth_.categories[k].name; }

  ExampleFigure Start(int kind, const Candidate& chosen) const {
    ExampleFigure figure;
    figure.image = chosen.image;
    figure.file = ImageName(truth_, chosen.image);
    figure.data = {{"kind", ErrorName(kind)}, {"class", absl::StrCat(chosen.category)}};
    return figure;
  }

  // The other objects of the image, thin.
  void AddObjects(int64_t image, int64_t but, ExampleFigure& figure) const {
    for (uint32_t g : errors_.lists.AnnotationsAt(image)) {
      if (g != but) figure.boxes.push_back(draw_.Annotation(g, "other"));
    }
  }

  ExampleFigure DrawDetection(int kind, const Candidate& chosen) const {
    ExampleFigure figure = Start(kind, chosen);
    const XywhBox& box = detections_.boxes[chosen.item];
    const int64_t object = errors_.objects[chosen.item];
    AddObjects(chosen.image, object, figure);
    figure.focus = {box};
    if (object >= 0) {
      figure.boxes.push_back(draw_.Annotation(object, "gt"));
      figure.focus.push_back(figure.boxes.back().box);
    }
    figure.boxes.push_back(draw_.Detection(chosen.item, absl::StrCat("e", kind)));
    figure.heading =
        absl::StrCat(NameHtml(ClassName(chosen.category)), " ", ScoreText(chosen.weight));
    figure.text = Sentence(kind, chosen, object);
    return figure;
  }

  std::string Sentence(int kind, const Candidate& chosen, int64_t object) const {
    const double iou =
        object < 0 ? 0 : similarity_.ToObject(chosen.item, static_cast<uint32_t>(object));
    switch (kind) {
      case kClassificationError:
        return absl::StrFormat("is labelled %s (%s %.2f).",
                               NameHtml(ClassName(errors_.lists.annotation_classes[object])),
                               similarity_name_, iou);
      case kLocalizationError:
        return absl::StrFormat("badly placed, %s %.2f.", similarity_name_, iou);
      case kDuplicateError:
        return absl::StrFormat("already found, %s %.2f.", similarity_name_, iou);
      case kBackgroundError:
        return "nothing is labelled there.";
      default:
        return "wrong class and badly placed.";
    }
  }

  ExampleFigure DrawMissed(const Candidate& chosen) const {
    ExampleFigure figure = Start(kMissedError, chosen);
    AddObjects(chosen.image, chosen.item, figure);
    figure.boxes.push_back(
        draw_.Annotation(chosen.item, absl::StrCat("e", static_cast<int>(kMissedError))));
    const XywhBox& box = figure.boxes.back().box;
    figure.focus = {box};
    figure.heading = NameHtml(ClassName(chosen.category));
    figure.text = absl::StrFormat("missed, %.0f × %.0f pixels.", box.width, box.height);
    return figure;
  }

  const GroundTruth& truth_;
  const Detections& detections_;
  const DetectionErrors& errors_;
  const ImageSimilarity similarity_;
  const std::string similarity_name_;
  const ShapeDrawer draw_;
  std::vector<Candidate> candidates_[kErrorKinds];
};

}  // namespace

std::vector<ExampleFigure> ErrorExamples(const ReportPageInput& input,
                                         const ReportAnalysis& analysis) {
  return ErrorGallery(input, analysis).Choose(KindsByCost(analysis.fixes), input.max_examples);
}

std::vector<ExampleFigure> SuspectExamples(const ReportPageInput& input,
                                           const ReportAnalysis& analysis) {
  const GroundTruth& truth = *input.truth;
  const Detections& detections = *input.detections;
  const ShapeDrawer draw(input);
  std::vector<ExampleFigure> figures;
  const ImageLists& lists = analysis.errors.lists;
  for (const LabelSuspect& suspect : analysis.suspects) {
    if (static_cast<int64_t>(figures.size()) == input.max_suspects) break;
    ExampleFigure figure;
    figure.image = suspect.image;
    figure.file = ImageName(truth, suspect.image);
    for (uint32_t g : lists.AnnotationsAt(suspect.image)) {
      const bool suspected = g == suspect.annotation;
      figure.boxes.push_back(draw.Annotation(g, suspected ? "gt" : "other"));
      if (suspected) figure.focus.push_back(figure.boxes.back().box);
    }
    figure.boxes.push_back(draw.Detection(suspect.detection, "e1"));
    figure.focus.push_back(detections.boxes[suspect.detection]);
    figure.heading = absl::StrFormat("%s %.2f", LabelErrorName(suspect.kind), suspect.score);
    figure.text =
        absl::StrCat(Explain(suspect, truth, detections, SimilarityName(input), NameHtml), ".");
    figure.data = {{"kind", LabelErrorName(suspect.kind)},
                   {"class", absl::StrCat(lists.detection_classes[suspect.detection])}};
    figures.push_back(figure);
  }
  return figures;
}

}  // namespace rcnn::eval
