#include "rcnn/training/plan/data_rules.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"

namespace rcnn::training {
namespace {

constexpr int kLeastSidePx = 160;
constexpr double kMostEnlarged = 1.5;
constexpr int64_t kMostCacheMib = 4096;

bool HasRareClass(const DataFingerprint& data) {
  return std::any_of(data.classes.begin(), data.classes.end(), [&](const ClassFrequency& c) {
    return c.images > 0 &&
           static_cast<double>(c.images) < kRareClassShare * static_cast<double>(data.images);
  });
}

// Memory for all decoded images, but no more than a quarter of the machine's and kMostCacheMib.
int64_t CacheMib(const DataFingerprint& data) {
  const int64_t memory_mib =
      (static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE)) >> 20;
  const int64_t wanted = data.decoded_bytes / (1 << 20) * 11 / 10 + 64;
  return std::min({wanted, memory_mib / 4, kMostCacheMib});
}

// Rounds up to a multiple of 50 in [least, 1000].
int RoundUpToFifty(int least, double value) {
  return std::clamp(static_cast<int>(std::ceil(value / 50)) * 50, least, 1000);
}

bool IsSide(const std::string& word) { return word == "left" || word == "right"; }

}  // namespace

bool TellsSides(const DataFingerprint& data) {
  for (const ClassFrequency& c : data.classes) {
    const std::vector<std::string> words =
        absl::StrSplit(absl::AsciiStrToLower(c.name), absl::ByAnyChar(" _-./:()"));
    if (std::any_of(words.begin(), words.end(), IsSide)) return true;
  }
  return false;
}

PlanChoices ChooseByData(const DataFingerprint& data) {
  PlanChoices choices;
  if (HasRareClass(data)) choices.repeat_classes_below = kRareClassShare;
  choices.mirror = !TellsSides(data);
  choices.rois_per_image =
      static_cast<int>(std::clamp<int64_t>(4 * data.objects_per_image, 64, 256));
  choices.proposals = RoundUpToFifty(200, 2.0 * static_cast<double>(data.most_objects));
  choices.detections = RoundUpToFifty(100, 1.5 * static_cast<double>(data.most_objects));
  choices.image_cache_mib = CacheMib(data);
  choices.images_per_batch = ImagesPerBatch(data, 0);
  return choices;
}

double WantedPresentations(const DataFingerprint& data, bool pretrained) {
  const double random = std::clamp(12.0 * static_cast<double>(data.images), 6000.0, 24000.0);
  return pretrained ? random / 3 : random;
}

double ScaleChange(double share) { return std::clamp(std::sqrt(share), 0.7, 1.25); }

int ChangedSide(const DataFingerprint& data, int shortest_side_px, double factor) {
  const double changed =
      std::min(factor * shortest_side_px,
               std::max<double>(shortest_side_px, kMostEnlarged * data.shortest_side_px));
  return std::max(kLeastSidePx, static_cast<int>(std::lround(changed / 8)) * 8);
}

int ImagesPerBatch(const DataFingerprint& data, double share) {
  const int wanted = share >= 40 ? 8 : share >= 10 ? 4 : 2;
  const int64_t trained = std::max<int64_t>(1, data.images - data.images_without_objects);
  return static_cast<int>(std::min<int64_t>(wanted, trained));
}

}  // namespace rcnn::training
