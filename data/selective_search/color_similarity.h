// Colour similarity of two regions: the overlap of their histograms.
//
// One of selective search's similarities, 25 bins per channel, normalised to 1 over
// all channels (Uijlings et al., IJCV 104, 2013, section 4.2). Gives the same
// values as OpenCV's colour strategy, with one pass over the image instead of one
// per region.
//
// Example:
//   cv::Ptr<SelectiveSearchSegmentationStrategy> color = cv::makePtr<ColorSimilarity>();

#ifndef RCNN_DATA_SELECTIVE_SEARCH_COLOR_SIMILARITY_H_
#define RCNN_DATA_SELECTIVE_SEARCH_COLOR_SIMILARITY_H_

#include <opencv2/ximgproc/segmentation.hpp>
#include <vector>

namespace rcnn::data {

class ColorSimilarity
    : public cv::ximgproc::segmentation::SelectiveSearchSegmentationStrategyColor {
 public:
  static constexpr int kBins = 25;

  // image: 8 bits, any number of channels, [H, W]; regions: int32 labels from 0,
  // [H, W]; sizes: int32 pixels per region, [R, 1], referenced, not copied, since
  // the caller updates it. A call with the image_id of the call before reuses its
  // histograms, unless that is -1.
  void setImage(cv::InputArray image, cv::InputArray regions, cv::InputArray sizes,
                int image_id) override;

  // In [0, 1].
  float get(int r1, int r2) override;

  // Gives both regions the histogram of their union.
  void merge(int r1, int r2) override;

 private:
  float* histogram(int region) { return &histograms_[static_cast<size_t>(region) * length_]; }

  cv::Mat sizes_;
  size_t length_ = 0;  // of one histogram
  std::vector<float> histograms_;
  std::vector<float> initial_;  // before any merge, of image image_id_
  int image_id_ = -1;
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_SELECTIVE_SEARCH_COLOR_SIMILARITY_H_
