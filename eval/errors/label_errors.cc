#include "rcnn/eval/errors/label_errors.h"

#include <algorithm>
#include <mutex>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "rcnn/base/json_string.h"
#include "rcnn/eval/coco_matching.h"
#include "rcnn/eval/image_lists.h"
#include "rcnn/eval/parallel_for.h"
#include "rcnn/eval/score_text.h"

namespace rcnn::eval {
namespace {

constexpr double kFoundIou = 0.5;
constexpr double kTouchingIou = 0.1;
// For classes without a found object.
constexpr double kUsualIou = 0.8;

double Probability(double score) { return std::min(std::max(score, 0.0), 1.0); }

bool Precedes(const LabelSuspect& a, const LabelSuspect& b) {
  if (a.score != b.score) return a.score > b.score;
  if (a.image != b.image) return a.image < b.image;
  if (a.annotation != b.annotation) return a.annotation < b.annotation;
  return a.detection < b.detection;
}

// The data of an image that both passes use.
class ImageView {
 public:
  ImageView(const GroundTruth& truth, const Detections& detections, const ImageLists& lists,
            const LabelErrorOptions& options)
      : truth_(truth),
        detections_(detections),
        lists_(lists),
        options_(options),
        similarity_(truth, detections, options.shapes) {}

  void Open(int64_t image) {
    image_ = image;
    found_.clear();
    objects_.clear();
    crowds_.clear();
    for (uint32_t d : lists_.DetectionsAt(image)) {
      if (!(detections_.scores[d] >= options_.min_score)) break;
      found_.push_back(d);
    }
    for (uint32_t g : lists_.AnnotationsAt(image)) {
      const Annotation& annotation = truth_.annotations[g];
      (annotation.crowd || annotation.ignored ? crowds_ : objects_).push_back(g);
    }
    ious_.clear();
    for (uint32_t d : found_) {
      for (uint32_t g : objects_) {
        ious_.push_back(similarity_.ToObject(d, g));
      }
    }
  }

 protected:
  double Iou(size_t i, size_t j) const { return ious_[i * objects_.size() + j]; }
  double Score(size_t i) const { return Probability(detections_.scores[found_[i]]); }
  int32_t FoundClass(size_t i) const { return lists_.detection_classes[found_[i]]; }
  int32_t ObjectClass(size_t j) const { return lists_.annotation_classes[objects_[j]]; }

  const GroundTruth& truth_;
  const Detections& detections_;
  const ImageLists& lists_;
  const LabelErrorOptions& options_;
  const ImageSimilarity similarity_;
  int64_t image_ = 0;
  std::vector<uint32_t> found_;
  std::vector<uint32_t> objects_;
  std::vector<uint32_t> crowds_;
  std::vector<double> ious_;  // [found, objects]
};

// Collects the IoU of the best detection on each object, for the medians.
class PlacementSurvey : public ImageView {
 public:
  using ImageView::ImageView;

  void Add(std::vector<std::vector<float>>& ious) const {
    for (size_t j = 0; j < objects_.size(); ++j) {
      double best = 0;
      for (size_t i = 0; i < found_.size(); ++i) {
        if (FoundClass(i) == ObjectClass(j)) best = std::max(best, Iou(i, j));
      }
      if (best >= kFoundIou) ious[ObjectClass(j)].push_back(static_cast<float>(best));
    }
  }
};

// The two greatest of some values, for the greatest without one of them.
class TopTwo {
 public:
  void Offer(size_t index, double value) {
    if (value > first_) {
      second_ = first_;
      first_ = value;
      index_ = index;
    } else {
      second_ = std::max(second_, value);
    }
  }
  // -1 if there is no other; values are at least 0.
  double Without(size_t index) const { return index == index_ ? second_ : first_; }

 private:
  double first_ = -1;
  double second_ = -1;
  size_t index_ = 0;
};

class ImageSuspicion : public ImageView {
 public:
  ImageSuspicion(const GroundTruth& truth, const Detections& detections, const ImageLists& lists,
                 const LabelErrorOptions& options, const std::vector<double>& usual_iou)
      : ImageView(truth, detections, lists, options), usual_iou_(usual_iou) {}

  void Suspect(std::vector<LabelSuspect>& suspects) {
    claimed_.assign(found_.size(), false);
    Survey();
    for (size_t j = 0; j < objects_.size(); ++j) SuspectObject(j, suspects);
    SuspectMissing(suspects);
  }

 private:
  double Usual(int32_t k) const { return usual_iou_[k]; }

  // Once for the image: a search for each pair would take cubic time.
  void Survey() {
    supports_.assign(objects_.size(), TopTwo());
    overlaps_.assign(found_.size(), TopTwo());
    for (size_t i = 0; i < found_.size(); ++i) {
      for (size_t j = 0; j < objects_.size(); ++j) {
        if (FoundClass(i) != ObjectClass(j)) continue;
        overlaps_[i].Offer(j, Iou(i, j));
        supports_[j].Offer(i, Score(i) * std::min(1.0, Iou(i, j) / Usual(ObjectClass(j))));
      }
    }
  }

  // The best s min(1, IoU / m) of detections of the object's class but one.
  double Support(size_t j, size_t but) const { return std::max(0.0, supports_[j].Without(but)); }

  // Whether the detection overlaps another object of its class as much or more.
  bool BelongsElsewhere(size_t i, size_t j) const { return overlaps_[i].Without(j) >= Iou(i, j); }

  void SuspectObject(size_t j, std::vector<LabelSuspect>& suspects) {
    LabelSuspect best;
    best.image = image_;
    size_t claim = 0;
    for (size_t i = 0; i < found_.size(); ++i) {
      const double iou = Iou(i, j);
      if (iou < kTouchingIou) continue;
      const bool same = FoundClass(i) == ObjectClass(j);
      if (same ? BelongsElsewhere(i, j) : iou < kFoundIou || BelongsElsewhere(i, j)) continue;
      const double placed = std::min(1.0, iou / Usual(ObjectClass(j)));
      const double doubt = same ? 1 - placed * placed : placed;
      const double score = Score(i) * doubt * (1 - Support(j, i));
      if (score <= best.score) continue;
      best.kind = same ? LabelErrorKind::kMisplaced : LabelErrorKind::kWrongClass;
      best.score = score;
      best.annotation = objects_[j];
      best.detection = found_[i];
      best.iou = iou;
      claim = i;
    }
    if (best.score < options_.min_suspicion) return;
    claimed_[claim] = true;
    suspects.push_back(best);
  }

  bool LiesInCrowd(size_t i) const {
    return std::any_of(crowds_.begin(), crowds_.end(),
                       [&](uint32_t g) { return similarity_.ToRegion(found_[i], g) > kFoundIou; });
  }

  // Detections that are on no object and explain none: the best of each place.
  void SuspectMissing(std::vector<LabelSuspect>& suspects) {
    std::vector<size_t> kept;
    for (size_t i = 0; i < found_.size(); ++i) {
      double nearest = 0;
      for (size_t j = 0; j < objects_.size(); ++j) nearest = std::max(nearest, Iou(i, j));
      const double score = Score(i) * (1 - nearest);
      if (nearest >= kFoundIou || score < options_.min_suspicion || claimed_[i]) continue;
      if (LiesInCrowd(i)) continue;
      const bool repeated = std::any_of(kept.begin(), kept.end(), [&](size_t other) {
        return CocoIou(detections_.boxes[found_[i]], detections_.boxes[found_[other]], false) >
               kFoundIou;
      });
      if (repeated) continue;
      kept.push_back(i);
      suspects.push_back(
          {LabelErrorKind::kMissing, score, image_, -1, static_cast<int64_t>(found_[i]), nearest});
    }
  }

  const std::vector<double>& usual_iou_;
  std::vector<TopTwo> supports_;  // [objects] by detections of the object's class
  std::vector<TopTwo> overlaps_;  // [found] with objects of the detection's class
  std::vector<bool> claimed_;     // [found]: already the reason for a suspect
};

constexpr int64_t kBlock = 64;

int64_t Blocks(const ImageLists& lists) { return (lists.images() + kBlock - 1) / kBlock; }

// [K] median IoU of the best detection on each found object.
std::vector<double> MeasurePlacement(const GroundTruth& truth, const Detections& detections,
                                     const ImageLists& lists, const LabelErrorOptions& options) {
  std::vector<std::vector<float>> ious(truth.categories.size());
  PlacementSurvey survey(truth, detections, lists, options);
  for (int64_t i = 0; i < lists.images(); ++i) {
    survey.Open(i);
    survey.Add(ious);
  }
  std::vector<double> usual;
  for (std::vector<float>& class_ious : ious) {
    const auto middle = class_ious.begin() + static_cast<int64_t>(class_ious.size() / 2);
    std::nth_element(class_ious.begin(), middle, class_ious.end());
    usual.push_back(class_ious.empty() ? kUsualIou : static_cast<double>(*middle));
  }
  return usual;
}

}  // namespace

const char* LabelErrorName(LabelErrorKind kind) {
  switch (kind) {
    case LabelErrorKind::kMissing:
      return "missing";
    case LabelErrorKind::kMisplaced:
      return "misplaced";
    case LabelErrorKind::kWrongClass:
      break;
  }
  return "wrong class";
}

std::vector<LabelSuspect> FindLabelErrors(const GroundTruth& truth, const Detections& detections,
                                          const LabelErrorOptions& options) {
  const ImageLists lists = GroupByImage(truth, detections, options.threads);
  const std::vector<double> usual = MeasurePlacement(truth, detections, lists, options);
  std::vector<LabelSuspect> suspects;
  std::mutex mutex;
  ParallelFor(Blocks(lists), options.threads, [&](int64_t block) {
    ImageSuspicion suspicion(truth, detections, lists, options, usual);
    std::vector<LabelSuspect> own;
    const int64_t end = std::min((block + 1) * kBlock, lists.images());
    for (int64_t i = block * kBlock; i < end; ++i) {
      suspicion.Open(i);
      suspicion.Suspect(own);
    }
    const std::lock_guard<std::mutex> lock(mutex);
    suspects.insert(suspects.end(), own.begin(), own.end());
  });
  std::sort(suspects.begin(), suspects.end(), Precedes);
  return suspects;
}

std::string Explain(const LabelSuspect& suspect, const GroundTruth& truth,
                    const Detections& detections, absl::string_view similarity,
                    ShowName show_name) {
  const auto name = [&](int64_t category_id) {
    const std::string& plain = truth.categories[truth.CategoryIndex(category_id)].name;
    return show_name == nullptr ? plain : show_name(plain);
  };
  const std::string found = name(detections.category_ids[suspect.detection]);
  const std::string score = ScoreText(detections.scores[suspect.detection]);
  if (suspect.annotation < 0) {
    return absl::StrFormat("%s, score %s, where nothing is labelled", found, score);
  }
  const std::string labelled = name(truth.annotations[suspect.annotation].category_id);
  if (suspect.kind == LabelErrorKind::kMisplaced) {
    return absl::StrFormat("%s, score %s, overlaps this label with an %s of only %.2f", found,
                           score, similarity, suspect.iou);
  }
  return absl::StrFormat("%s, score %s, lies on this %s (%s %.2f)", found, score, labelled,
                         similarity, suspect.iou);
}

namespace {

using Json = nlohmann::ordered_json;

// The images that have a suspect.
Json ImageEntries(const std::vector<LabelSuspect>& suspects, const GroundTruth& truth) {
  std::vector<int64_t> images;
  for (const LabelSuspect& suspect : suspects) images.push_back(suspect.image);
  std::sort(images.begin(), images.end());
  images.erase(std::unique(images.begin(), images.end()), images.end());
  Json entries = Json::array();
  for (int64_t i : images) {
    const GroundTruthImage& image = truth.images[i];
    Json entry = {{"id", image.id}, {"file_name", image.file}};
    if (image.width > 0 && image.height > 0) {
      entry["width"] = image.width;
      entry["height"] = image.height;
    }
    entries.push_back(entry);
  }
  return entries;
}

Json CategoryEntries(const GroundTruth& truth) {
  Json entries = Json::array();
  for (const GroundTruthCategory& category : truth.categories) {
    entries.push_back({{"id", category.id}, {"name", category.name}});
  }
  return entries;
}

Json AnnotationEntry(int64_t id, const LabelSuspect& suspect, const GroundTruth& truth,
                     const Detections& detections, absl::string_view similarity) {
  const Detection detection = detections[suspect.detection];
  const XywhBox& box = detection.box;
  Json annotation = {{"id", id},
                     {"image_id", truth.images[suspect.image].id},
                     {"category_id", detection.category_id},
                     {"bbox", {box.x, box.y, box.width, box.height}},
                     {"area", box.width * box.height},
                     {"iscrowd", 0},
                     {"score", suspect.score},
                     {"suspicion", LabelErrorName(suspect.kind)},
                     {"reason", Explain(suspect, truth, detections, similarity)}};
  if (suspect.annotation >= 0) {
    annotation["suspected_annotation_id"] = truth.annotations[suspect.annotation].id;
  }
  return annotation;
}

}  // namespace

std::string SuspectsToCocoJson(const std::vector<LabelSuspect>& suspects, const GroundTruth& truth,
                               const Detections& detections, absl::string_view similarity) {
  Json json = {{"images", ImageEntries(suspects, truth)},
               {"categories", CategoryEntries(truth)},
               {"annotations", Json::array()}};
  for (size_t i = 0; i < suspects.size(); ++i) {
    json["annotations"].push_back(
        AnnotationEntry(static_cast<int64_t>(i) + 1, suspects[i], truth, detections, similarity));
  }
  // Names may hold bytes that are not UTF-8.
  return PrintableJson(json.dump(1, ' ', false, Json::error_handler_t::replace)) + "\n";
}

}  // namespace rcnn::eval
