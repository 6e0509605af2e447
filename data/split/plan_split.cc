#include "rcnn/data/split/plan_split.h"

#include <algorithm>
#include <limits>
#include <map>
#include <queue>
#include <set>
#include <tuple>
#include <utility>

#include "rcnn/data/core/fingerprint.h"

namespace rcnn::data {
namespace {

// Images of one source.
struct Source {
  std::vector<int64_t> images;
  // Images with an object of the label.
  std::map<int64_t, int64_t> labels;
  std::set<SplitSide> sides;
  // A hash of the first of its names: the order in which sources are dealt out.
  std::string key;
};

std::vector<Source> MakeSources(const std::vector<SplitImage>& images) {
  std::map<int64_t, Source> by_group;
  for (size_t i = 0; i < images.size(); ++i) {
    Source& source = by_group[images[i].group];
    source.images.push_back(static_cast<int64_t>(i));
    for (const int64_t label : images[i].labels) ++source.labels[label];
    if (images[i].side) source.sides.insert(*images[i].side);
    const std::string key = Fingerprint().Add("split").Add(images[i].name).Hex();
    if (source.key.empty() || key < source.key) source.key = key;
  }
  std::vector<Source> sources;
  for (auto& [group, source] : by_group) sources.push_back(std::move(source));
  std::sort(sources.begin(), sources.end(),
            [](const Source& a, const Source& b) { return a.key < b.key; });
  return sources;
}

class Dealer {
 public:
  Dealer(const std::vector<SplitImage>& images, const SplitShares& shares)
      : images_(images), sources_(MakeSources(images)) {
    const double least = 1 / std::max<double>(1, static_cast<double>(sources_.size()));
    const double val = shares.val > 0 ? std::max(shares.val, least) : 0;
    const double test = shares.test > 0 ? std::max(shares.test, least) : 0;
    share_ = {1 - val - test, val, test};
    split_.side.resize(images.size(), SplitSide::kTrain);
  }

  PlannedSplit Deal() {
    CountWanted();
    std::vector<Source*> open;
    for (Source& source : sources_) {
      if (source.sides.empty()) {
        open.push_back(&source);
      } else {
        Follow(source);
      }
    }
    for (const int64_t label : LabelsFromTheRarest()) {
      DealOut(
          open, [&](const Source& source) { return source.labels.count(label) > 0; },
          &wanted_[label]);
    }
    DealOut(
        open, [](const Source&) { return true; }, &wanted_images_);
    for (int side = 1; side < kSplitSides; ++side) FillUp(side);
    return std::move(split_);
  }

 private:
  using Wanted = std::array<double, kSplitSides>;

  // A source that had no side before.
  struct Dealt {
    const Source* source = nullptr;
    int side = 0;
  };

  // How well a source would change sides: what its labels say, then what the number of images says.
  using Gain = std::pair<double, double>;

  void CountWanted() {
    for (int side = 0; side < kSplitSides; ++side) {
      wanted_images_[side] = share_[side] * static_cast<double>(images_.size());
    }
    for (const SplitImage& image : images_) {
      for (const int64_t label : image.labels) {
        for (int side = 0; side < kSplitSides; ++side) wanted_[label][side] += share_[side];
        ++images_of_label_[label];
      }
    }
  }

  std::vector<int64_t> LabelsFromTheRarest() const {
    std::vector<int64_t> labels;
    for (const auto& [label, count] : images_of_label_) labels.push_back(label);
    std::stable_sort(labels.begin(), labels.end(), [&](int64_t a, int64_t b) {
      return images_of_label_.at(a) < images_of_label_.at(b);
    });
    return labels;
  }

  void Put(int64_t image, SplitSide side) {
    split_.side[static_cast<size_t>(image)] = side;
    wanted_images_[static_cast<int>(side)] -= 1;
    for (const int64_t label : images_[static_cast<size_t>(image)].labels) {
      wanted_[label][static_cast<int>(side)] -= 1;
    }
  }

  // New images of a source that already has a side.
  void Follow(const Source& source) {
    for (const int64_t image : source.images) {
      const std::optional<SplitSide>& side = images_[static_cast<size_t>(image)].side;
      const bool torn = source.sides.size() > 1;
      if (!side && torn) split_.torn.push_back(image);
      Put(image, side ? *side : torn ? SplitSide::kTrain : *source.sides.begin());
    }
  }

  // Each source goes to the side that lacks most; of equals, to training.
  template <typename Predicate>
  void DealOut(std::vector<Source*>& open, Predicate&& concerns, const Wanted* wanted) {
    std::vector<Source*> rest;
    for (Source* const source : open) {
      if (!concerns(*source)) {
        rest.push_back(source);
        continue;
      }
      int best = 0;
      for (int side = 1; side < kSplitSides; ++side) {
        if (share_[side] > 0 && std::pair((*wanted)[side], wanted_images_[side]) >
                                    std::pair((*wanted)[best], wanted_images_[best])) {
          best = side;
        }
      }
      for (const int64_t image : source->images) Put(image, static_cast<SplitSide>(best));
      dealt_.push_back({source, best});
    }
    open = std::move(rest);
  }

  double WantedAtFirst(int side) const {
    return share_[side] * static_cast<double>(images_.size());
  }

  Gain GainOfMove(const Dealt& dealt, int side) const {
    double of_labels = std::numeric_limits<double>::infinity();
    for (const auto& [label, count] : dealt.source->labels) {
      const Wanted& wanted = wanted_.at(label);
      of_labels = std::min(of_labels, wanted[side] - wanted[dealt.side]);
    }
    return {of_labels, wanted_images_[side] - wanted_images_[dealt.side]};
  }

  double CountImages(int side) const { return WantedAtFirst(side) - wanted_images_[side]; }

  // The old side must keep an image. Unless the new one is empty, the old one must have more than
  // its share, and the new one must not get more than its own.
  bool MayMove(const Dealt& dealt, int side) const {
    const double count = static_cast<double>(dealt.source->images.size());
    if (CountImages(dealt.side) < count + 0.5) return false;
    return CountImages(side) < 0.5 ||
           (wanted_images_[dealt.side] < 0 && count < wanted_images_[side] + 0.5);
  }

  void Move(Dealt& dealt, int side) {
    wanted_images_[dealt.side] += static_cast<double>(dealt.source->images.size());
    for (const auto& [label, count] : dealt.source->labels) {
      wanted_[label][dealt.side] += static_cast<double>(count);
    }
    dealt.side = side;
    for (const int64_t image : dealt.source->images) Put(image, static_cast<SplitSide>(side));
  }

  // Classes with few images each lack less than a whole one on a small side, so that it may get
  // none of any. A side with less than half of its share takes sources from the others; a gain
  // only shrinks by moves, so that the largest one is known when its source comes up again.
  void FillUp(int side) {
    if (share_[side] <= 0 || wanted_images_[side] <= WantedAtFirst(side) / 2) return;
    // The negative place: of equal gains the first source's is the largest.
    std::priority_queue<std::pair<Gain, int64_t>> gains;
    for (size_t i = 0; i < dealt_.size(); ++i) {
      if (dealt_[i].side == side) continue;
      gains.push({GainOfMove(dealt_[i], side), -static_cast<int64_t>(i)});
    }
    while (!gains.empty() && wanted_images_[side] >= 0.5) {
      const auto [gain, place] = gains.top();
      gains.pop();
      Dealt& dealt = dealt_[static_cast<size_t>(-place)];
      if (const Gain now = GainOfMove(dealt, side); now < gain) {
        gains.push({now, place});
      } else if (MayMove(dealt, side)) {
        Move(dealt, side);
      }
    }
  }

  const std::vector<SplitImage>& images_;
  std::vector<Source> sources_;
  Wanted share_ = {1, 0, 0};
  // How many images a side still lacks: of a label, and in all.
  std::map<int64_t, Wanted> wanted_;
  Wanted wanted_images_ = {0, 0, 0};
  std::map<int64_t, int64_t> images_of_label_;
  std::vector<Dealt> dealt_;
  PlannedSplit split_;
};

}  // namespace

PlannedSplit PlanSplit(const std::vector<SplitImage>& images, const SplitShares& shares) {
  return Dealer(images, shares).Deal();
}

}  // namespace rcnn::data
