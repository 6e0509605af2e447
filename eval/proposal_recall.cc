#include "rcnn/eval/proposal_recall.h"

#include <algorithm>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/eval/pairwise_sum.h"
#include "rcnn/eval/parallel_for.h"

namespace rcnn::eval {
namespace {

constexpr int64_t kImagesPerBlock = 32;

// last_px: 1 when x2 and y2 are the last pixels of the boxes, else 0.
double Iou(const data::Box& a, const data::Box& b, double last_px) {
  const double width = std::min<double>(a.x2, b.x2) - std::max<double>(a.x1, b.x1) + last_px;
  const double height = std::min<double>(a.y2, b.y2) - std::max<double>(a.y1, b.y1) + last_px;
  if (width <= 0 || height <= 0) return 0;
  auto area = [last_px](const data::Box& box) {
    return (static_cast<double>(box.x2) - box.x1 + last_px) *
           (static_cast<double>(box.y2) - box.y1 + last_px);
  };
  return width * height / (area(a) + area(b) - width * height);
}

// [objects, proposals]
class IouTable {
 public:
  IouTable(absl::Span<const data::Box> proposals, absl::Span<const data::Box> objects,
           bool inclusive_boxes)
      : proposals_(proposals.size()) {
    const double last_px = inclusive_boxes ? 1 : 0;
    ious_.reserve(proposals.size() * objects.size());
    for (const data::Box& object : objects) {
      for (const data::Box& proposal : proposals) ious_.push_back(Iou(object, proposal, last_px));
    }
  }
  absl::Span<const double> Row(size_t object) const {
    return absl::MakeConstSpan(ious_).subspan(object * proposals_, proposals_);
  }

 private:
  size_t proposals_;
  std::vector<double> ious_;
};

// Matches some objects with proposals, one to one, by the largest IoU.
class GreedyMatching {
 public:
  // objects: rows of the table. count <= the table's proposals.
  GreedyMatching(const IouTable& table, absl::Span<const size_t> objects, size_t count)
      : table_(table), objects_(objects), used_(count, false) {}

  std::vector<double> Run() {
    std::vector<double> covered(objects_.size(), 0.0);
    best_.resize(objects_.size());
    for (size_t i = 0; i < objects_.size(); ++i) best_[i] = FindBest(i);
    std::vector<bool> done(objects_.size(), false);
    for (size_t round = 0; round < objects_.size(); ++round) {
      size_t next = objects_.size();
      for (size_t i = 0; i < objects_.size(); ++i) {
        if (done[i]) continue;
        if (next == objects_.size() || best_[i].iou > best_[next].iou) next = i;
      }
      if (best_[next].iou <= 0) break;
      done[next] = true;
      covered[next] = best_[next].iou;
      Use(best_[next].proposal, done);
    }
    return covered;
  }

 private:
  struct Best {
    double iou = 0;
    size_t proposal = std::numeric_limits<size_t>::max();
  };

  Best FindBest(size_t i) const {
    Best best;
    const absl::Span<const double> row = table_.Row(objects_[i]);
    for (size_t p = 0; p < used_.size(); ++p) {
      if (row[p] > best.iou && !used_[p]) best = {row[p], p};
    }
    return best;
  }

  void Use(size_t proposal, const std::vector<bool>& done) {
    used_[proposal] = true;
    for (size_t i = 0; i < objects_.size(); ++i) {
      if (!done[i] && best_[i].proposal == proposal) best_[i] = FindBest(i);
    }
  }

  const IouTable& table_;
  absl::Span<const size_t> objects_;
  std::vector<bool> used_;
  std::vector<Best> best_;
};

// Numbers of objects covered, over some images.
struct Counts {
  std::vector<int64_t> objects;  // [A]
  std::vector<int64_t> covered;  // [A, N, T]
};

// The objects whose areas are in the range.
std::vector<size_t> ObjectsIn(const AreaRange& range, const RecallImage& image) {
  std::vector<size_t> objects;
  for (size_t i = 0; i < image.objects.size(); ++i) {
    if (image.areas[i] >= range.low && image.areas[i] <= range.high) objects.push_back(i);
  }
  return objects;
}

void CountImage(const RecallImage& image, const ProposalRecallOptions& options, Counts& counts) {
  const size_t N = options.counts.size();
  const size_t T = options.iou_thresholds.size();
  const size_t most = static_cast<size_t>(options.counts.back());
  const IouTable table(image.proposals.subspan(0, most), image.objects, options.inclusive_boxes);
  for (size_t a = 0; a < options.areas.size(); ++a) {
    const std::vector<size_t> objects = ObjectsIn(options.areas[a], image);
    counts.objects[a] += static_cast<int64_t>(objects.size());
    for (size_t n = 0; n < N; ++n) {
      const size_t count = std::min(static_cast<size_t>(options.counts[n]), image.proposals.size());
      for (double iou : GreedyMatching(table, objects, count).Run()) {
        for (size_t t = 0; t < T; ++t) {
          counts.covered[(a * N + n) * T + t] += iou > 0 && iou >= options.iou_thresholds[t];
        }
      }
    }
  }
}

Counts Zeros(const ProposalRecallOptions& options) {
  const size_t A = options.areas.size();
  return {std::vector<int64_t>(A, 0),
          std::vector<int64_t>(A * options.counts.size() * options.iou_thresholds.size(), 0)};
}

template <typename T>
void AddTo(const std::vector<T>& from, std::vector<T>& to) {
  for (size_t i = 0; i < to.size(); ++i) to[i] += from[i];
}

RecallImage ToRecallImage(absl::Span<const data::Box> proposals,
                          const std::vector<data::Object>& objects) {
  RecallImage image;
  image.proposals = proposals;
  for (const data::Object& object : objects) {
    if (object.crowd || object.difficult) continue;
    image.objects.push_back(object.box);
    image.areas.push_back(object.area);
  }
  return image;
}

}  // namespace

double ProposalRecall::Recall(int64_t a, int64_t n, int64_t t) const {
  const int64_t N = static_cast<int64_t>(options.counts.size());
  const int64_t T = static_cast<int64_t>(options.iou_thresholds.size());
  return recall[(a * N + n) * T + t];
}

double ProposalRecall::AverageRecall(int64_t a, int64_t n) const {
  std::vector<double> values;
  for (size_t t = 0; t < options.iou_thresholds.size(); ++t) {
    values.push_back(Recall(a, n, static_cast<int64_t>(t)));
  }
  return NumpyMean(values);
}

absl::Status CheckOptions(const ProposalRecallOptions& options) {
  if (options.counts.empty() || options.counts.front() < 1 ||
      !std::is_sorted(options.counts.begin(), options.counts.end())) {
    return absl::InvalidArgumentError("counts must be given, ascending and >= 1");
  }
  CocoEvalOptions same;
  same.iou_thresholds = options.iou_thresholds;
  same.areas = options.areas;
  return CheckOptions(same);
}

std::vector<double> Coverage(absl::Span<const data::Box> proposals,
                             absl::Span<const data::Box> objects, int64_t count) {
  const absl::Span<const data::Box> first = proposals.subspan(0, static_cast<size_t>(count));
  const IouTable table(first, objects, /*inclusive_boxes=*/false);
  std::vector<size_t> all(objects.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = i;
  return GreedyMatching(table, all, first.size()).Run();
}

ProposalRecall MeasureRecall(absl::Span<const RecallImage> images,
                             const ProposalRecallOptions& options) {
  const int64_t count = static_cast<int64_t>(images.size());
  std::vector<Counts> blocks((count + kImagesPerBlock - 1) / kImagesPerBlock, Zeros(options));
  ParallelFor(static_cast<int64_t>(blocks.size()), options.threads, [&](int64_t b) {
    const int64_t end = std::min(count, (b + 1) * kImagesPerBlock);
    for (int64_t i = b * kImagesPerBlock; i < end; ++i) CountImage(images[i], options, blocks[b]);
  });
  Counts sum = Zeros(options);
  for (const Counts& block : blocks) {
    AddTo(block.objects, sum.objects);
    AddTo(block.covered, sum.covered);
  }
  ProposalRecall result;
  result.options = options;
  result.images = count;
  result.objects = sum.objects;
  const size_t per_area = options.counts.size() * options.iou_thresholds.size();
  for (size_t i = 0; i < sum.covered.size(); ++i) {
    // 0 / 0 is NaN: no object of that area.
    result.recall.push_back(static_cast<double>(sum.covered[i]) /
                            static_cast<double>(sum.objects[i / per_area]));
  }
  return result;
}

absl::StatusOr<ProposalRecall> MeasureRecall(const data::Dataset& dataset,
                                             const data::ProposalFile& proposals,
                                             const ProposalRecallOptions& options) {
  RCNN_RETURN_IF_ERROR(CheckOptions(options));
  if (proposals.size() != dataset.size()) {
    return absl::InvalidArgumentError(absl::StrCat("the proposals are for ",
                                                   Counted(proposals.size(), "image"),
                                                   ", the dataset has ", dataset.size()));
  }
  std::vector<RecallImage> images;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    RCNN_ASSIGN_OR_RETURN(data::ImageProposals image_proposals, proposals.Get(i));
    images.push_back(ToRecallImage(image_proposals.boxes, dataset.objects(i)));
  }
  ProposalRecallOptions dataset_options = options;
  dataset_options.inclusive_boxes = dataset.inclusive_boxes();
  return MeasureRecall(images, dataset_options);
}

}  // namespace rcnn::eval
