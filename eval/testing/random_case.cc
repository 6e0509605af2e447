#include "rcnn/eval/testing/random_case.h"

#include <algorithm>
#include <random>

namespace rcnn::eval::testing {
namespace {

class Maker {
 public:
  Maker(uint64_t seed, const RandomCaseOptions& options)
      : random_(seed), options_(options), on_grid_(Chance(0.7)) {}

  RandomCase Make() {
    for (int64_t i = Int(1, 6); i-- > 0;) result_.truth.images.push_back({Int(1, 9000), ""});
    for (int64_t i = Int(1, 4); i-- > 0;) result_.truth.categories.push_back({Int(0, 90), "c"});
    result_.truth.Normalize();
    int64_t id = options_.zero_id && Chance(0.1) ? 0 : 1;
    for (const GroundTruthImage& image : result_.truth.images) {
      if (Chance(0.2)) continue;
      for (int64_t n = Int(0, 8); n-- > 0;) AddAnnotation(id++, image.id);
    }
    for (const GroundTruthImage& image : result_.truth.images) {
      const int64_t many = Chance(0.03) ? 250 : 25;
      for (int64_t n = Chance(0.1) ? 0 : Int(0, many); n-- > 0;) AddDetection(image.id);
    }
    return std::move(result_);
  }

 private:
  int64_t Int(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random_);
  }
  double Real(double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random_);
  }
  bool Chance(double probability) { return Real(0, 1) < probability; }

  int64_t Category() {
    const auto& categories = result_.truth.categories;
    return categories[Int(0, static_cast<int64_t>(categories.size()) - 1)].id;
  }

  XywhBox Box() {
    if (!on_grid_) return {Real(0, 400), Real(0, 300), Real(1, 200), Real(1, 200)};
    const double size = Chance(0.3) ? (Chance(0.5) ? 32 : 96) : 2.0 * Int(1, 20);
    return {2.0 * Int(0, 40), 2.0 * Int(0, 40), size, Chance(0.5) ? size : 2.0 * Int(1, 20)};
  }

  void AddAnnotation(int64_t id, int64_t image) {
    Annotation a = {id, image, Category(), Box()};
    a.area = a.box.width * a.box.height * (Chance(0.5) ? 1.0 : Real(0.4, 1.0));
    a.crowd = Chance(0.1);
    a.difficult = Chance(0.15);
    result_.truth.annotations.push_back(a);
    if (Chance(0.1)) result_.truth.annotations.back().box.width = 0;
  }

  void AddDetection(int64_t image) {
    XywhBox box = Box();
    int64_t category = Category();
    const auto& annotations = result_.truth.annotations;
    if (!annotations.empty() && Chance(0.6)) {
      const Annotation& near = annotations[Int(0, static_cast<int64_t>(annotations.size()) - 1)];
      box = near.box;
      category = near.category_id;
      if (Chance(0.7)) box.x += on_grid_ ? 2.0 * Int(-3, 3) : Real(-20, 20);
      if (Chance(0.5)) box.width = std::max(0.0, box.width + (on_grid_ ? 2.0 : 7.3) * Int(-2, 2));
    }
    const double score = options_.equal_scores ? 0.25 * Int(0, 4) : Real(0, 1);
    result_.detections.Add({image, category, box, score});
  }

  std::mt19937_64 random_;
  const RandomCaseOptions options_;
  const bool on_grid_;
  RandomCase result_;
};

}  // namespace

RandomCase MakeRandomCase(uint64_t seed, const RandomCaseOptions& options) {
  return Maker(seed, options).Make();
}

}  // namespace rcnn::eval::testing
