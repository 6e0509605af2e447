// The detections of a class are sorted once. Each fixed AP is then one pass over
// them that removes the errors of that kind or turns them into hits. Only hits
// matter: precision falls between them, so the envelope of the precisions needs
// only the positions of the hits. Fixed wrong classes enter the list of another
// class; they are sorted separately and merged.
#include "rcnn/eval/errors/oracle_fixes.h"

#include <algorithm>
#include <limits>

#include "absl/types/span.h"
#include "rcnn/eval/parallel_for.h"

namespace rcnn::eval {
namespace {

// One AP to measure: which errors are fixed, of which size.
struct Pass {
  enum Kind : int { kNothing = kErrorKinds, kFalsePositives, kFalseNegatives };
  int kind = kNothing;
  int size = -1;  // -1: every size
};

struct Entry {
  double score = 0;
  uint32_t order = 0;  // of image and rank, over all classes
  uint8_t kind = kNoError;
  uint8_t size = 0;
  bool ignored = false;
  bool would_find = false;
};

struct ClassEntries {
  std::vector<Entry> entries;        // of its detections
  std::vector<Entry> moved_in;       // classification errors that would find its objects
  int64_t objects = 0;               // required
  int64_t found = 0;                 // of these
  int64_t missed[kErrorSizes] = {};  // that fixing an error would not find
};

struct ClassAp {
  double ap = 0;
  bool counts = false;  // has an object or a detection
};

int SizeRange(const XywhBox& box) {
  const double area = box.width * box.height;
  return area <= 32.0 * 32.0 ? 0 : area <= 96.0 * 96.0 ? 1 : 2;
}

bool FixedOrder(const Entry& a, const Entry& b) {
  if (a.score != b.score) return a.score > b.score;
  const bool a_finds = a.kind == kNoError;
  const bool b_finds = b.kind == kNoError;
  return a_finds != b_finds ? b_finds : a.order < b.order;
}

bool PlainOrder(const Entry& a, const Entry& b) {
  return a.score != b.score ? a.score > b.score : a.order < b.order;
}

// Collects hits one after the other; reused to keep its memory.
class PrecisionWalk {
 public:
  void Clear() {
    precisions_.clear();
    count_ = 0;
  }
  void Add(bool finds) {
    ++count_;
    if (finds) precisions_.push_back(Count(precisions_.size() + 1) / Count(count_));
  }
  int64_t count() const { return count_; }

  // Mean of the best precisions at recalls 0, 0.01, ... 1 of `objects`.
  double Ap(int64_t objects) {
    if (objects <= 0) return 0;
    for (size_t i = precisions_.size(); i-- > 1;) {
      precisions_[i - 1] = std::max(precisions_[i - 1], precisions_[i]);
    }
    double sum = 0;
    size_t i = 0;
    for (int percent = 0; percent <= 100; ++percent) {
      while (i < precisions_.size() && Count(i + 1) / Count(objects) < percent / 100.0) ++i;
      if (i == precisions_.size()) break;
      sum += precisions_[i];
    }
    return sum / 101;
  }

 private:
  template <typename Int>
  static double Count(Int count) {
    return static_cast<double>(count);
  }

  std::vector<double> precisions_;  // after each hit
  int64_t count_ = 0;
};

class ClassMeter {
 public:
  explicit ClassMeter(const ClassEntries& data) : data_(data) {}

  ClassAp Measure(const Pass& pass) {
    walk_.Clear();
    if (pass.kind == Pass::kFalsePositives) {
      WalkWithoutFalse();
    } else if (pass.kind == kClassificationError) {
      WalkMerged(pass);
    } else {
      for (const Entry& entry : data_.entries) AddOwn(entry, pass);
    }
    const int64_t objects = Objects(pass);
    return {walk_.Ap(objects), walk_.count() > 0 || objects > 0};
  }

 private:
  static bool Fixes(const Entry& entry, const Pass& pass) {
    return entry.kind == pass.kind && (pass.size < 0 || entry.size == pass.size);
  }

  void AddOwn(const Entry& entry, const Pass& pass) {
    if (Fixes(entry, pass)) {
      if (pass.kind == kLocalizationError && entry.would_find) walk_.Add(true);
    } else if (!entry.ignored) {
      walk_.Add(entry.kind == kNoError);
    }
  }

  void WalkMerged(const Pass& pass) {
    auto moved = data_.moved_in.begin();
    const auto add_moved = [&] {
      if (pass.size < 0 || moved->size == pass.size) walk_.Add(true);
      ++moved;
    };
    for (const Entry& entry : data_.entries) {
      while (moved != data_.moved_in.end() && FixedOrder(*moved, entry)) add_moved();
      AddOwn(entry, pass);
    }
    while (moved != data_.moved_in.end()) add_moved();
  }

  // Every hit before every false detection.
  void WalkWithoutFalse() {
    for (const bool finds : {true, false}) {
      for (const Entry& entry : data_.entries) {
        if (!entry.ignored && (entry.kind == kNoError) == finds) walk_.Add(finds);
      }
    }
  }

  int64_t Objects(const Pass& pass) const {
    if (pass.kind == Pass::kFalseNegatives) return data_.found;
    int64_t objects = data_.objects;
    for (int size = 0; size < kErrorSizes; ++size) {
      const bool fixed = pass.kind == kMissedError && (pass.size < 0 || pass.size == size);
      if (fixed) objects -= data_.missed[size];
    }
    return objects;
  }

  const ClassEntries& data_;
  PrecisionWalk walk_;
};

ClassAp MeasurePlain(const ClassEntries& data) {
  // Sorted for fixed errors: only runs of equal scores differ.
  std::vector<Entry> plain = data.entries;
  std::sort(plain.begin(), plain.end(), PlainOrder);
  PrecisionWalk walk;
  for (const Entry& entry : plain) {
    if (!entry.ignored) walk.Add(entry.kind == kNoError);
  }
  return {walk.Ap(data.objects), walk.count() > 0 || data.objects > 0};
}

// `order`: the detection's place in the lists of `errors`.
Entry MakeEntry(const GroundTruth& truth, const Detections& detections,
                const DetectionErrors& errors, uint32_t order) {
  const uint32_t d = errors.lists.detections[order];
  const uint8_t kind = errors.detections[d];
  const bool has_object = kind == kLocalizationError || kind == kClassificationError;
  const XywhBox& box = has_object ? truth.annotations[errors.objects[d]].box : detections.boxes[d];
  return {detections.scores[d],
          order,
          kind,
          static_cast<uint8_t>(SizeRange(box)),
          errors.ignored[d] != 0,
          errors.would_find[d] != 0};
}

void CollectDetections(const GroundTruth& truth, const Detections& detections,
                       const DetectionErrors& errors, OracleFixes& fixes,
                       std::vector<ClassEntries>& classes) {
  const ImageLists& lists = errors.lists;
  for (uint32_t order = 0; order < lists.detections.size(); ++order) {
    const uint32_t d = lists.detections[order];
    const uint8_t kind = errors.detections[d];
    if (kind == kNotJudged) continue;
    const Entry entry = MakeEntry(truth, detections, errors, order);
    if (kind < kErrorKinds) ++fixes.size_counts[entry.size][kind];
    classes[lists.detection_classes[d]].entries.push_back(entry);
    if (kind == kClassificationError && entry.would_find) {
      classes[lists.annotation_classes[errors.objects[d]]].moved_in.push_back(entry);
    }
  }
}

void CollectObjects(const GroundTruth& truth, const DetectionErrors& errors, OracleFixes& fixes,
                    std::vector<ClassEntries>& classes) {
  for (size_t g = 0; g < truth.annotations.size(); ++g) {
    if (errors.annotations[g] == kNotJudged) continue;
    ClassEntries& data = classes[errors.lists.annotation_classes[g]];
    ++data.objects;
    data.found += errors.found_by[g] >= 0;
    if (errors.annotations[g] != kMissedError) continue;
    const int size = SizeRange(truth.annotations[g].box);
    ++data.missed[size];
    ++fixes.size_counts[size][kMissedError];
  }
}

// By class. Counts errors by size in `fixes`.
std::vector<ClassEntries> Collect(const GroundTruth& truth, const Detections& detections,
                                  const DetectionErrors& errors, OracleFixes& fixes) {
  std::vector<ClassEntries> classes(truth.categories.size());
  CollectDetections(truth, detections, errors, fixes, classes);
  CollectObjects(truth, errors, fixes, classes);
  return classes;
}

std::vector<Pass> AllPasses() {
  std::vector<Pass> passes;
  for (int size = -1; size < kErrorSizes; ++size) {
    for (int kind = 0; kind < kErrorKinds; ++kind) passes.push_back({kind, size});
  }
  passes.push_back({Pass::kFalsePositives, -1});
  passes.push_back({Pass::kFalseNegatives, -1});
  return passes;
}

double Mean(absl::Span<const ClassAp> classes) {
  double sum = 0;
  int64_t count = 0;
  for (const ClassAp& one : classes) {
    sum += one.ap;
    count += one.counts;
  }
  return count == 0 ? 0 : sum / static_cast<double>(count);
}

void Store(const Pass& pass, double gain, absl::Span<const ClassAp> fixed, OracleFixes& fixes) {
  if (pass.size >= 0) {
    fixes.size_dap[pass.size][pass.kind] = std::max(gain, 0.0);
    return;
  }
  for (size_t k = 0; k < fixed.size(); ++k) {
    ClassFixes& one = fixes.classes[k];
    const double class_gain = fixed[k].ap - one.ap;
    if (pass.kind == Pass::kFalsePositives) {
      one.false_positives = class_gain;
    } else if (pass.kind == Pass::kFalseNegatives) {
      one.false_negatives = class_gain;
    } else {
      one.dap[pass.kind] = class_gain;
    }
  }
  if (pass.kind == Pass::kFalsePositives) {
    fixes.false_positives = gain;
  } else if (pass.kind == Pass::kFalseNegatives) {
    fixes.false_negatives = gain;
  } else {
    fixes.dap[pass.kind] = std::max(gain, 0.0);
  }
}

}  // namespace

const char* ErrorSizeName(int size) {
  constexpr const char* kNames[] = {"small", "medium", "large"};
  return size >= 0 && size < kErrorSizes ? kNames[size] : "";
}

OracleFixes MeasureOracleFixes(const GroundTruth& truth, const Detections& detections,
                               const DetectionErrors& errors) {
  OracleFixes fixes;
  std::vector<ClassEntries> classes = Collect(truth, detections, errors, fixes);
  const auto count = static_cast<int64_t>(classes.size());
  const std::vector<Pass> passes = AllPasses();
  std::vector<ClassAp> plain(count);
  std::vector<ClassAp> fixed(count * passes.size());  // [passes, K]
  ParallelFor(count, errors.options.threads, [&](int64_t k) {
    std::sort(classes[k].entries.begin(), classes[k].entries.end(), FixedOrder);
    std::sort(classes[k].moved_in.begin(), classes[k].moved_in.end(), FixedOrder);
    plain[k] = MeasurePlain(classes[k]);
    ClassMeter meter(classes[k]);
    for (size_t p = 0; p < passes.size(); ++p) fixed[p * count + k] = meter.Measure(passes[p]);
  });
  fixes.ap = Mean(plain);
  fixes.classes.resize(count);
  for (int64_t k = 0; k < count; ++k) {
    fixes.classes[k].objects = classes[k].objects;
    fixes.classes[k].detections =
        std::count_if(classes[k].entries.begin(), classes[k].entries.end(),
                      [](const Entry& e) { return !e.ignored; });
    fixes.classes[k].ap = plain[k].ap;
  }
  for (size_t p = 0; p < passes.size(); ++p) {
    const auto pass_aps = absl::MakeConstSpan(fixed).subspan(p * count, count);
    Store(passes[p], Mean(pass_aps) - fixes.ap, pass_aps, fixes);
  }
  return fixes;
}

}  // namespace rcnn::eval
