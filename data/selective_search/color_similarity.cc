#include "rcnn/data/selective_search/color_similarity.h"

#include <algorithm>
#include <cstdint>

namespace rcnn::data {
namespace {

// Pixels of each region in each bin of each channel.
std::vector<float> CountBins(const cv::Mat& image, const cv::Mat& regions, size_t num_regions) {
  const size_t channels = static_cast<size_t>(image.channels());
  const size_t length = channels * ColorSimilarity::kBins;
  std::vector<float> counts(num_regions * length);
  for (int y = 0; y < image.rows; ++y) {
    const uint8_t* pixel = image.ptr<uint8_t>(y);
    const int32_t* region = regions.ptr<int32_t>(y);
    for (int x = 0; x < image.cols; ++x, pixel += channels) {
      float* bins = &counts[static_cast<size_t>(region[x]) * length];
      for (size_t c = 0; c < channels; ++c) {
        bins[c * ColorSimilarity::kBins + pixel[c] * ColorSimilarity::kBins / 256] += 1;
      }
    }
  }
  return counts;
}

}  // namespace

void ColorSimilarity::setImage(cv::InputArray image, cv::InputArray regions, cv::InputArray sizes,
                               int image_id) {
  sizes_ = sizes.getMat();
  if (image_id != -1 && image_id == image_id_) {
    histograms_ = initial_;
    return;
  }
  const size_t channels = static_cast<size_t>(image.channels());
  length_ = channels * kBins;
  histograms_ = CountBins(image.getMat(), regions.getMat(), static_cast<size_t>(sizes_.rows));
  for (int r = 0; r < sizes_.rows; ++r) {
    const float total = static_cast<float>(sizes_.at<int>(r)) * static_cast<float>(channels);
    std::for_each_n(histogram(r), length_, [total](float& bin) { bin /= total; });
  }
  initial_ = histograms_;
  image_id_ = image_id;
}

float ColorSimilarity::get(int r1, int r2) {
  const float* a = histogram(r1);
  const float* b = histogram(r2);
  float sum = 0;
  for (size_t i = 0; i < length_; ++i) sum += std::min(a[i], b[i]);
  return sum;
}

void ColorSimilarity::merge(int r1, int r2) {
  const float size1 = static_cast<float>(sizes_.at<int>(r1));
  const float size2 = static_cast<float>(sizes_.at<int>(r2));
  float* a = histogram(r1);
  float* b = histogram(r2);
  for (size_t i = 0; i < length_; ++i) {
    a[i] = b[i] = (a[i] * size1 + b[i] * size2) / (size1 + size2);
  }
}

}  // namespace rcnn::data
